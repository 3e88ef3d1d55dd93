"""How far a job is, in the words and numbers of its readers. Pure.

A recording is not cut for us: utterances end where people pause, wherever that is. Readers count in chunks of a minute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from protocol.blocks import SAMPLE_RATE_HZ

CHUNK_SAMPLES = 60 * SAMPLE_RATE_HZ

JobStatus = Literal["processing", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Progress:
    """``percent`` is whole, and 100 only of what is complete. Chunks count from 1; 0 before the first is begun."""

    status: JobStatus
    message: str
    percent: int
    chunk: int = 0
    chunks: int = 0
    chunk_percent: int = 0


def working(done_samples: int, total_samples: int | None, *, least_percent: int = 0) -> Progress:
    """``total_samples`` None: the file does not say how long it is, or not yet. ``least_percent``: told before."""
    at = done_samples // CHUNK_SAMPLES
    least_percent = min(99, least_percent)
    if not total_samples:
        if not done_samples:
            return replace(waiting(), percent=least_percent)
        percent_of_chunk = _percent(done_samples - at * CHUNK_SAMPLES, CHUNK_SAMPLES)
        return Progress("processing", f"Processing chunk {at + 1}", least_percent, at + 1, 0, percent_of_chunk)
    chunks = max(1, -(-total_samples // CHUNK_SAMPLES))
    at = min(at, chunks - 1)
    length_samples = min(CHUNK_SAMPLES, total_samples - at * CHUNK_SAMPLES)
    percent = max(least_percent, min(99, _percent(done_samples, total_samples)))
    message = f"Processing chunk {at + 1}/{chunks} ({percent}%)"
    return Progress(
        "processing", message, percent, at + 1, chunks, _percent(done_samples - at * CHUNK_SAMPLES, length_samples)
    )


def waiting() -> Progress:
    return Progress("processing", "Waiting for its turn", 0)


def completed(length_samples: int) -> Progress:
    chunks = max(1, -(-length_samples // CHUNK_SAMPLES))
    return Progress("completed", "Transcription completed", 100, chunks, chunks, 100)


def ended_early(status: Literal["failed", "cancelled"], message: str, done_samples: int) -> Progress:
    chunk = -(-done_samples // CHUNK_SAMPLES)
    return Progress(status, message, 0, chunk, chunk)


def _percent(part: int, whole: int) -> int:
    return max(0, min(100, 100 * part // whole)) if whole > 0 else 0
