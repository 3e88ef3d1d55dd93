"""One thing at a time for each transcript."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class TranscriptLocks:
    """A lock for each transcript that somebody holds or waits for: whoever does keeps it alive."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, transcript_id: str) -> asyncio.Lock:
        lock = self._locks.get(transcript_id)
        if lock is None:
            lock = self._locks[transcript_id] = asyncio.Lock()
        return lock
