"""Segments of long transcripts, in pieces small enough that reading one holds nobody up."""

from __future__ import annotations

from collections.abc import AsyncIterator

from server.store.records import StoredSegment
from server.store.store import Store

PIECE_SEGMENTS = 200  # made from rows within some 20 ms


async def segment_pages(
    store: Store, transcript_id: str, *, offset: int = 0, limit: int | None = None
) -> AsyncIterator[list[StoredSegment]]:
    """Up to ``limit`` (None: all) of the final segments from ``offset`` on, by time, at most 200 at once.

    One that comes in between two reads moves those behind it: none is given twice, and it may itself be missed.
    """
    end = None if limit is None else offset + limit
    told: set[str] = set()
    while end is None or offset < end:
        wanted = PIECE_SEGMENTS if end is None else min(PIECE_SEGMENTS, end - offset)
        page = await store.segments_of(transcript_id, offset=offset, limit=wanted)
        new = [stored for stored in page if stored.segment.segment_id not in told]
        told.update(stored.segment.segment_id for stored in new)
        if new:
            yield new
        if len(page) < wanted:
            return
        offset += len(page)
