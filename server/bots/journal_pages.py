"""Everything that was told of a meeting, read a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator

from protocol.events import Event
from server.store.store import Store

EVENTS_AT_ONCE = 1000


async def journal_of(store: Store, transcript_id: str) -> AsyncIterator[Event]:
    """In the order in which it was told. Raises ``NotFound``, ``StoreUnavailable``."""
    after = 0
    while page := await store.events_after(transcript_id, after, EVENTS_AT_ONCE):
        for event in page:
            yield event
        after = page[-1].seq
