"""Recall.ai's realtime events, as its bots send them: ``{"event", "data": {"data", "recording", "bot", ...}}``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from protocol.errors import InvalidMessage
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_fields import (
    RELATIVE_MAX_S,
    TEXT_MAX_CHARS,
    finite,
    moment_of,
    number_of,
    participant_of,
    samples,
    table,
    text_or_none,
    unbased,
)
from protocol.wire.bot_items import (
    Acted,
    Item,
    Picture,
    PictureFormat,
    ProviderData,
    Sound,
    Surface,
    Told,
    ToldWord,
    Unknown,
)

RATE_HZ = 16_000
WORDS_MAX = 5_000
_PICTURES: dict[str, PictureFormat] = {"video_separate_png.data": "png", "video_separate_h264.data": "h264"}
_JPEG = b"\xff\xd8\xff"  # which some bots send in the place of PNG
_ACTED = "participant_events."


def parse(sent: Mapping[str, Any]) -> Item:
    """Raises ``InvalidMessage``."""
    name = sent["event"]
    if not isinstance(name, str):
        raise InvalidMessage("event must be text", details={"got": type(name).__name__})
    around = table(sent.get("data"), "data")
    inside = table(around.get("data"), "data.data")
    if name.startswith(_ACTED):
        return _acted(name.removeprefix(_ACTED), around, inside)
    match name:
        case "audio_mixed_raw.data":
            return Sound(None, _pcm(inside), RATE_HZ, moment_of(inside.get("timestamp")))
        case "audio_separate_raw.data":
            return Sound(_participant(around, inside), _pcm(inside), RATE_HZ, moment_of(inside.get("timestamp")))
        case "transcript.data" | "transcript.partial_data":
            return _told(around, inside, is_partial=name == "transcript.partial_data")
        case "transcript.provider_data":
            return ProviderData(dict(inside), _whose(around, inside))
        case "video_separate_png.data" | "video_separate_h264.data":
            data = unbased(inside.get("buffer"), "buffer")
            return Picture(
                _participant(around, inside),
                _surface(inside.get("type")),
                "jpeg" if data.startswith(_JPEG) and _PICTURES[name] == "png" else _PICTURES[name],
                data,
                moment_of(inside.get("timestamp")),
            )
    return Unknown(text_or_none(name, 64) or "")


def _pcm(inside: Mapping[str, Any]) -> bytes:
    return samples(unbased(inside.get("buffer"), "buffer"))


def _participant(around: Mapping[str, Any], inside: Mapping[str, Any]) -> MeetingParticipant:
    """Some that forward these events put it beside the data."""
    return participant_of(inside["participant"] if "participant" in inside else around.get("participant"))


def _maybe_participant(around: Mapping[str, Any], inside: Mapping[str, Any]) -> MeetingParticipant | None:
    """What comes before anybody is known to speak has none."""
    who = inside.get("participant", around.get("participant"))
    return participant_of(who) if isinstance(who, dict) and who.get("id") is not None else None


def _whose(around: Mapping[str, Any], inside: Mapping[str, Any]) -> MeetingParticipant | None:
    """A provider may name speakers as it likes: what it sent is kept all the same."""
    with suppress(InvalidMessage):
        return _maybe_participant(around, inside)
    return None


def _acted(action: str, around: Mapping[str, Any], inside: Mapping[str, Any]) -> Item:
    try:
        known = ParticipantAction(action)
    except ValueError:
        return Unknown(text_or_none(_ACTED + action, 64) or "")
    moment = moment_of(inside.get("timestamp"))
    if known is not ParticipantAction.CHAT_MESSAGE:
        return Acted(known, _participant(around, inside), moment)
    chat = table(inside.get("data"), "data.data.data")
    text = chat.get("text")
    if not isinstance(text, str) or len(text) > TEXT_MAX_CHARS:
        raise InvalidMessage(f"a chat message must have text, of {TEXT_MAX_CHARS} characters at most")
    to = text_or_none(chat.get("to")) or "everyone"
    return Acted(known, _participant(around, inside), moment, text_or_none(text, TEXT_MAX_CHARS), to)


def _told(around: Mapping[str, Any], inside: Mapping[str, Any], *, is_partial: bool) -> Told:
    words = inside.get("words")
    if not isinstance(words, list) or len(words) > WORDS_MAX:
        raise InvalidMessage(f"words must be a list of {WORDS_MAX} at most", details={"field": "words"})
    who = _maybe_participant(around, inside)
    voice = _voice(inside.get("participant", around.get("participant"))) if who is None else None
    return Told(
        who or voice,
        tuple(_word(word) for word in words),
        is_partial,
        text_or_none(inside.get("language_code"), 16),
        dict(inside),
        is_voice=voice is not None,
    )


def _voice(who: object) -> MeetingParticipant | None:
    """One that a recogniser told apart in somebody's sound, such as ``9-A``, which has a name and no number."""
    name = text_or_none(who.get("name")) if isinstance(who, dict) else None
    return MeetingParticipant(id=number_of(name), name=name) if name else None


def _word(value: object) -> ToldWord:
    word = table(value, "words[]")
    text = word.get("text")
    if not isinstance(text, str):
        raise InvalidMessage("a word must have text", details={"field": "words[].text"})
    start_s = _seconds(word.get("start_timestamp"), "start_timestamp")
    end = word.get("end_timestamp")
    end_s = None if end is None else max(start_s, _seconds(end, "end_timestamp"))
    return ToldWord(text_or_none(text, TEXT_MAX_CHARS) or "", start_s, end_s)


def _seconds(value: object, name: str) -> float:
    return finite(table(value, name).get("relative"), f"{name}.relative", 0.0, RELATIVE_MAX_S)


def _surface(value: object) -> Surface:
    if value == "webcam" or value == "screenshare":
        return "webcam" if value == "webcam" else "screenshare"
    raise InvalidMessage("type must be webcam or screenshare", details={"field": "type"})
