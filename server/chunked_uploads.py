"""Files that come in chunks, in any order and over any number of connections, nodes and restarts, until they are whole.

A chunk is acknowledged when its bytes are on disk under its number and its row is stored. A whole file goes to the
intake like any other. Which step a crash cut short can be told from what lies in the folder: chunks; or all of them
joined as ``whole``; or neither, when the intake has taken it. Where the chunks lie in a bucket, any node goes on with
them, and that the intake has the file is told by its track.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import suppress
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import structlog

from protocol import ids
from protocol.errors import (
    AudioFormatError,
    BadInput,
    Conflict,
    DiskFull,
    EarshotError,
    NotFound,
    TooLarge,
)
from protocol.events import Failed
from server.blobs import Blobs
from server.files import disk_full, storage_error
from server.intake import MEBIBYTE, Intake
from server.journal import Journal
from server.live import SourceOptions
from server.nodes.duties import Duties
from server.nodes.folder_locks import FolderLocks
from server.rounds import repeat
from server.settings import Settings
from server.status import logged
from server.store.changes import check_takes_sound
from server.store.records import AS_USUAL, VoicesAsked
from server.store.standing import share_of
from server.store.store import Store
from server.store.uploads import Chunk, ChunkedUpload
from server.upload_bytes import WHOLE, UploadBytes, has_chunk, join

log = structlog.get_logger(__name__)

CHUNKS_MAX = 10_000
PER_TRANSCRIPT_MAX = 8  # unfinished ones
SWEEP_S = 300.0
# A file without an upload's id gives way to the next one when nothing of it came for so long.
NUMBERED_IDLE_S = 600.0
AGAIN_S = 1.0


class ChunkedUploads:
    """One for a node. ``stop`` must be called in the end."""

    def __init__(
        self, settings: Settings, store: Store, intake: Intake, journal: Journal, blobs: Blobs, duties: Duties
    ) -> None:
        self._settings = settings
        self._store = store
        self._uploads = store.uploads
        self._intake = intake
        self._journal = journal
        self._bytes = UploadBytes(settings.uploads_dir, blobs)
        self._duties = duties
        # What is done with one upload is done one after the other, also by other workers of this folder.
        self._locks = FolderLocks(settings.data_dir / "uploads.lock")
        # Finished ones without an id whose first chunk came again: it may have been that of a file that begins alike.
        self._repeated: set[str] = set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def bytes_max(self) -> int:
        return self._settings.upload_max_mb * MEBIBYTE

    def start(self) -> None:
        """Go on with what was complete before a crash, and delete what nobody goes on with, in the background."""
        rounds = repeat(lambda: self.sweep(time.time()), every_s=SWEEP_S, name="keep uploads")
        self._keeper = asyncio.create_task(rounds, name="keep uploads")

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._locks.close()

    async def begin(
        self,
        transcript_id: str,
        *,
        chunks: int,
        name: str = "",
        length_bytes: int | None = None,
        sha256: str | None = None,
        language: str | None = None,
        voices: VoicesAsked = AS_USUAL,
        upload_id: str | None = None,
        may_take_all: bool = False,
    ) -> ChunkedUpload:
        """``may_take_all``: the owner is not held to its share. Raises ``TooLarge``, ``NotFound``, ``Conflict``
        (locked, or too many unfinished), ``Overloaded``, ``DiskFull``.
        """
        if length_bytes is not None and length_bytes > self.bytes_max:
            raise TooLarge(f"a file may hold {self.bytes_max} bytes", details={"max_bytes": self.bytes_max})
        await asyncio.to_thread(self._require_space, length_bytes or 0)
        return await self._uploads.begin(
            transcript_id,
            upload_id or ids.new_upload_id(),
            name=name,
            language=language,
            voices=voices,
            chunks=chunks,
            length_bytes=length_bytes,
            sha256=sha256,
            per_transcript_max=PER_TRANSCRIPT_MAX,
            owner_max=None if may_take_all else share_of(self._settings.uploads_open_max),
            open_max=self._settings.uploads_open_max,
        )

    async def room_for(self, upload: ChunkedUpload, number: int) -> int:
        """How many bytes that chunk may have. Raises ``BadInput`` for a number that the upload does not have."""
        if not 0 <= number < upload.chunks:
            raise BadInput("there is no such chunk", details={"number": number, "chunks": upload.chunks})
        known = await self._uploads.chunk(upload.id, number)
        return self._whole_max(upload) - upload.received_bytes + (known.length_bytes if known else 0)

    async def put(self, transcript_id: str, upload_id: str, chunk: Chunk, path: Path) -> tuple[ChunkedUpload, bool]:
        """Take over the file at ``path`` as that chunk; durable when it returns. And whether it is new.

        The same bytes again are fine and change nothing. Raises ``NotFound``, ``Conflict`` (other bytes, or no chunk is
        awaited any more), ``TooLarge``, ``DiskFull``; then the file stays where it is.
        """
        async with self._locks.of(upload_id):
            known = await self._uploads.chunk(upload_id, chunk.number)
            upload = await self._uploads.get(transcript_id, upload_id)
            if known is not None:
                if known != chunk:
                    raise Conflict("this chunk is here already, with other bytes", details={"sha256": known.sha256})
                await asyncio.to_thread(path.unlink, missing_ok=True)
                return upload, False
            await self._bytes.keep(upload, chunk, path)
            try:
                upload = await self._uploads.add_chunk(
                    transcript_id, upload_id, chunk, bytes_max=self._whole_max(upload)
                )
            except EarshotError:
                if await self._uploads.chunk(upload_id, chunk.number) != chunk:  # or else another node has just had it
                    await self._bytes.drop(upload, chunk)
                raise
            return upload, True

    async def put_numbered(
        self,
        transcript_id: str,
        chunk: Chunk,
        chunks: int,
        path: Path,
        *,
        filename: str,
        may_take_all: bool = False,
    ) -> ChunkedUpload:
        """As ``put``, where a transcript has one upload without an id; the last chunk that is missing completes it.

        What was completed last is kept for ``upload_expires_s``: its chunks sent again change nothing. Raises as well
        ``Conflict`` while another upload is in progress on the transcript, or its file is still heard.
        """
        upload_id = str(uuid5(NAMESPACE_URL, f"{transcript_id}/record/upload"))
        if chunk.number >= chunks:
            raise BadInput("there is no such chunk", details={"number": chunk.number, "chunks": chunks})
        async with self._locks.of(f"numbered {transcript_id}"):
            uploads = await self._uploads.of_transcript(transcript_id)
            mine = next((each for each in uploads if each.id == upload_id), None)
            known = await self._uploads.chunk(upload_id, chunk.number)
            if mine is None or mine.state == "done":
                if mine is not None and mine.chunks == chunks and known == chunk:
                    if chunk.number == 0:
                        self._repeated.add(upload_id)
                    return mine
                tracks = await self._store.tracks_of(transcript_id)
                others = [each for each in uploads if each.state != "done"]
                if others or any(track.source == "file" and track.state == "open" for track in tracks):
                    raise Conflict("there is already an upload in progress")
                mine = await self._begin_numbered(mine, transcript_id, upload_id, chunk, chunks, filename, may_take_all)
            elif mine.chunks != chunks or known not in (None, chunk):
                idle_s = time.time() - mine.updated_at
                if mine.state != "open" or chunk.number != 0 or idle_s < NUMBERED_IDLE_S:
                    raise Conflict("there is already an upload in progress", details={"total_chunks": mine.chunks})
                log.info("upload given up for another", upload=upload_id, received_bytes=mine.received_bytes)
                mine = await self._begin_numbered(mine, transcript_id, upload_id, chunk, chunks, filename, may_take_all)
            mine, _ = await self.put(transcript_id, upload_id, chunk, path)
            if mine.received_chunks == chunks:
                try:
                    await self.complete(transcript_id, upload_id)
                except Conflict:
                    if (await self._uploads.get(transcript_id, upload_id)).state == "open":
                        raise
                    # Another node had the last but one, and puts it together.
            return mine

    async def _begin_numbered(
        self,
        before: ChunkedUpload | None,
        transcript_id: str,
        upload_id: str,
        chunk: Chunk,
        chunks: int,
        filename: str,
        may_take_all: bool,
    ) -> ChunkedUpload:
        """In the place of the one before. Raises as ``begin`` does."""
        if before is not None:
            with suppress(NotFound):
                await self.delete(transcript_id, upload_id)
        if upload_id in self._repeated:
            self._repeated.discard(upload_id)
            if before is not None and before.chunks == chunks and chunk.number != 0:
                # Chunk 0 was taken for the one before sent again, and not kept.
                raise Conflict("the file before had the same first chunk; send this one again from chunk 0")
        return await self.begin(
            transcript_id, chunks=chunks, name=filename, upload_id=upload_id, may_take_all=may_take_all
        )

    async def missing(self, upload: ChunkedUpload) -> list[int]:
        """Numbers of the chunks that are awaited."""
        if upload.state != "open":
            return []
        here = {chunk.number for chunk in await self._uploads.chunks_of(upload.id)}
        return [number for number in range(upload.chunks) if number not in here]

    async def complete(self, transcript_id: str, upload_id: str) -> tuple[ChunkedUpload, str | None]:
        """Join the chunks and hand the file to the intake; the upload and its track's id, None when it was done before.

        Raises ``Conflict`` (chunks are missing, or the transcript is locked). What cannot be used is deleted, and
        raises ``BadInput`` (another length or SHA-256 than announced), ``AudioFormatError`` or ``TooLarge``. All else
        may be tried again, and is by itself at the next start.
        """
        async with self._locks.of(upload_id), self._duties.alone(f"upload {upload_id}") as is_mine:
            upload = await self._uploads.get(transcript_id, upload_id)
            if upload.state == "done":
                return upload, None
            if not is_mine:
                raise Conflict("another node puts the chunks together; ask again", retry_after_s=AGAIN_S)
            if missing := await self.missing(upload):
                raise Conflict("chunks are missing", details={"missing_count": len(missing), "missing": missing[:100]})
            if not await self._bytes.are_here(upload):
                raise Conflict("the chunks are not on this node; ask the one that took them")
            if upload.state == "open":
                check_takes_sound(await self._store.get_transcript(transcript_id))
                await self._uploads.set_state(upload_id, "joining")
            try:
                track_id = await self._finish(upload)
            except (BadInput, NotFound):
                await self._discard(upload)
                raise
            return await self._uploads.get(transcript_id, upload_id), track_id

    async def delete(self, transcript_id: str, upload_id: str) -> None:
        """Forget an upload and its bytes. What the intake has taken already stays. Raises ``NotFound``."""
        async with self._locks.of(upload_id):
            await self._discard(await self._uploads.get(transcript_id, upload_id))

    # From chunks to a file of the intake's.

    async def _finish(self, upload: ChunkedUpload) -> str | None:
        """The track's id; None when the intake has had the file since before a crash."""
        folder = self._bytes.folder(upload)
        whole = folder / WHOLE
        # In the bucket chunks lie until the file is heard: whether it is, its track says.
        planned_id = _track_id(upload) if self._bytes.is_shared else None
        is_taken = planned_id is not None and await self._intake.has_taken(planned_id)
        is_there = not is_taken and await asyncio.to_thread(whole.exists)
        if not (is_taken or is_there) and (planned_id or await asyncio.to_thread(has_chunk, folder)):
            await self._join(upload, whole)
            is_there = True
        track_id = None
        if is_there:
            options = SourceOptions(language=upload.language, voices=upload.voices, let_in=True, track_id=planned_id)
            track_id = await self._intake.add_file(upload.transcript_id, whole, filename=upload.name, options=options)
        await self._uploads.set_state(upload.id, "done")
        await self._bytes.clear(upload)
        return track_id

    async def _join(self, upload: ChunkedUpload, whole: Path) -> None:
        chunks = await self._uploads.chunks_of(upload.id)
        try:
            await asyncio.to_thread(self._require_space, upload.received_bytes)
            await self._bytes.fetch(upload, chunks)
            lost = await asyncio.to_thread(join, whole, chunks, upload.length_bytes, upload.sha256)
        except OSError as error:
            await self._uploads.set_state(upload.id, "open")  # once there is room, it can be told to be complete again
            raise storage_error(error) from error
        except DiskFull:
            await self._uploads.set_state(upload.id, "open")
            raise
        if lost:
            for number in lost:
                await self._uploads.forget_chunk(upload.id, number)
            await self._uploads.set_state(upload.id, "open")
            raise Conflict("chunks were lost on our disk; send them again", details={"missing": lost[:100]})

    async def _discard(self, upload: ChunkedUpload) -> None:
        await self._uploads.delete(upload.id)
        await self._bytes.clear(upload)

    # What nobody asks for.

    async def _go_on(self, upload: ChunkedUpload) -> None:
        log.info("upload goes on", upload=upload.id, transcript=upload.transcript_id)
        try:
            await self.complete(upload.transcript_id, upload.id)
        except (AudioFormatError, TooLarge, BadInput) as error:
            # Nobody waits for an answer any more, but for the words.
            failed = Failed(code=error.code, message=error.message, details=error.details, recoverable=True)
            with logged(upload.transcript_id):
                await self._journal.append(upload.transcript_id, failed)
        except EarshotError as error:
            log.warning("upload not finished; it is tried again", upload=upload.id, code=error.code)

    async def sweep(self, now: float) -> None:
        """Go on with what was complete; delete uploads of which nothing came for too long, and folders of none.

        What is complete never expires where its bytes are. Of uploads in other nodes' folders only the rows are seen.
        """
        for upload in await self._uploads.everyone():
            is_here = await self._bytes.are_here(upload)
            if upload.state == "joining" and is_here:
                await self._go_on(upload)
            elif now - upload.updated_at > self._settings.upload_expires_s:
                await self._expire(upload)
        # Asked again: some may have begun since.
        uploads = await self._uploads.everyone()
        self._repeated &= {upload.id for upload in uploads}
        await self._bytes.remove_unknown(uploads, now)
        if self._bytes.is_shared and await self._duties.mine("uploads"):
            await self._bytes.sweep(await self._uploads.everyone(), now)

    async def _expire(self, upload: ChunkedUpload) -> None:
        async with self._locks.of(upload.id):
            with suppress(NotFound):
                newest = await self._uploads.get(upload.transcript_id, upload.id)
                if newest.updated_at == upload.updated_at:
                    log.info("upload expired", upload=upload.id, received_bytes=upload.received_bytes)
                    await self._discard(newest)

    def _whole_max(self, upload: ChunkedUpload) -> int:
        return self.bytes_max if upload.length_bytes is None else upload.length_bytes

    def _require_space(self, length_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._settings.data_dir).free
        if free_bytes < self._settings.disk_reserve_mb * MEBIBYTE + length_bytes:
            raise disk_full()


def _track_id(upload: ChunkedUpload) -> str:
    """Of the track that it becomes, whichever node makes it; another one where the same id is used again."""
    return f"trk_{uuid5(NAMESPACE_URL, f'{upload.id}/{upload.created_at}').hex[:16]}"
