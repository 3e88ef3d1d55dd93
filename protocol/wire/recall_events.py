"""What happens in a meeting while it does, in the form of Recall.ai's realtime events: what ``recall`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from protocol.events import ParticipantActed
from protocol.participants import MeetingParticipant
from protocol.wire.recall_documents import SpokenWord, participant_view, timestamp

FINAL, PARTIAL = "transcript.data", "transcript.partial_data"
OF_PARTICIPANTS = "participant_events"
EventName = Literal[
    "transcript.data",
    "transcript.partial_data",
    "participant_events.join",
    "participant_events.leave",
    "participant_events.update",
    "participant_events.speech_on",
    "participant_events.speech_off",
    "participant_events.webcam_on",
    "participant_events.webcam_off",
    "participant_events.screenshare_on",
    "participant_events.screenshare_off",
    "participant_events.chat_message",
]


@dataclass(frozen=True, slots=True)
class About:
    """Whose event it is, for whom."""

    endpoint_id: str
    recording_id: str
    bot_id: str
    bot_metadata: Mapping[str, str]


def envelope(event: str, inside: Mapping[str, Any], about: About) -> dict[str, Any]:
    return {
        "event": event,
        "data": {
            "data": dict(inside),
            "realtime_endpoint": {"id": about.endpoint_id, "metadata": {}},
            event.partition(".")[0]: {"id": about.recording_id, "metadata": {}},
            "recording": {"id": about.recording_id, "metadata": {}},
            "bot": {"id": about.bot_id, "metadata": dict(about.bot_metadata)},
        },
    }


def said(words: Iterable[SpokenWord], who: MeetingParticipant, language: str | None) -> dict[str, Any]:
    return {
        "words": [
            {
                "text": word.text,
                "start_timestamp": {"relative": round(word.start_s, 3)},
                "end_timestamp": {"relative": round(word.end_s, 3)},
            }
            for word in words
        ],
        "participant": participant_view(who),
        "language_code": language,
    }


def acted(event: ParticipantActed, began_at: float) -> dict[str, Any]:
    """``began_at``: when the recording began, in epoch seconds."""
    return {
        "participant": participant_view(event.participant),
        "timestamp": timestamp(event.relative_s, began_at),
        "data": None if event.text is None else {"text": event.text, "to": event.to or "everyone"},
    }
