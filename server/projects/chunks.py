"""Chunks of conversations: announced, uploaded, confirmed, written down.

Each chunk of sound becomes a track of its own, which begins when its sound was said: so chunks may come late, twice and
in any order, and the transcript is the same. The track's id is given when the chunk is announced, so that a crash
between any two steps makes no second one.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from protocol import ids
from protocol.errors import BadInput, Draining, EarshotError, NotFound
from protocol.events import Transcribed
from protocol.states import ChunkState
from protocol.words import Segment
from server.blob_urls import BlobUrls
from server.blobs import Blobs
from server.hub import Hub
from server.intake import Intake
from server.journal import Journal
from server.live import SourceOptions
from server.projects.portal import portal_of
from server.redaction import redact
from server.settings import Settings
from server.store.conversation_records import Chunk, Conversation
from server.store.store import Store

log = structlog.get_logger(__name__)

AT_ONCE = 2  # as many as the intake feeds
LOOK_S = 15.0
AGAIN_S = 5.0  # until what failed for a passing reason is tried again
TINY_BYTES = 1024  # no recorder makes so little of any sound
EARLY_S, AHEAD_S = 3600.0, 300.0  # clocks of participants may be wrong by so much
MEBIBYTE = 1 << 20
MISSING = "File not found in S3. Upload may have failed. Please try again."
TINY = "Audio not playable"
ATTEMPTS_MAX = 5
UNFORESEEN = "The server could not write this down; its log says why"


class Chunks:
    """Takes chunks and writes them down in the background. ``clock`` gives epoch seconds."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        blobs: Blobs,
        blob_urls: BlobUrls,
        intake: Intake,
        hub: Hub,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._conversations = store.conversations
        self._blobs = blobs
        self._blob_urls = blob_urls
        self._intake = intake
        self._hub = hub
        self._journal = journal
        self._clock = clock
        self._busy: dict[str, asyncio.Task[None]] = {}  # by chunk
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Before transcripts are recovered: those of which more is to come stay open."""
        self._hub.kept_open.update(each.id for each in await self._conversations.unclosed())

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="chunks")

    async def stop(self) -> None:
        """What is not written down yet goes on at the next start."""
        tasks = [*self._busy.values(), *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
    ) -> tuple[Chunk, str]:
        """A chunk to come, and where to ``PUT`` it: an address, or a path of ours. Raises ``NotFound``, ``Conflict``,
        ``BadInput`` for a content type that cannot be."""
        chunk = self._new(conversation_id, filename, content_type, source, length_bytes=length_bytes, sha256=sha256)
        assert chunk.key is not None
        life_s = self._settings.chunk_url_s
        if self._blobs.is_embedded:
            most = self._settings.chunk_max_mb * MEBIBYTE
            url = self._blob_urls.put_url(
                chunk.key, content_type=content_type, length_max_bytes=min(most, length_bytes or most), expires_s=life_s
            )
        else:
            url = await self._blobs.presigned_put(chunk.key, expires_s=life_s)
        await self._conversations.announce(chunk, chunks_max=self._settings.conversation_chunks_max)
        return chunk, url

    async def confirm(self, conversation_id: str, chunk_id: str, *, said_at: float | None) -> Chunk:
        """Its bytes are there; again, it changes nothing.

        Raises ``NotFound`` for a chunk that is not of this conversation, ``BadInput`` where the bytes are not there, or
        are not those that were announced: upload them again.
        """
        chunk = await self._conversations.chunk(conversation_id, chunk_id)
        if chunk.key is None or chunk.state not in (ChunkState.ANNOUNCED, ChunkState.UPLOADED):
            return chunk
        conversation = await self._conversations.get(conversation_id)
        try:
            length_bytes = await self._blobs.size_bytes(chunk.key)
        except NotFound:
            raise BadInput(MISSING, details={"chunk_id": chunk_id}) from None
        await self._check(chunk, length_bytes)
        error = TINY if length_bytes < TINY_BYTES else None
        moment = self._moment(conversation, said_at)
        self._hub.kept_open.add(conversation_id)
        chunk, _ = await self._conversations.confirm(chunk, said_at=moment, length_bytes=length_bytes, error=error)
        self._woken.set()
        if chunk.is_settled:
            await self.try_close(conversation_id)
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
        chunk = self._new(conversation_id, filename, content_type, source, length_bytes=length_bytes)
        assert chunk.key is not None
        await self._conversations.announce(chunk, chunks_max=self._settings.conversation_chunks_max)
        await self._blobs.take_file(chunk.key, path)
        return await self.confirm(conversation_id, chunk.id, said_at=said_at)

    async def typed(self, conversation_id: str, text: str, *, said_at: float | None, source: str) -> Chunk:
        """Words that were not said but typed: they stand in the transcript at their moment.

        The same words of the same moment are the same chunk: whoever was not answered may send them again.
        """
        conversation = await self._conversations.get(conversation_id)
        moment = self._moment(conversation, said_at)
        if conversation.redacts:
            language = (await self._store.get_transcript(conversation_id)).language
            text = (await asyncio.to_thread(redact, text, language)).text
        for each in await self._conversations.chunks_of(conversation_id) if said_at is not None else ():
            if (each.text, each.said_at) == (text, moment):
                return each
        chunk = self._new(conversation_id, "", "text/plain", source, text=text)
        await self._conversations.announce(chunk, chunks_max=self._settings.conversation_chunks_max)
        segment = Segment(
            segment_id=f"seg_{chunk.id.replace('-', '')[:16]}",
            track=chunk.track_id,
            text=text,
            start_samples=0,
            end_samples=0,
            is_final=True,
            speaker=conversation.name or "Speaker 1",
        )
        await self._store.create_track(
            conversation_id,
            source="text",
            started_at=moment,
            name="typed",
            speaker=conversation.name or None,
            track_id=chunk.track_id,
            state="finished",
        )
        await self._journal.append(conversation_id, Transcribed(segment=segment, track_started_at=moment))
        self._hub.kept_open.add(conversation_id)
        chunk, _ = await self._conversations.confirm(chunk, said_at=moment, length_bytes=len(text.encode()))
        await self.try_close(conversation_id)
        return chunk

    async def finish(self, conversation_id: str, *, expected_chunks: int | None = None) -> Conversation:
        """The participant is done. What still comes is taken all the same."""
        found = await self._conversations.finish(conversation_id, by="participant", expected_chunks=expected_chunks)
        await self.try_close(conversation_id)
        return found

    async def try_close(self, conversation_id: str) -> None:
        """Where all of it is written down and nothing more expected, its transcript comes to its end."""
        if await self._conversations.close(conversation_id):
            self._hub.kept_open.discard(conversation_id)
            await self._hub.settle(conversation_id)

    def _new(
        self,
        conversation_id: str,
        filename: str,
        content_type: str,
        source: str,
        *,
        length_bytes: int | None = None,
        sha256: str | None = None,
        text: str | None = None,
    ) -> Chunk:
        chunk_id, now = ids.new_chunk_id(), self._clock()
        return Chunk(
            id=chunk_id,
            conversation_id=conversation_id,
            key=None if text is not None else f"conversations/{conversation_id}/chunks/{chunk_id}",
            source=source,
            filename=filename,
            content_type=content_type,
            said_at=None,
            length_bytes=length_bytes,
            sha256=sha256,
            state=ChunkState.ANNOUNCED,
            track_id=ids.new_track_id(),
            text=text,
            error=None,
            attempts=0,
            created_at=now,
            updated_at=now,
        )

    def _moment(self, conversation: Conversation, said_at: float | None) -> float:
        """A participant's clock may be wrong; what it says of the order is kept as far as possible."""
        now = self._clock()
        return min(max(now if said_at is None else said_at, conversation.created_at - EARLY_S), now + AHEAD_S)

    async def _check(self, chunk: Chunk, length_bytes: int) -> None:
        if chunk.length_bytes is not None and chunk.length_bytes != length_bytes:
            raise BadInput(
                "these are not as many bytes as were announced: upload the chunk again",
                details={"announced_bytes": chunk.length_bytes, "uploaded_bytes": length_bytes},
            )
        if chunk.sha256 is not None and await self._sha256(chunk) != chunk.sha256:
            raise BadInput("these are not the bytes that were announced: upload the chunk again")

    async def _sha256(self, chunk: Chunk) -> str:
        path = await self._fetched(chunk)
        try:
            return await asyncio.to_thread(_digest, path)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _fetched(self, chunk: Chunk) -> Path:
        """A copy of its bytes, for whoever asked to remove."""
        assert chunk.key is not None
        folder = self._settings.data_dir / "incoming"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        path = folder / f"chunk-{ids.new_chunk_id()}"
        await self._blobs.copy_to(chunk.key, path, length_max_bytes=self._settings.chunk_max_mb * MEBIBYTE)
        return path

    # Writing them down.

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._begin()
                await self._look()
            except EarshotError as error:
                log.warning("chunks wait", code=error.code)
            except Exception:
                log.exception("chunks wait")  # looked at again all the same
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _begin(self) -> None:
        free = AT_ONCE - len(self._busy)
        if free <= 0:
            return
        for chunk in await self._conversations.waiting(without=tuple(self._busy), limit=free):
            task = asyncio.create_task(self._write_down(chunk), name=f"chunk {chunk.id}")
            self._busy[chunk.id] = task
            task.add_done_callback(partial(self._done, chunk.id))

    def _done(self, chunk_id: str, _task: asyncio.Task[None]) -> None:
        self._busy.pop(chunk_id, None)
        self._woken.set()

    async def _look(self) -> None:
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

    async def _write_down(self, chunk: Chunk) -> None:
        try:
            await self._hear(chunk)
            await self._conversations.settle(chunk, ChunkState.TRANSCRIBED)
        except EarshotError as error:
            if error.retryable:
                log.warning("a chunk waits", chunk=chunk.id, code=error.code)
                await asyncio.sleep(AGAIN_S)
                return
            log.info("a chunk cannot be written down", chunk=chunk.id, code=error.code)
            await self._conversations.settle(chunk, ChunkState.FAILED, error=error.message)
        except Exception:
            log.exception("a chunk could not be written down", chunk=chunk.id)
            if await self._conversations.count_attempt(chunk) < ATTEMPTS_MAX:
                await asyncio.sleep(AGAIN_S)
                return
            await self._conversations.settle(chunk, ChunkState.FAILED, error=UNFORESEEN)
        if chunk.key is not None:
            await self._blobs.delete(chunk.key)  # the intake has it, or nobody wants it
        await self.try_close(chunk.conversation_id)

    async def _hear(self, chunk: Chunk) -> None:
        if not await self._is_begun(chunk):
            conversation = await self._conversations.get(chunk.conversation_id)
            transcript = await self._store.get_transcript(conversation.id)
            options = SourceOptions(
                speaker=conversation.name or None,
                hotwords=await self._key_terms(conversation),
                language=transcript.language,
                track_id=chunk.track_id,
                started_at=chunk.said_at,
            )
            path = await self._fetched(chunk)
            try:
                await self._intake.add_file(conversation.id, path, filename=chunk.filename or "chunk", options=options)
            finally:
                await asyncio.to_thread(path.unlink, missing_ok=True)
        await self._intake.heard(chunk.track_id)
        if await self._is_begun(chunk, state="open"):
            raise Draining("the chunk is not heard to its end; it goes on at the next start")

    async def _key_terms(self, conversation: Conversation) -> tuple[str, ...]:
        try:
            return portal_of((await self._store.projects.get(conversation.project_id)).portal).key_terms
        except NotFound:
            return ()  # the project is gone, and what was said in it stays

    async def _is_begun(self, chunk: Chunk, *, state: str = "") -> bool:
        try:
            track = await self._store.get_track(chunk.track_id)
        except NotFound:
            return False  # or there was no sound in it
        return not state or track.state == state


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
