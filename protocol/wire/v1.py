"""The listening socket ``/v1/transcripts_websocket/{id}`` and the events data channel: JSON text both ways."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EarshotError, InvalidMessage
from protocol.events import (
    Event,
    Failed,
    Interim,
    ParticipantActed,
    SpeakerTurn,
    StatusChanged,
    Summarised,
    Transcribed,
)
from protocol.states import TranscriptState
from protocol.wire.json_object import text_object
from protocol.words import Segment, Word

MESSAGE_TYPES = ("transcription", "diarization", "status", "summary", "participant", "error", "ping")
MAX_ACTION_BYTES = 4096  # an action is tens of bytes; far more is not one

# What readers of this socket call a transcript's states.
STATUS_OF_STATE: dict[TranscriptState, str] = {
    TranscriptState.IDLE: "initializing",
    TranscriptState.RECORDING: "processing",
    TranscriptState.PAUSED: "paused",
    TranscriptState.PROCESSING: "processing",
    TranscriptState.ENDED: "completed",
    TranscriptState.FAILED: "failed",
}


class Action(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    GET_STATUS = "get_status"
    STOP = "stop"
    PONG = "pong"


def _s(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 3)


def word_data(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": _s(word.start_samples),
        "end": _s(word.end_samples),
        "confidence": round(word.confidence, 3),
    }


def rounded_confidence(confidence: float | None) -> float | None:
    """Of whose voice it is; None where nobody compared voices."""
    return None if confidence is None else round(confidence, 3)


def overlap_data(segment: Segment) -> list[list[float]]:
    """Where two speak at once, as ``[start, end]`` in seconds."""
    return [[_s(start), _s(end)] for start, end in segment.overlap]


def segment_data(segment: Segment, track_started_at: float) -> dict[str, Any]:
    """The ``data`` of a ``transcription`` message; ``timestamp`` is the epoch second of the first word."""
    first = segment.words[0].start_samples if segment.words else segment.start_samples
    return {
        "text": segment.text,
        "speaker": segment.speaker or "",
        "speaker_label": segment.label or "",
        "speaker_confidence": rounded_confidence(segment.speaker_confidence),
        "timestamp": round(track_started_at + first / SAMPLE_RATE_HZ, 3),
        "confidence": round(segment.confidence, 3),
        "segment_id": segment.segment_id,
        "is_final": segment.is_final,
        "start": _s(segment.start_samples),
        "end": _s(segment.end_samples),
        "words": [word_data(word) for word in segment.words],
        "track": segment.track,
        "language": segment.language,
        "revision": segment.revision,
        "cut_from": segment.cut_from,
        "overlap": overlap_data(segment),
    }


def render(event: Event) -> dict[str, Any]:
    """A durable event as its message, with the top-level ``seq``."""
    body = event.body
    match body:
        case Transcribed():
            data = segment_data(body.segment, body.track_started_at)
        case SpeakerTurn():
            data = {
                "speaker": body.speaker,
                "speaker_label": body.speaker if body.speaker_label is None else body.speaker_label,
                "speaker_id": body.speaker_id,
                "start_time": round(body.track_started_at + body.start_samples / SAMPLE_RATE_HZ, 3),
                "end_time": round(body.track_started_at + body.end_samples / SAMPLE_RATE_HZ, 3),
                "confidence": round(body.confidence, 3),
                "segment_ids": list(body.segment_ids),
            }
        case StatusChanged():
            data = status_data(body)
        case Summarised():
            data = summary_data(body.model_dump())
        case ParticipantActed():
            data = participant_data(body)
        case Failed():
            data = body.model_dump(exclude={"type"})
    return {"type": body.type, "seq": event.seq, "data": data}


def render_interim(interim: Interim) -> dict[str, Any]:
    """An interim as a ``transcription`` message: no ``seq``, replaces the one before under its ``segment_id``."""
    data = segment_data(interim.segment, interim.track_started_at)
    return {"type": "transcription", "data": {**data, "lag_ms": interim.lag_ms}}


def summary_data(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Of an event's fields, or of those that a transcript's record keeps. ``title`` and ``method`` are told where they
    are known."""
    lists = {field: list(summary.get(field, ())) for field in ("topics", "action_items", "key_points")}
    known = {field: summary[field] for field in ("title", "method") if summary.get(field)}
    return {"summary": summary.get("summary", ""), **lists, **known}


def participant_data(body: ParticipantActed) -> dict[str, Any]:
    """``start`` is seconds since the recording began, ``timestamp`` epoch seconds."""
    chat = {"text": body.text, "to": body.to} if body.text is not None else {}
    return {
        "action": body.action.value,
        "participant": body.participant.model_dump(include={"id", "name", "is_host", "platform"}),
        "start": round(body.relative_s, 3),
        "timestamp": round(body.at, 3),
        **chat,
    }


def status_data(body: StatusChanged, *, lag_ms: int = 0) -> dict[str, Any]:
    return {
        "status": STATUS_OF_STATE[body.state],
        "stage": body.stage,
        "progress": round(body.progress, 1),
        "message": body.message,
        "state": body.state.value,
        "lag_ms": lag_ms,
        "engine": body.engine,
        "engine_state": body.engine_state,
        "audio": body.audio,
    }


def render_status(body: StatusChanged, *, lag_ms: int = 0) -> dict[str, Any]:
    """A status that answers ``get_status`` or tells the lag: not durable, no ``seq``."""
    return {"type": "status", "data": status_data(body, lag_ms=lag_ms)}


def render_error(error: EarshotError, *, recoverable: bool) -> dict[str, Any]:
    return {"type": "error", "data": {**error.to_dict(), "recoverable": recoverable}}


def render_ping(now_epoch_s: float) -> dict[str, Any]:
    return {"type": "ping", "data": {"timestamp": round(now_epoch_s, 3)}}


def parse_object(text: str | bytes, *, limit_bytes: int = MAX_ACTION_BYTES) -> dict[str, Any]:
    """A control message, which is short. Raises ``InvalidMessage``."""
    if len(text) > limit_bytes:
        raise InvalidMessage(f"a control message may hold {limit_bytes} bytes", details={"bytes": len(text)})
    return text_object(text)


def parse_action(text: str | bytes) -> Action:
    """What a reader asks for: ``{"action": ...}``, ``{"type": ...}`` or, on the data channel, ``{"cmd": "STOP"}``."""
    message = parse_object(text)
    name = next((message[key] for key in ("action", "type", "cmd") if key in message), None)
    try:
        return Action(str(name).lower())
    except ValueError:
        raise InvalidMessage(
            "unknown action", details={"action": str(name)[:64], "known": [action.value for action in Action]}
        ) from None
