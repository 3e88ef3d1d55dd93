"""Segments of a job as its clients read them: times in seconds and to be shown, speakers by number."""

from __future__ import annotations

from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.wire.v1 import overlap_data, rounded_confidence, word_data
from protocol.words import Segment

_LABEL = "Speaker "


def segment_data(segment: Segment) -> dict[str, Any]:
    """``speaker_confidence`` is null where nobody compared voices."""
    start, end = (round(samples / SAMPLE_RATE_HZ, 3) for samples in (segment.start_samples, segment.end_samples))
    return {
        "start": start,
        "end": end,
        "text": segment.text,
        "speaker": speaker_of(segment),
        "speaker_confidence": rounded_confidence(segment.speaker_confidence),
        "start_display": display_time(segment.start_samples),
        "end_display": display_time(segment.end_samples),
        "segment_id": segment.segment_id,
        "revision": segment.revision,
        "confidence": round(segment.confidence, 3),
        "language": segment.language,
        "cut_from": segment.cut_from,
        "overlap": overlap_data(segment),
        "words": [word_data(word) for word in segment.words],
    }


def speaker_of(segment: Segment) -> str:
    """``SPEAKER_1``, or who people say it is."""
    name = segment.speaker or segment.label or ""
    number = name.removeprefix(_LABEL)
    return f"SPEAKER_{number}" if name.startswith(_LABEL) and number.isdecimal() else name


def display_time(samples: int) -> str:
    """``00:00:00.120``."""
    ms = round(samples * 1000 / SAMPLE_RATE_HZ)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
