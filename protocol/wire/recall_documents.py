"""The documents of a meeting, in the form that Recall.ai's downloads have, field by field."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant
from protocol.wire.bot_items import Surface


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """Seconds since the recording began."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """What somebody said in one go."""

    participant: MeetingParticipant
    start_s: float
    end_s: float
    words: tuple[SpokenWord, ...] = ()


@dataclass(frozen=True, slots=True)
class SeparatePart:
    """A stretch of one participant's sound, or of what they showed: ``surface``. Seconds since the recording began."""

    id: str
    participant: MeetingParticipant
    start_s: float
    end_s: float
    download_url: str
    surface: Surface | None = None


def participants(found: Iterable[MeetingParticipant]) -> list[dict[str, Any]]:
    return [participant_view(each) for each in found]


def participant_events(
    transcript_id: str, acted: Iterable[tuple[int, ParticipantActed]], began_at: float
) -> list[dict[str, Any]]:
    """``acted``: each with the number that it has in the journal, of which its id is made."""
    return [
        {
            "id": str(uuid.uuid5(uuid.UUID(transcript_id), f"event {seq}")),
            "action": each.action.value,
            "participant": participant_view(each.participant),
            "timestamp": timestamp(each.relative_s, began_at),
            "data": None if each.text is None else {"text": each.text, "to": _to(each.to)},
        }
        for seq, each in acted
    ]


def speaker_timeline(spoken: Iterable[Spoken], began_at: float) -> list[dict[str, Any]]:
    return [
        {
            "participant": participant_view(each.participant),
            "start_timestamp": timestamp(each.start_s, began_at),
            "end_timestamp": timestamp(each.end_s, began_at),
        }
        for each in spoken
    ]


def transcript(spoken: Iterable[Spoken]) -> list[dict[str, Any]]:
    return [
        {
            "participant": {"id": each.participant.id, "name": each.participant.name},
            "words": [_word(word) for word in each.words],
        }
        for each in spoken
    ]


@dataclass(frozen=True, slots=True)
class Provided:
    """What a recogniser said: ``participant`` None of the sound of the whole room; ``offset_s`` since the recording
    began; ``created_at`` in epoch seconds."""

    id: str
    created_at: float
    participant: MeetingParticipant | None
    offset_s: float
    url: str
    event: str
    payload: Any


def provider_data(parts: Iterable[Provided]) -> dict[str, Any]:
    return {
        "parts": [
            {
                "id": part.id,
                "created_at": _iso(part.created_at),
                "source_audio": {
                    "type": "mixed" if part.participant is None else "separate",
                    "offset": round(part.offset_s, 3),
                    "participant": None if part.participant is None else participant_view(part.participant),
                },
                "type": "websocket_message",
                "data": {"url": part.url, "event": part.event, "payload": part.payload},
            }
            for part in parts
        ]
    }


def separate_parts(parts: Iterable[SeparatePart], began_at: float) -> list[dict[str, Any]]:
    return [
        {
            "id": part.id,
            "participant": participant_view(part.participant),
            "start_timestamp": timestamp(part.start_s, began_at),
            "duration": round(part.end_s - part.start_s, 3),
            **({} if part.surface is None else {"type": part.surface}),
            "download_url": part.download_url,
        }
        for part in parts
    ]


def participant_view(participant: MeetingParticipant) -> dict[str, Any]:
    return participant.model_dump(include={"id", "name", "is_host", "platform", "extra_data"})


def _word(word: SpokenWord) -> dict[str, Any]:
    return {
        "text": word.text,
        "start_timestamp": {"relative": round(word.start_s, 3)},
        "end_timestamp": {"relative": round(word.end_s, 3)},
    }


def timestamp(relative_s: float, began_at: float) -> dict[str, Any]:
    """The documents tell both by one clock: that by which the recording began."""
    return {"absolute": _iso(began_at + relative_s), "relative": round(relative_s, 3)}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to(to: str | None) -> str:
    """Two are documented; bots that name a person mean that the message came to them."""
    return "everyone" if to in (None, "everyone") else "only_bot"


def in_order(acted: Iterable[tuple[int, ParticipantActed]]) -> Sequence[tuple[int, ParticipantActed]]:
    """By their time; what was told at one time, as it was told."""
    return sorted(acted, key=lambda each: (each[1].relative_s, each[0]))
