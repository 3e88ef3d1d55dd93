"""Removing uploads that nobody needs: tries before a recording, chunks that were never confirmed, what was put again
after it had been written down or deleted, and all of conversations that were destroyed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from protocol.states import ChunkState
from server.blobs import Blobs, Listed
from server.nodes.duties import Duties
from server.projects.chunk_headers import HEADLESS
from server.rounds import repeat
from server.settings import Settings
from server.store.conversation_records import BLOBS, Chunk
from server.store.store import Store

log = structlog.get_logger(__name__)

ROUND_S = 3600.0
UNUSED_S = 3600.0  # what was put so lately may be in use, whatever the store says of it
REMOVED_MAX = 10_000  # of one round; the rest is for the next
LOOKED_UP_AT_ONCE = 500
REMOVED_AT_ONCE = 20


class BlobSweep:
    """Goes round once an hour. ``clock`` gives epoch seconds."""

    def __init__(
        self, settings: Settings, store: Store, blobs: Blobs, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._conversations = store.conversations
        self._blobs = blobs
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self, duties: Duties) -> None:
        """A bucket is all nodes', and one of them sweeps it; a folder is this one's."""
        sweep = self.sweep if self._blobs.is_embedded else duties.round("blobs", self.sweep)
        self._task = asyncio.create_task(repeat(sweep, every_s=ROUND_S, name="blobs"), name="blob sweep")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """How many were removed. Raises ``StoreUnavailable``: then the rest is for the next round."""
        doomed: list[Listed] = []
        async for page in self._blobs.pages(BLOBS):
            for at in range(0, len(page), LOOKED_UP_AT_ONCE):
                doomed += await self._unneeded(page[at : at + LOOKED_UP_AT_ONCE])
            if len(doomed) >= REMOVED_MAX:
                break
        count = 0
        for at in range(0, len(doomed), REMOVED_AT_ONCE):  # after the listing: what it walks through stays as it is
            # Asked again: the listing may take long, and a participant may have come back meanwhile.
            for blob in await self._unneeded(doomed[at : at + REMOVED_AT_ONCE]):
                await self._blobs.delete(blob.key)
                count += 1
        if count:
            log.info("uploads removed that nobody needs", count=count)
        return count

    async def _unneeded(self, blobs: Sequence[Listed]) -> list[Listed]:
        named = {blob.key: _chunk_id(blob.key) for blob in blobs}
        known = {each.id: each for each in await self._conversations.by_ids([id_ for id_ in named.values() if id_])}
        now = self._clock()
        return [
            blob
            for blob in blobs
            if (id_ := named[blob.key]) is not None and self._is_due(blob, known.get(id_), now - blob.modified_at)
        ]

    def _is_due(self, blob: Listed, chunk: Chunk | None, age_s: float) -> bool:
        if chunk is None or chunk.key != blob.key:  # a try, or of what is gone
            return age_s > UNUSED_S
        if chunk.state is ChunkState.CONFIRMED or chunk.is_given_up:
            return False
        waits = chunk.state in (ChunkState.ANNOUNCED, ChunkState.UPLOADED) or chunk.error == HEADLESS
        return age_s > (self._settings.conversation_wait_s if waits else UNUSED_S)


def _chunk_id(key: str) -> str | None:
    """Empty: of none, such as a try. None: nothing of ours."""
    match key.split("/"):
        case [_, _, "probe"]:
            return ""
        case [_, _, "chunks", chunk_id]:
            return chunk_id
    return None
