"""Segments of long transcripts, in pieces small enough that reading one holds nobody up."""

from __future__ import annotations

from collections.abc import AsyncIterator

from server.store.records import StoredSegment
from server.store.store import Store

PIECE_SEGMENTS = 200  # made from rows within some 20 ms


async def segment_pages(
    store: Store, transcript_id: str, *, offset: int = 0, limit: int | None = None, after: str | None = None
) -> AsyncIterator[list[StoredSegment]]:
    """Up to ``limit`` (None: all) of the final segments from ``offset`` on, by time, at most 200 at once.

    ``after``: the id of a segment, from behind which ``offset`` counts. Raises ``NotFound`` when there is none of it.
    One that comes or is taken back in between two reads may itself be missed or given, and moves no other.
    """
    last: StoredSegment | str | None = after
    while limit is None or limit > 0:
        wanted = PIECE_SEGMENTS if limit is None else min(PIECE_SEGMENTS, limit)
        page = await store.segments_of(transcript_id, offset=offset, limit=wanted, after=last)
        if page:
            yield page
        if len(page) < wanted:
            return
        last, offset, limit = page[-1], 0, None if limit is None else limit - len(page)
