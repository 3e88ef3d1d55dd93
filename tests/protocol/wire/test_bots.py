"""What meeting bots send, in three dialects; and that nothing they send breaks the parser."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import AudioFormatError, BadInput, InvalidMessage
from protocol.participants import MeetingParticipant, ParticipantAction
from protocol.wire.bot_fields import EXTRA_MAX_CHARS, ID_MAX, NAME_MAX_CHARS
from protocol.wire.bot_items import (
    Acted,
    Head,
    Item,
    Moment,
    Picture,
    ProviderData,
    Sound,
    Told,
    ToldWord,
    Unknown,
)
from protocol.wire.bots import BotMessages
from protocol.wire.dialects import Dialect
from tests.protocol.wire.test_v1 import JSON

PCM = b"\x01\x00\x02\x00"
BUFFER = base64.b64encode(PCM).decode()
ADA = {
    "id": 7,
    "name": "Ada",
    "is_host": True,
    "platform": "zoom",
    "extra_data": {"zoom": 1},
    "email": "ada@example.org",
}
WHO = MeetingParticipant(**ADA)
WHEN = {"relative": 12.5, "absolute": "2026-01-31T12:00:12.500Z"}
MOMENT = Moment(12.5, 1769860812.5)


def read(*messages: str | bytes) -> Item:
    """The last of them."""
    reader = BotMessages()
    for message in messages[:-1]:
        reader.read(message)
    return reader.read(messages[-1])


def recall(event: str, /, beside: dict[str, Any] | None = None, **inside: Any) -> str:
    """As they come, with what stands around the data."""
    around = {name: {"id": "x", "metadata": {}} for name in ("realtime_endpoint", "recording", "bot")}
    return json.dumps({"event": event, "data": {"data": inside, **around, **(beside or {})}})


def attendee(trigger: str, **data: Any) -> str:
    return json.dumps({"bot_id": "bot_1", "trigger": trigger, "data": data})


def test_sound_of_recall() -> None:
    mixed = recall("audio_mixed_raw.data", buffer=BUFFER, timestamp=WHEN)
    assert read(mixed) == Sound(None, PCM, 16_000, MOMENT)
    separate = recall("audio_separate_raw.data", buffer=BUFFER, timestamp=WHEN, participant=ADA)
    assert read(separate) == Sound(WHO, PCM, 16_000, MOMENT)


def test_a_participant_may_stand_beside_the_data() -> None:
    message = recall("audio_separate_raw.data", {"participant": ADA}, buffer=BUFFER, timestamp=WHEN)
    assert read(message) == Sound(WHO, PCM, 16_000, MOMENT)


@pytest.mark.parametrize("action", list(ParticipantAction))
def test_all_that_participants_do(action: ParticipantAction) -> None:
    data = {"text": "Hello \U0001f44b", "to": "only_bot"} if action is ParticipantAction.CHAT_MESSAGE else None
    found = read(recall(f"participant_events.{action}", participant=ADA, timestamp=WHEN, data=data))
    said = ("Hello \U0001f44b", "only_bot") if data else (None, None)
    assert found == Acted(action, WHO, MOMENT, *said)


@pytest.mark.parametrize(("event", "is_partial"), [("transcript.data", False), ("transcript.partial_data", True)])
def test_words_that_another_recogniser_made(event: str, is_partial: bool) -> None:
    words = [
        {"text": "Hi", "start_timestamp": {"relative": 1.0}, "end_timestamp": {"relative": 1.5}},
        {"text": "you", "start_timestamp": {"relative": 1.5}, "end_timestamp": None},
    ]
    expected = (ToldWord("Hi", 1.0, 1.5), ToldWord("you", 1.5, None))
    sent: dict[str, Any] = {"words": words, "participant": ADA, "language_code": "en"}
    assert read(recall(event, **sent)) == Told(WHO, expected, is_partial, "en", sent)
    # Before anybody is known to speak.
    unknown = {"id": None, "name": None}
    sent = {"words": words, "participant": unknown}
    assert read(recall(event, **sent)) == Told(None, expected, is_partial, payload=sent)


def test_a_voice_that_a_recogniser_told_apart_has_its_name() -> None:
    found, again, other = (
        read(recall("transcript.data", words=[], participant={"id": None, "name": name}))
        for name in ("9-A", "9-A", "9-B")
    )
    assert isinstance(found, Told)
    assert isinstance(other, Told)
    assert (found, found.is_voice) == (again, True)
    assert found.participant is not None
    assert other.participant is not None
    assert (found.participant.name, other.participant.name) == ("9-A", "9-B")
    assert found.participant.id != other.participant.id
    nobody = read(recall("transcript.data", words=[], participant={"id": None, "name": ""}))
    assert nobody == Told(None, (), is_partial=False, payload={"words": [], "participant": {"id": None, "name": ""}})


def test_what_a_provider_sent_is_kept_as_it_is() -> None:
    assert read(recall("transcript.provider_data", payload={"channel": [1]})) == ProviderData(
        {"payload": {"channel": [1]}}
    )


def test_of_whose_sound_a_provider_tells() -> None:
    for who, expected in ((ADA, WHO), ({"id": "channel-1"}, None), ("speaker 2", None), (None, None)):
        found = read(recall("transcript.provider_data", participant=who))
        assert found == ProviderData({"participant": who}, expected)


@pytest.mark.parametrize("form", ["png", "h264"])
def test_pictures_of_recall(form: str) -> None:
    message = recall(f"video_separate_{form}.data", buffer=BUFFER, timestamp=WHEN, participant=ADA, type="screenshare")
    found = read(message)
    assert isinstance(found, Picture)
    assert (found.participant, found.surface, found.format, found.data) == (WHO, "screenshare", form, PCM)
    assert found.moment == MOMENT


def test_sound_and_pictures_of_attendee() -> None:
    mixed = read(attendee("realtime_audio.mixed", chunk=BUFFER, sample_rate=24_000, timestamp_ms=1_769_860_812_500))
    assert mixed == Sound(None, PCM, 24_000, Moment(at=1_769_860_812.5))
    own = {"chunk": BUFFER, "participant_uuid": "16778240", "sequence": 3, "timestamp_ms": 5, "participant_name": "Ada"}
    found, again = [read(attendee("realtime_audio.per_participant", **own)) for _ in range(2)]
    assert found == again  # the number stays the same over connections
    assert isinstance(found, Sound)
    assert found.participant is not None
    assert (found.rate_hz, found.participant.name) == (16_000, "Ada")
    shown = {"frame": BUFFER, "participant_uuid": "16778240", "source": "webcam"}
    picture = read(attendee("realtime_video.per_participant", **shown))
    assert isinstance(picture, Picture)
    assert (picture.format, picture.surface, picture.participant.id) == ("jpeg", "webcam", found.participant.id)


@pytest.mark.parametrize("is_separate", [False, True])
def test_the_older_protocol(is_separate: bool) -> None:
    head = json.dumps({"protocol_version": 1, "bot_id": "b", "separate_streams": is_separate, "offset": 3.5})
    assert read(head) == Head(is_separate, 3.5)
    frame = struct.pack("<I", 4_000_000_000) + PCM if is_separate else PCM
    who = MeetingParticipant(id=4_000_000_000) if is_separate else None
    assert read(head, frame) == Sound(who, PCM, 16_000, Moment())


def test_the_first_message_says_which_dialect_it_is() -> None:
    reader = BotMessages()
    reader.read(recall("bot.status"))
    assert reader.dialect is Dialect.RECALL
    with pytest.raises(InvalidMessage, match="as its first message did"):
        reader.read(attendee("realtime_audio.mixed", chunk=BUFFER))
    assert read(attendee("bot.state_change", state="joined")) == Unknown("bot.state_change")
    assert read(recall("participant_events.waved", participant=ADA)) == Unknown("participant_events.waved")


def without(message: str, *path: str) -> str:
    sent = inside = json.loads(message)
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    return json.dumps(sent)


SEPARATE = recall("audio_separate_raw.data", buffer=BUFFER, timestamp=WHEN, participant=ADA)
PICTURE = recall("video_separate_png.data", buffer=BUFFER, timestamp=WHEN, participant=ADA, type="webcam")
CHAT = recall("participant_events.chat_message", participant=ADA, timestamp=WHEN, data={"text": "x", "to": "everyone"})


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("", "JSON object"),
        ("[1]", "JSON object"),
        ("[" * 100_000, "JSON object"),
        ('{"type": "start"}', "none of a bot's"),
        (b"\x00\x00", "come after a first message"),
        ('{"event": 7}', "event must be text"),
        ('{"trigger": null, "data": {}}', "trigger must be text"),
        ('{"protocol_version": 2}', "protocol_version must be 1"),
        ('{"protocol_version": 1, "separate_streams": "yes"}', "true or false"),
        ('{"protocol_version": 1, "offset": -1}', "offset must be a number"),
        ('{"event": "audio_mixed_raw.data"}', "data must be an object"),
        (without(SEPARATE, "data", "data", "buffer"), "buffer must be base64"),
        (without(SEPARATE, "data", "data", "timestamp"), "timestamp must be an object"),
        (without(SEPARATE, "data", "data", "participant"), "participant must be an object"),
        (SEPARATE.replace(BUFFER, "AQA*"), "buffer is not base64"),
        (SEPARATE.replace(BUFFER, "AQAC"), "whole samples"),
        (SEPARATE.replace("12.5,", "NaN,"), "timestamp.relative must be a number"),
        (SEPARATE.replace("12.5,", "1" + "0" * 400 + ","), "timestamp.relative must be a number"),
        (SEPARATE.replace("12.5,", "-1,"), "timestamp.relative must be a number"),
        (SEPARATE.replace("2026-01-31", "2026-13-31"), "timestamp.absolute must be a time"),
        (SEPARATE.replace("2026-01-31T12:00:12.500Z", "2026-01-31"), None),
        (SEPARATE.replace("2026-01-31T12:00:12.500Z", "0001-01-01T00:00:05+14:00"), "absolute must be a time"),
        (SEPARATE.replace("2026-01-31T12:00:12.500Z", "9999-12-31T23:00:00Z"), "absolute must be a time"),
        (SEPARATE.replace('"id": 7', '"id": -7'), "participant.id must be a whole number"),
        (SEPARATE.replace('"id": 7', f'"id": {ID_MAX + 1}'), "participant.id must be a whole number"),
        (SEPARATE.replace('"id": 7', '"id": "7"'), None),
        (SEPARATE.replace('"id": 7', '"id": "' + "9" * 5000 + '"'), "participant.id must be a whole number"),
        (without(CHAT, "data", "data", "data", "text"), "must have text"),
        (recall("transcript.data", words={}), "words must be a list"),
        (recall("transcript.data", words=[{"text": "x"}]), "start_timestamp must be an object"),
        (PICTURE.replace('"webcam"', '"x"'), "webcam or screenshare"),
        (attendee("realtime_audio.per_participant", chunk=BUFFER), "participant_uuid must be text"),
        (attendee("realtime_audio.mixed", chunk=BUFFER, timestamp_ms="soon"), "timestamp_ms must be a number"),
    ],
)
def test_what_is_wrong_is_refused_by_name(message: str | bytes, says: str | None) -> None:
    if says is None:
        assert read(message)
        return
    with pytest.raises(InvalidMessage, match=says):
        read(message)


@pytest.mark.parametrize("rate", [0, 7_999, 48_001, True, "16000", 16_000.0])
def test_rates_that_are_not_taken(rate: object) -> None:
    with pytest.raises(AudioFormatError):
        read(attendee("realtime_audio.mixed", chunk=BUFFER, sample_rate=rate))


def test_frames_of_the_older_protocol_that_are_none() -> None:
    head = '{"protocol_version": 1, "separate_streams": true}'
    for frame in (b"", b"\x01\x00\x00", b"\x01\x00\x00\x00\x01"):
        with pytest.raises(InvalidMessage):
            read(head, frame)
    with pytest.raises(InvalidMessage, match="announced already"):
        read(head, head)


def test_names_and_more_are_kept_as_far_as_they_can_be() -> None:
    told = {"id": 1, "name": "\x00A\ud800" + "a" * 500, "is_host": "yes", "extra_data": ["a" * EXTRA_MAX_CHARS]}
    found = read(recall("participant_events.join", participant=told, timestamp=WHEN))
    assert isinstance(found, Acted)
    who = found.participant
    assert (who.name or "")[:3] == "A?a"
    assert len(who.name or "") < NAME_MAX_CHARS
    assert (who.is_host, who.extra_data) == (None, None)
    for odd in (float("nan"), "\ud800", "\x00"):
        found = read(recall("participant_events.join", participant={**told, "extra_data": {"x": odd}}, timestamp=WHEN))
        assert isinstance(found, Acted)
        assert found.participant.extra_data is None


@given(st.sampled_from([SEPARATE, CHAT, PICTURE, attendee("realtime_audio.mixed", chunk=BUFFER)]), st.data())
def test_whatever_stands_in_a_field_is_taken_or_refused(message: str, data: st.DataObject) -> None:
    sent = inside = json.loads(message)
    while True:
        key = data.draw(st.sampled_from(sorted(inside)))
        if not isinstance(inside[key], dict) or not inside[key] or data.draw(st.booleans()):
            break
        inside = inside[key]
    inside[key] = data.draw(JSON)
    with contextlib.suppress(BadInput):
        BotMessages().read(json.dumps(sent))


@given(st.text() | st.binary())
def test_any_message_is_taken_or_refused(message: str | bytes) -> None:
    reader = BotMessages()
    for _ in range(2):
        with contextlib.suppress(BadInput):
            reader.read(message)
