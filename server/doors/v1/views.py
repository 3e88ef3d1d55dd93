"""Records as the v1 API shows them: times as ISO 8601 in UTC, lengths in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from protocol.blocks import seconds
from protocol.wire.v1 import STATUS_OF_STATE, segment_data
from server.mixes import Mix
from server.speaker_labels import number_of
from server.store.records import Participant, StoredSegment, Track, Transcript


def iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def transcript_view(
    transcript: Transcript,
    engine: str,
    participants: Sequence[Participant],
    *,
    may_change: bool,
    tracks: Sequence[Track] | None = None,
    formats: Mapping[str, Sequence[str]] | None = None,
    mix: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record at the top, where neighbouring systems have it, and the whole of it in ``data``.

    ``may_change``: who asks may, and reads addresses. ``tracks`` None: left out, as in lists. ``formats``: what the
    sound of each can be had as, by its id. ``mix``: what there is of all of them together.
    """
    summary = transcript.summary or {}
    fields: dict[str, Any] = {
        "name": transcript.name,
        "title": transcript.title,
        "user_id": transcript.owner,
        "locked": transcript.locked,
        "share_mode": transcript.share_mode,
        "source_kind": transcript.source_kind,
        "source_language": transcript.language,
        "duration": round(seconds(transcript.duration_samples), 3),
        "duration_ms": round(seconds(transcript.duration_samples) * 1000),
        "short_summary": summary.get("summary"),
        "long_summary": summary.get("long_summary"),
        "action_items": summary.get("action_items", []),
        "room_id": transcript.room_id,
        "room_name": transcript.room_name,
        "meeting_id": transcript.meeting_id,
        "audio_deleted": transcript.audio_deleted,
        "deleted_at": _iso_or_none(transcript.deleted_at),
        "destroyed_at": _iso_or_none(transcript.destroyed_at),
        "change_seq": transcript.change_seq,
        "participants": [participant_view(each, may_change=may_change) for each in participants],
    }
    data: dict[str, Any] = {
        **fields,
        "state": transcript.state.value,
        "language": transcript.language,
        "segments": transcript.segments,
        "words": transcript.words,
        "engine": engine,
        "last_seq": transcript.last_seq,
        "summary": transcript.summary,
    }
    if tracks is not None:
        data["tracks"] = [track_view(track, (formats or {}).get(track.id, ())) for track in tracks]
        data["mix"] = mix
    return {
        "id": transcript.id,
        "created_at": iso(transcript.created_at),
        "updated_at": iso(transcript.updated_at),
        "status": STATUS_OF_STATE[transcript.state],
        **fields,
        "data": data,
    }


def _iso_or_none(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else iso(epoch_s)


def participant_view(participant: Participant, *, may_change: bool) -> dict[str, Any]:
    """An address is for those alone who may change who takes part: sharing a transcript does not publish it."""
    return {
        "id": participant.id,
        "speaker": participant.speaker,
        "speaker_number": number_of(participant.speaker),
        "name": participant.name,
        "user_id": participant.user_id,
        "email": participant.email if may_change else None,
        "created_at": iso(participant.created_at),
        "recognised": participant.recognised,
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
        "speakers_expected": track.speakers_expected,
        "max_speakers": track.max_speakers,
    }


def mix_view(mix: Mix, formats: Sequence[str]) -> dict[str, Any]:
    return {"duration": round(seconds(mix.length_samples), 3), "formats": list(formats)}


def segment_view(stored: StoredSegment) -> dict[str, Any]:
    return {**segment_data(stored.segment, stored.track_started_at), "seq": stored.seq}


def page_view(items: list[dict[str, Any]], total: int, page: int, size: int) -> dict[str, Any]:
    return {"items": items, "total": total, "page": page, "size": size, "pages": -(-total // size)}
