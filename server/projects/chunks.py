"""Chunks of conversations: announced, uploaded, confirmed, written down.

Each chunk of sound becomes a track of its own, which begins when its sound was said: so chunks may come late, twice and
in any order, and the transcript is the same. The track's id is given when the chunk is announced, so that a crash
between any two steps makes no second one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from protocol.errors import (
    BadInput,
    Conflict,
    EarshotError,
    HeldElsewhere,
    NotFound,
    TooLarge,
)
from protocol.states import ChunkState
from server.blobs import Blobs
from server.hub import Hub
from server.intake import Intake
from server.journal import Journal
from server.locks import Locks
from server.nodes.duties import Duties
from server.nodes.holding import Holding
from server.projects.chunk_bytes import CHANGED, MEBIBYTE, ChunkBytes
from server.projects.chunk_headers import HEADLESS, ChunkHeaders
from server.projects.chunk_hearing import ChunkHearing
from server.projects.chunk_removal import ChunkRemoval
from server.projects.chunk_turns import ChunkTurns
from server.projects.chunk_writing import ChunkWriting
from server.projects.typed_words import TypedWords
from server.projects.upload_targets import Target, UploadTargets
from server.reports.reports import Reports
from server.rounds import repeat
from server.settings import Settings
from server.store.conversation_records import Chunk, Conversation, chunk_key
from server.store.store import Store

log = structlog.get_logger(__name__)

LOOK_S = 15.0  # at what is left of conversations
TINY_BYTES = 1024  # no recorder makes so little of any sound
WRONG_S = 3600.0  # clocks of participants may be wrong by so much
MISSING = "File not found in S3. Upload may have failed. Please try again."
TINY = "Audio not playable"


class Chunks:
    """Takes chunks and writes them down in the background.

    ``on_closed`` are called when a conversation came to its end. ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        blobs: Blobs,
        targets: UploadTargets,
        typed: TypedWords,
        reports: Reports,
        intake: Intake,
        hub: Hub,
        journal: Journal,
        holding: Holding,
        *,
        on_closed: Sequence[Callable[[], None]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._conversations = store.conversations
        self._blobs = blobs
        self._targets = targets
        self._typed = typed
        self._intake = intake
        self._hub = hub
        self._on_closed = on_closed
        self._clock = clock
        self._removal = ChunkRemoval(settings, store, blobs, reports, intake, hub, journal)
        self._bytes = ChunkBytes(settings, blobs, come_to_us=targets.are_ours)
        self._turns = ChunkTurns(store, hub, holding)
        self.writing = ChunkWriting(
            store,
            blobs,
            hub,
            ChunkHearing(store, hub.sound, intake, self._bytes, ChunkHeaders(settings, store, blobs)),
            self._turns,
            headless_s=settings.conversation_idle_s,
            settled=self.try_close,
            clock=clock,
        )
        self._locks = Locks()  # of conversations, for what is typed, and of chunks, for their bytes
        self._task: asyncio.Task[None] | None = None

    def start(self, duties: Duties) -> None:
        self.writing.start()
        tended = repeat(duties.round("conversations", self._tend), every_s=LOOK_S, name="conversations")
        self._task = asyncio.create_task(tended, name="conversations")

    async def stop(self) -> None:
        """What is not written down yet goes on at the next start, or on another node."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.writing.stop()

    # Taking them.

    async def announce(
        self,
        conversation_id: str,
        *,
        filename: str,
        content_type: str,
        length_bytes: int | None = None,
        sha256: str | None = None,
        source: str,
    ) -> tuple[Chunk, Target]:
        """A chunk to come, and where to put it. Raises ``NotFound``, ``Conflict``, ``TooLarge``, and ``BadInput`` for a
        content type that cannot be."""
        chunk = self._new(
            conversation_id,
            filename=filename,
            content_type=content_type,
            source=source,
            length_bytes=length_bytes,
            sha256=sha256,
        )
        assert chunk.key is not None
        most = self._settings.chunk_max_mb * MEBIBYTE
        if length_bytes is not None and length_bytes > most:
            raise TooLarge(f"a chunk is of {self._settings.chunk_max_mb} MiB at most", details={"bytes_max": most})
        target = await self._targets.of(
            chunk.key,
            content_type=content_type,
            length_max_bytes=min(most, length_bytes or most),
            expires_s=self._settings.chunk_url_s,
        )
        await self._conversations.announce(chunk, chunks_max=self._settings.conversation_chunks_max)
        return chunk, target

    async def put(self, key: str, path: Path, *, sha256: str) -> None:
        """The file at ``path`` are the bytes of the blob ``key``, in place of those that were there: once its chunk is
        confirmed they are what they are. The same again change nothing; raises ``Conflict`` for others."""
        chunk_id = key.rpartition("/")[2]
        async with self._locks.of(chunk_id):
            named = await self._conversations.by_ids([chunk_id])
            chunk = next((each for each in named if chunk_key(each.conversation_id, each.id) == key), None)
            if chunk is not None and chunk.state is ChunkState.DELETED:
                raise _deleted(chunk_id)
            if chunk is None or chunk.takes_bytes or chunk.error == CHANGED:
                await self._blobs.take_file(key, path)
            elif sha256 != chunk.sha256:
                raise Conflict("this chunk was confirmed with other bytes", details={"chunk_id": chunk_id})

    async def confirm(self, conversation_id: str, chunk_id: str, *, said_at: float | None) -> Chunk:
        """Its bytes are there; again, it changes nothing, unless others were put there meanwhile.

        Raises ``NotFound`` for a chunk that is not of this conversation, ``BadInput`` where the bytes are not there, or
        are not those that were announced: upload them again. ``TooLarge``: no chunk may have so many.
        """
        async with self._locks.of(chunk_id):
            chunk = await self._confirm(conversation_id, chunk_id, said_at)
        self.writing.wake()
        if chunk.is_settled:
            await self.try_close(conversation_id)
        return chunk

    async def _confirm(self, conversation_id: str, chunk_id: str, said_at: float | None) -> Chunk:
        chunk = await self._conversations.chunk(conversation_id, chunk_id)
        if chunk.state is ChunkState.DELETED:
            raise _deleted(chunk_id)
        if chunk.key is None or not (chunk.takes_bytes or chunk.error == CHANGED):
            return chunk
        conversation = await self._conversations.get(conversation_id)
        try:
            length_bytes = await self._blobs.size_bytes(chunk.key)
        except NotFound:
            raise BadInput(MISSING, details={"chunk_id": chunk_id}) from None
        sha256 = await self._bytes.check(chunk, length_bytes)
        error = TINY if length_bytes < TINY_BYTES else None
        moment = self._moment(conversation, said_at) if chunk.said_at is None else chunk.said_at
        chunk, _ = await self._conversations.confirm(
            chunk,
            said_at=moment,
            length_bytes=length_bytes,
            sha256=sha256,
            error=error,
            again=HEADLESS,
            mended=CHANGED,
        )
        return chunk

    async def take(
        self,
        conversation_id: str,
        path: Path,
        *,
        filename: str,
        content_type: str,
        length_bytes: int,
        said_at: float | None,
        source: str,
    ) -> Chunk:
        """A chunk that came to us itself: the file at ``path`` is taken over."""
        chunk = self._new(
            conversation_id, filename=filename, content_type=content_type, source=source, length_bytes=length_bytes
        )
        assert chunk.key is not None
        await self._conversations.announce(chunk, chunks_max=self._settings.conversation_chunks_max)
        await self._blobs.take_file(chunk.key, path)
        return await self.confirm(conversation_id, chunk.id, said_at=said_at)

    async def typed(self, conversation_id: str, text: str, *, said_at: float | None, source: str) -> Chunk:
        """Words that were not said but typed: they stand in the transcript at their moment.

        The same words of the same moment are the same chunk: whoever was not answered may send them again.
        """
        conversation = await self._conversations.get(conversation_id)
        async with self._locks.of(conversation_id):  # whoever asks again may do so while the first is still at work
            moment = self._moment(conversation, said_at)
            chunk = await self._typed.take(
                conversation, text, said_at=said_at, moment=moment, source=source, now=self._clock()
            )
            if chunk.state is not ChunkState.ANNOUNCED:
                return chunk
            chunk, _ = await self._conversations.confirm(
                chunk, said_at=moment, length_bytes=len((chunk.text or "").encode())
            )
        await self.try_close(conversation_id)
        return chunk

    async def delete(self, conversation_id: str, chunk_id: str) -> None:
        """Its words and its sound go, from whatever it is in. Again, it changes nothing.

        Raises ``NotFound``, ``Conflict`` once the conversation is at its end, and ``StoreUnavailable`` when something
        of it is still there: that goes by itself, later.
        """
        async with self._locks.of(conversation_id), self._locks.of(chunk_id):  # nobody is about to write it down
            chunk = await self._conversations.delete_chunk(conversation_id, chunk_id)
        try:
            await self._erase(chunk)
        except HeldElsewhere:
            log.info("a chunk is erased by the node that has its conversation", chunk=chunk_id)

    async def _erase(self, chunk: Chunk) -> None:
        await self.writing.give_up(chunk.id)
        async with self._turns.alone(chunk.conversation_id):
            await self._removal.erase(chunk)
        await self.try_close(chunk.conversation_id)

    async def retry(self, conversation_id: str, chunk_id: str) -> Chunk:
        """Write down one that failed, after all. Raises ``NotFound``, and ``Conflict`` for one that did not fail, whose
        bytes are not there any more, or that is locked."""
        chunk = await self._conversations.chunk(conversation_id, chunk_id)
        if chunk.state is ChunkState.FAILED and chunk.key is not None:
            try:
                await self._blobs.size_bytes(chunk.key)
            except NotFound:
                raise Conflict("the bytes of this chunk are not kept", details={"chunk_id": chunk_id}) from None
        chunk = await self._conversations.retry(conversation_id, chunk_id)
        self.writing.wake()
        return chunk

    async def finish(self, conversation_id: str, *, expected_chunks: int | None = None) -> Conversation:
        """The participant is done. What still comes is taken all the same."""
        found = await self._conversations.finish(conversation_id, by="participant", expected_chunks=expected_chunks)
        await self.try_close(conversation_id)
        return found

    async def try_close(self, conversation_id: str) -> None:
        """Where all of it is written down and nothing more expected, its transcript comes to its end."""
        if await self._conversations.close(conversation_id):
            await self._hub.settle(conversation_id)
            for told in self._on_closed:
                told()

    def _new(self, conversation_id: str, **known: Any) -> Chunk:
        return Chunk.announced(conversation_id, now=self._clock(), **known)

    def _moment(self, conversation: Conversation, said_at: float | None) -> float:
        """A participant's clock may be wrong; what it says of the order is kept as far as possible."""
        now = self._clock()
        return min(max(now if said_at is None else said_at, conversation.created_at - WRONG_S), now + WRONG_S)

    # What nobody asks for.

    async def _tend(self) -> None:
        """It looks at every conversation that is open: once in a while, not for each chunk, and on one node."""
        await self._close_left()
        await self._erase_left()

    async def _close_left(self) -> None:
        """Conversations that nobody goes on with are finished, and those that wait in vain are closed."""
        now = self._clock()
        for each in await self._conversations.unclosed():
            is_finished = each.finished_at is not None
            if not is_finished and now - each.seen_at > self._settings.conversation_idle_s:
                await self._conversations.finish(each.id, by="idle")
                is_finished = True
            elif each.finished_by == "participant" and now - each.seen_at > self._settings.conversation_wait_s:
                await self._conversations.finish(each.id, by="participant", expected_chunks=0)
            if is_finished:
                await self.try_close(each.id)

    async def _erase_left(self) -> None:
        for chunk in await self._removal.left():
            try:
                await self._erase(chunk)
            except (NotFound, HeldElsewhere):
                pass  # its conversation went meanwhile, or another node has it
            except EarshotError as error:
                log.warning("a chunk is not erased yet", chunk=chunk.id, code=error.code)


def _deleted(chunk_id: str) -> Conflict:
    return Conflict("this chunk was deleted", details={"chunk_id": chunk_id})
