"""Segments as a client of our own sockets and REST receives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment, Word


def segment_from(data: Mapping[str, Any]) -> Segment:
    """The segment in the ``data`` of a ``transcription`` message. Raises ``KeyError`` or ``ValueError`` for others."""
    speaker = data.get("speaker") or None
    segment = Segment(
        segment_id=data["segment_id"],
        track=data.get("track") or "",
        text=data["text"],
        start_samples=_samples(data["start"]),
        end_samples=_samples(data["end"]),
        is_final=data["is_final"],
        revision=data.get("revision", 1),
        words=tuple(
            Word(
                text=word["text"],
                start_samples=_samples(word["start"]),
                end_samples=_samples(word["end"]),
                confidence=word.get("confidence", 1.0),
            )
            for word in data.get("words", ())
        ),
        speaker_confidence=data.get("speaker_confidence"),
        cut_from=data.get("cut_from"),
        overlap=tuple((_samples(start), _samples(end)) for start, end in data.get("overlap", ())),
        language=data.get("language"),
        confidence=data.get("confidence", 1.0),
    )
    return segment.said_by(data.get("speaker_label") or speaker, speaker)


def _samples(seconds: float) -> int:
    return round(float(seconds) * SAMPLE_RATE_HZ)
