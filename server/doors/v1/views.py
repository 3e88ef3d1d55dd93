"""Records as the v1 API shows them: times as ISO 8601 in UTC, lengths in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from protocol.blocks import seconds
from protocol.wire.v1 import STATUS_OF_STATE, segment_data
from server.store.records import StoredSegment, Track, Transcript


def iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def transcript_view(
    transcript: Transcript,
    tracks: Sequence[Track] | None,
    engine: str,
    formats: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """``tracks`` None: left out, as in lists. ``formats``: what the sound of each can be had as, by its id."""
    data: dict[str, Any] = {
        "name": transcript.name,
        "state": transcript.state.value,
        "language": transcript.language,
        "duration": round(seconds(transcript.duration_samples), 3),
        "segments": transcript.segments,
        "words": transcript.words,
        "engine": engine,
        "last_seq": transcript.last_seq,
        "summary": transcript.summary,
    }
    if tracks is not None:
        data["tracks"] = [track_view(track, (formats or {}).get(track.id, ())) for track in tracks]
    return {
        "id": transcript.id,
        "created_at": iso(transcript.created_at),
        "updated_at": iso(transcript.updated_at),
        "status": STATUS_OF_STATE[transcript.state],
        "name": transcript.name,
        "data": data,
    }


def track_view(track: Track, formats: Sequence[str]) -> dict[str, Any]:
    return {
        "id": track.id,
        "name": track.name,
        "speaker": track.speaker,
        "started_at": iso(track.started_at),
        "duration": round(seconds(track.length_samples), 3),
        "state": track.state,
        "source": track.source,
        "formats": list(formats),
    }


def segment_view(stored: StoredSegment) -> dict[str, Any]:
    return {**segment_data(stored.segment, stored.track_started_at), "seq": stored.seq}


def page_view(items: list[dict[str, Any]], total: int, page: int, size: int) -> dict[str, Any]:
    return {"items": items, "total": total, "page": page, "size": size, "pages": -(-total // size)}
