"""Jobs as their clients see them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from protocol.blocks import seconds
from protocol.events import Failed
from protocol.wire.jobs import segment_data
from protocol.words import Segment
from server.jobs.model_names import short_name
from server.jobs.progress import Progress
from server.store.job_store import Job

NOT_FOUND = "Transcription job not found or expired"


def status_view(job: Job, progress: Progress) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "status": progress.status,
        "message": progress.message,
        "progress": progress.percent,
        "updated_at": job.transcript.updated_at,
        "chunk_info": chunk_view(progress),
        "filename": job.filename,
        "model_name": short_name(job.model),
        "created_at": job.created_at,
    }


def not_found_view(job_id: str) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "status": "not_found",
        "message": NOT_FOUND,
        "progress": 0,
        "updated_at": time.time(),
    }


def chunk_view(progress: Progress) -> dict[str, int]:
    return {
        "current_chunk": progress.chunk,
        "total_chunks": progress.chunks,
        "chunk_progress": progress.chunk_percent,
    }


def result_view(job: Job, progress: Progress, segments: Sequence[Segment], errors: Sequence[Failed]) -> dict[str, Any]:
    return {
        "status": progress.status,
        "segments": [segment_data(segment) for segment in segments],
        "text": " ".join(segment.text for segment in segments),
        "language": language_of(job, segments),
        "audio_duration": round(seconds(job.transcript.duration_samples), 3),
        "model_used": short_name(job.model),
        "problems": [error.message for error in reversed(errors)],
    }


def language_of(job: Job, segments: Sequence[Segment]) -> str:
    """What most of it was heard in; else what it was asked to be heard in."""
    heard = Counter(segment.language for segment in segments if segment.language)
    return heard.most_common(1)[0][0] if heard else job.transcript.language


def debug_view(job: Job, progress: Progress, segments: int, latest: Segment | None) -> dict[str, Any]:
    return {
        **status_view(job, progress),
        "cached_segments": segments,
        "latest_time": round(seconds(latest.end_samples), 3) if latest is not None else 0.0,
        "state": job.transcript.state.value,
        "audio_duration": round(seconds(job.transcript.duration_samples), 3),
        "language": job.transcript.language,
        "diarize": job.diarize,
        "last_seq": job.transcript.last_seq,
        "cancelled_at": job.cancelled_at,
    }
