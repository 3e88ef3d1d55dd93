"""Writing down the chunks that wait in the database: a few at a time, each until it is written down or has failed.

Each try is counted where it begins, so that a chunk that ends its node is not tried by one after the other without end.
One that is cut off by an orderly stop is none.
One that was given up stays with its bytes: its host sees why, and has it tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog

from protocol.errors import Draining, EarshotError, HeldElsewhere, Internal, NotFound, StoreUnavailable
from protocol.states import ChunkState
from server.blobs import Blobs
from server.hub import Hub
from server.projects.chunk_headers import HEADLESS, NoHeaderYet
from server.projects.chunk_hearing import ChunkHearing
from server.projects.chunk_turns import ChunkTurns
from server.rounds import repeat
from server.store.conversation_records import ATTEMPTS_MAX, Chunk
from server.store.store import Store

log = structlog.get_logger(__name__)

AT_ONCE = 2  # as many as the intake feeds
LOOK_S = 5.0
# What failed for a passing reason is tried again after this, then after twice as long each time, up to a most: for
# more than an hour in all, which the storage or a recogniser that is away has to come back.
AGAIN_S, AGAIN_MAX_S = 5.0, 900.0
UNFORESEEN = "The server could not write this down; its log says why"


class ChunkWriting:
    """``settled`` is called with the conversation of each chunk that is written down or has failed. ``clock`` gives
    epoch seconds; ``headless_s``: for so long a chunk waits for the beginning of its recording."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        hub: Hub,
        hearing: ChunkHearing,
        turns: ChunkTurns,
        *,
        headless_s: float,
        settled: Callable[[str], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._conversations = store.conversations
        self._blobs = blobs
        self._hub = hub
        self._hearing = hearing
        self._turns = turns
        self._headless_s = headless_s
        self._settled = settled
        self.clock = clock
        self.busy: dict[str, asyncio.Task[None]] = {}  # by chunk
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        begun = repeat(self._begin, every_s=LOOK_S, name="chunks", woken=self._woken)
        self._task = asyncio.create_task(begun, name="chunks")

    def wake(self) -> None:
        """There may be some to be written down."""
        self._woken.set()

    async def stop(self) -> None:
        """What is not written down yet goes on at the next start, or on another node."""
        tasks = [*([self._task] if self._task else []), *self.busy.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def give_up(self, chunk_id: str) -> None:
        """Nobody wants it written down any more: returns when nothing is done with it."""
        task = self.busy.get(chunk_id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _begin(self) -> None:
        free = AT_ONCE - len(self.busy)
        if free <= 0 or self._hub.is_leaving():
            return
        for chunk in await self._turns.take(without=tuple(self.busy), limit=free):
            task = asyncio.create_task(self._write_down(chunk), name=f"chunk {chunk.id}")
            self.busy[chunk.id] = task
            task.add_done_callback(partial(self._done, chunk.id))

    def _done(self, chunk_id: str, _task: asyncio.Task[None]) -> None:
        self.busy.pop(chunk_id, None)
        self._woken.set()

    async def _write_down(self, chunk: Chunk) -> None:
        try:
            async with self._turns.alone(chunk.conversation_id) as node_id:
                # Asked again: it may have been deleted, or done by another node, when it was looked for.
                if not (await self._conversations.chunk(chunk.conversation_id, chunk.id)).is_settled:
                    await self._try(chunk, node_id)
        except NotFound:
            pass  # its conversation went meanwhile
        except HeldElsewhere:
            log.info("another node goes on with a chunk", chunk=chunk.id)
        except StoreUnavailable as error:
            log.warning("a chunk waits", chunk=chunk.id, code=error.code)
            await asyncio.sleep(AGAIN_S)  # it could not even be noted

    async def _try(self, chunk: Chunk, node_id: str) -> None:
        try:
            await self._hear(chunk, node_id)
            await self._conversations.settle(chunk, ChunkState.TRANSCRIBED, node_id=node_id)
        except NoHeaderYet:
            if not await self._has_waited(chunk, node_id):
                return
        except HeldElsewhere:
            raise
        except asyncio.CancelledError:
            with suppress(EarshotError):  # the store is away: then it counts
                await self._conversations.postpone(chunk, pause_s=0.0, error=None, is_attempt=False)
            raise
        except EarshotError as error:
            # What is ours may pass: a node that was thought gone may have written at the same moment.
            if not error.retryable and type(error) is not Internal:
                if await self._is_gone(chunk):
                    return
                log.info("a chunk cannot be written down", chunk=chunk.id, code=error.code)
                await self._conversations.settle(chunk, ChunkState.FAILED, node_id=node_id, error=error.message)
            elif not await self._has_tried(chunk, node_id, error):
                return
        except Exception:
            log.exception("a chunk could not be written down", chunk=chunk.id)
            if not await self._has_tried(chunk, node_id):
                return
        else:
            await self._forget_bytes(chunk)
        # What failed stays for an hour, until it is swept: others may need its beginning.
        await self._conversations.hurry(chunk.conversation_id, HEADLESS)
        self._woken.set()
        await self._settled(chunk.conversation_id)

    async def _has_waited(self, chunk: Chunk, node_id: str) -> bool:
        """Whether nobody waits any more for the beginning of its recording. Its bytes stay for a while: one that comes
        is tried."""
        left_s = self._headless_s - (self.clock() - chunk.updated_at)
        if left_s > 0:
            await self._conversations.postpone(chunk, pause_s=left_s, error=HEADLESS, is_attempt=False)
            return False
        log.info("a chunk has no beginning", chunk=chunk.id)
        await self._conversations.settle(chunk, ChunkState.FAILED, node_id=node_id, error=HEADLESS)
        return True

    async def _has_tried(self, chunk: Chunk, node_id: str, error: EarshotError | None = None) -> bool:
        """Whether it was tried often enough; else it is tried again, later each time. ``error``: None, if nobody
        foresaw it."""
        why = UNFORESEEN if error is None else error.message
        if isinstance(error, Draining):  # this node leaves, or was found to be gone: no fault of the chunk's
            pause_s = 0.0 if self._hub.is_leaving() else AGAIN_S
            await self._conversations.postpone(chunk, pause_s=pause_s, error=None, is_attempt=False)
            return False
        if chunk.attempts < ATTEMPTS_MAX:
            pause_s = min(AGAIN_S * 2 ** (chunk.attempts - 1), AGAIN_MAX_S)
            log.warning("a chunk waits", chunk=chunk.id, attempts=chunk.attempts, why=error.code if error else None)
            await self._conversations.postpone(chunk, pause_s=pause_s, error=why)
            asyncio.get_running_loop().call_later(pause_s, self._woken.set)
            return False
        log.error("a chunk is given up", chunk=chunk.id, attempts=chunk.attempts)
        await self._conversations.settle(chunk, ChunkState.FAILED, node_id=node_id, error=why)
        return True

    async def _forget_bytes(self, chunk: Chunk) -> None:
        """The intake has them. What cannot be deleted now is swept."""
        try:
            if chunk.key is not None:
                await self._blobs.delete(chunk.key)
        except EarshotError as error:
            log.warning("a chunk's bytes are still there", chunk=chunk.id, code=error.code)

    async def _is_gone(self, chunk: Chunk) -> bool:
        """Its conversation is in the bin: it goes on should that come back."""
        try:
            await self._conversations.get(chunk.conversation_id)
        except NotFound:
            return True
        return False

    async def _hear(self, chunk: Chunk, node_id: str) -> None:
        if chunk.attempts > ATTEMPTS_MAX:
            raise Internal(UNFORESEEN)  # none of the tries came to an end: it may be what ends its nodes
        await self._hearing.hear(chunk, node_id=node_id)
