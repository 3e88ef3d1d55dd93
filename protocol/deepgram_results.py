"""Deepgram's ``/v1/listen``: what it answers. Pure; seconds since the sound began, words as they were asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from protocol.blocks import seconds
from protocol.errors import EarshotError
from protocol.plain_words import plain_word
from protocol.words import Segment, Word

Json = dict[str, Any]

ERR_CODES = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    408: "SLOW_UPLOAD",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}
# Where our own close codes and reasons end that no client of the original knows.
BAD_DATA, TOO_LARGE, FAULT, RESTART, FULL = 1008, 1009, 1011, 1012, 1013


def error_body(error: EarshotError, request_id: str) -> Json:
    """Of an HTTP answer, also to a handshake."""
    err_code = ERR_CODES.get(error.http_status, "INTERNAL_SERVER_ERROR")
    return {"err_code": err_code, "err_msg": error.message, "request_id": request_id}


def close_of(error: EarshotError) -> tuple[int, str]:
    """Close code and reason."""
    if error.code == "IDLE":
        return FAULT, f"NET-0001: {error.message}"
    if error.code in ("DRAINING", "HELD_ELSEWHERE"):
        return RESTART, error.message
    if error.http_status == 413:
        return TOO_LARGE, f"DATA-0001: {error.message}"
    if error.http_status < 429:
        return BAD_DATA, f"DATA-0000: {error.message}"
    if error.retryable:
        return FULL, error.message
    return FAULT, f"NET-0000: {error.message}"


def error_message(error: EarshotError) -> Json:
    """Before the close, for whoever listens."""
    return {"type": "Error", "variant": error.code, "description": error.message, "message": error.message}


class Model:
    """The recogniser that in truth heard it, as results name it."""

    def __init__(self, engine: str, model: str) -> None:
        self.uuid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"earshot:{engine}:{model}"))
        self.info: Json = {"name": model, "version": "1", "arch": engine}


class Wording:
    """How words are told: ``punctuate`` as the recogniser wrote them, else plain; ``diarize`` with whose they are."""

    def __init__(self, *, punctuate: bool, diarize: bool) -> None:
        self.punctuate = punctuate
        self.diarize = diarize

    def words(self, segment: Segment) -> list[Json]:
        return [self._word(word, segment) for word in segment.words]

    def transcript(self, segment: Segment) -> str:
        if self.punctuate or not segment.words:
            return segment.text
        return " ".join(plain_word(word.text) for word in segment.words)

    def _word(self, word: Word, segment: Segment) -> Json:
        told: Json = {
            "word": plain_word(word.text),
            "start": _s(word.start_samples),
            "end": _s(word.end_samples),
            "confidence": round(word.confidence, 4),
        }
        if self.punctuate:
            told["punctuated_word"] = word.text
        if self.diarize and segment.voice is not None:
            told["speaker"] = segment.voice
        return told


def results(
    *,
    channel: int,
    channels: int,
    start_samples: int,
    end_samples: int,
    alternative: Json,
    metadata: Json,
    is_final: bool,
    speech_final: bool = False,
    from_finalize: bool = False,
) -> Json:
    return {
        "type": "Results",
        "channel_index": [channel, channels],
        "start": _s(start_samples),
        "duration": _s(max(0, end_samples - start_samples)),
        "is_final": is_final,
        "speech_final": speech_final,
        "from_finalize": from_finalize,
        "channel": {"alternatives": [alternative]},
        "metadata": metadata,
    }


def alternative(segment: Segment, wording: Wording) -> Json:
    return {
        "transcript": wording.transcript(segment),
        "confidence": _confidence(segment.words),
        "words": wording.words(segment),
    }


NOTHING: Mapping[str, Any] = {"transcript": "", "confidence": 0.0, "words": []}


def results_metadata(request_id: str, model: Model) -> Json:
    return {"request_id": request_id, "model_info": model.info, "model_uuid": model.uuid}


def metadata(*, request_id: str, sha256: str, created_s: float, duration_s: float, channels: int, model: Model) -> Json:
    """Of a whole recording. ``created_s``: epoch seconds."""
    created = datetime.fromtimestamp(created_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "transaction_key": "deprecated",
        "request_id": request_id,
        "sha256": sha256,
        "created": created,
        "duration": round(duration_s, 3),
        "channels": channels,
        "models": [model.uuid],
        "model_info": {model.uuid: model.info},
    }


def whole(channels: Sequence[Sequence[Segment]], wording: Wording, *, utterances: bool) -> Json:
    """The ``results`` of a recording: of each channel its segments in order."""
    told: Json = {"channels": [{"alternatives": [_joined(segments, wording)]} for segments in channels]}
    if utterances:
        each = [_utterance(segment, channel, wording) for channel, said in enumerate(channels) for segment in said]
        told["utterances"] = sorted(each, key=lambda one: (one["start"], one["channel"]))
    return told


def _joined(segments: Iterable[Segment], wording: Wording) -> Json:
    said = list(segments)
    return {
        "transcript": " ".join(filter(None, map(wording.transcript, said))),
        "confidence": _confidence([word for segment in said for word in segment.words]),
        "words": [word for segment in said for word in wording.words(segment)],
    }


def _utterance(segment: Segment, channel: int, wording: Wording) -> Json:
    speaker = {"speaker": segment.voice} if wording.diarize and segment.voice is not None else {}
    return {
        "start": _s(segment.start_samples),
        "end": _s(segment.end_samples),
        "confidence": _confidence(segment.words),
        "channel": channel,
        "transcript": wording.transcript(segment),
        "words": wording.words(segment),
        **speaker,
        "id": segment.segment_id,
    }


def _confidence(words: Sequence[Word]) -> float:
    return round(sum(word.confidence for word in words) / len(words), 4) if words else 0.0


def _s(samples: int) -> float:
    return round(seconds(samples), 3)
