"""Transcripts that are kept here, as lines for a model."""

from __future__ import annotations

import asyncio

from protocol.blocks import SAMPLE_RATE_HZ
from server.language_models.lines import Line, lines_of
from server.segment_pages import segment_pages
from server.store.store import Store

SEGMENTS_MAX = 50_000  # some days of speech; what is said after them is not read


async def stored_lines(store: Store, transcript_id: str) -> list[Line]:
    """The final segments, in order, over all its tracks. Raises what the store raises."""
    await store.get_transcript(transcript_id)
    tracks = await store.tracks_of(transcript_id)
    began_at = min((track.started_at for track in tracks), default=0.0)
    offsets = {track.id: round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in tracks}
    pages = segment_pages(store, transcript_id, limit=SEGMENTS_MAX)
    segments = [stored.segment.model_copy(update={"words": ()}) async for page in pages for stored in page]
    return await asyncio.to_thread(lines_of, segments, offsets)
