"""Conversations and chunks as participants see them, and conversations as hosts do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.blocks import seconds
from protocol.states import ChunkState
from protocol.wire.v1 import STATUS_OF_STATE
from server.doors.v1.views import iso
from server.store.conversation_records import Chunk, Overview


def conversation_view(seen: Overview) -> dict[str, Any]:
    conversation, transcript = seen.conversation, seen.transcript
    return {
        "id": conversation.id,
        "project_id": conversation.project_id,
        "title": transcript.title or None,
        "description": (transcript.summary or {}).get("summary") or None,
        "participant_name": conversation.name or None,
        "participant_email": conversation.email,
        "tag_id_list": list(conversation.tags),
        "source": conversation.source,
        "status": STATUS_OF_STATE[transcript.state],
        "created_at": iso(conversation.created_at),
        "is_finished": conversation.finished_at is not None,
        "is_all_chunks_transcribed": conversation.closed_at is not None,
        "expected_chunks": conversation.expected_chunks,
        "chunks_received": seen.chunks_received,
        "chunks_settled": seen.chunks_settled,
        "chunks_given_up": seen.chunks_given_up,
        "is_anonymized": conversation.redacts,
    }


def chunk_view(chunk: Chunk, said: Mapping[str, str]) -> dict[str, Any]:
    """``said``: by the id of a track, what is written down of it."""
    text = chunk.text if chunk.text is not None else said.get(chunk.track_id)
    if text is None and chunk.state is ChunkState.TRANSCRIBED:
        text = ""  # there was nothing to understand in it
    return {
        "id": chunk.id,
        "conversation_id": chunk.conversation_id,
        "path": chunk.key,
        "source": chunk.source,
        "state": chunk.state.value,
        "timestamp": None if chunk.said_at is None else iso(chunk.said_at),
        "size_bytes": chunk.length_bytes,
        "transcript": text,
        "error": chunk.error,
        "is_given_up": chunk.is_given_up,
        "created_at": iso(chunk.created_at),
    }


def hosted_view(seen: Overview, level_dbfs: float | None) -> dict[str, Any]:
    """A conversation as its participant sees it, what there is of it so far, and how loud it is now."""
    return {
        **conversation_view(seen),
        "duration_s": round(seconds(seen.transcript.duration_samples), 3),
        "words": seen.transcript.words,
        "level_dbfs": level_dbfs,
    }
