"""Where the chunks of a file lie until it is whole: in a folder here, or in the bucket, where every node has them.

In the bucket each has its SHA-256 in its name, so that of two nodes that take others for the same number none spoils
the other's. A node that puts them together fetches them first.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from protocol.errors import BadInput, NotFound
from server.blobs import Blobs
from server.files import storage_error, sync_file, sync_folder
from server.store.uploads import Chunk, ChunkedUpload

WHOLE = "whole"
UNKNOWN_S = 300.0  # what is younger somebody may just be making
PREFIX = "uploads"

_COPY_BYTES = 1 << 20


class UploadBytes:
    """Raises ``StoreUnavailable``, ``DiskFull``."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder = folder
        self._blobs = blobs
        self.is_shared = not blobs.is_embedded  # every node of the fleet has them

    def folder(self, upload: ChunkedUpload) -> Path:
        """Here: of its chunks, or, with a bucket, for putting them together."""
        return self._folder / upload.transcript_id / upload.id

    async def are_here(self, upload: ChunkedUpload) -> bool:
        """Whether this node can have them."""
        return self.is_shared or await asyncio.to_thread(self.folder(upload).is_dir)

    async def keep(self, upload: ChunkedUpload, chunk: Chunk, path: Path) -> None:
        """The file at ``path`` is taken over; durable when this returns. Where it fails, the file stays."""
        if self.is_shared:
            await self._blobs.take_file(_key(upload, chunk), path)
            return
        try:
            await asyncio.to_thread(_move, path, self.folder(upload) / str(chunk.number))
        except OSError as error:
            raise storage_error(error) from error

    async def drop(self, upload: ChunkedUpload, chunk: Chunk) -> None:
        if self.is_shared:
            await self._blobs.delete(_key(upload, chunk))
        else:
            await asyncio.to_thread((self.folder(upload) / str(chunk.number)).unlink, missing_ok=True)

    async def fetch(self, upload: ChunkedUpload, chunks: Sequence[Chunk]) -> None:
        """All of them are in the folder then, but for those that are nowhere."""
        if not self.is_shared:
            return
        folder = self.folder(upload)
        for chunk in chunks:
            path = folder / str(chunk.number)
            if await asyncio.to_thread(_length_of, path) != chunk.length_bytes:
                await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
                with suppress(NotFound):
                    await self._blobs.copy_to(_key(upload, chunk), path)

    async def clear(self, upload: ChunkedUpload) -> None:
        """There are none any more."""
        await asyncio.to_thread(shutil.rmtree, self.folder(upload), ignore_errors=True)
        if self.is_shared:
            await self._blobs.delete_prefix(_prefix(upload))

    async def remove_unknown(self, uploads: Sequence[ChunkedUpload], now: float) -> None:
        """Folders of no upload."""
        known = {self.folder(upload) for upload in uploads}
        await asyncio.to_thread(_remove_unknown, self._folder, known, now)

    async def sweep(self, uploads: Sequence[ChunkedUpload], now: float) -> int:
        """Remove from the bucket what is of no upload; how many chunks. ``uploads``: those there are."""
        known = {_prefix(upload) for upload in uploads}
        unknown: list[str] = []
        async for page in self._blobs.pages(PREFIX):
            unknown += [
                each.key
                for each in page
                if each.key.rpartition("/")[0] not in known and now - each.modified_at > UNKNOWN_S
            ]
        for key in unknown:
            await self._blobs.delete(key)
        return len(unknown)


def _prefix(upload: ChunkedUpload) -> str:
    return f"{PREFIX}/{upload.transcript_id}/{upload.id}"


def _key(upload: ChunkedUpload, chunk: Chunk) -> str:
    return f"{_prefix(upload)}/{chunk.number}-{chunk.sha256}"


def _move(path: Path, kept: Path) -> None:
    sync_file(path)
    if not kept.parent.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        for folder in (kept.parent.parent.parent, kept.parent.parent):
            sync_folder(folder)
    path.replace(kept)
    sync_folder(kept.parent)


def has_chunk(folder: Path) -> bool:
    return folder.is_dir() and any(each.name.isdigit() for each in folder.iterdir())


def join(whole: Path, chunks: list[Chunk], length_bytes: int | None, sha256: str | None) -> list[int]:
    """The chunks as one file at ``whole``, and they are gone; or else the numbers of those that are not as they came.

    Raises ``BadInput`` when it has another length or SHA-256 than announced, and ``OSError``.
    """
    folder = whole.parent
    lost = [chunk.number for chunk in chunks if _length_of(folder / str(chunk.number)) != chunk.length_bytes]
    if lost:
        return lost
    partial = folder / f"{WHOLE}.part"
    hasher = hashlib.sha256()
    try:
        with partial.open("wb") as file:
            for chunk in chunks:
                with (folder / str(chunk.number)).open("rb") as source:
                    while piece := source.read(_COPY_BYTES):
                        hasher.update(piece)
                        file.write(piece)
            joined_bytes = file.tell()
        if length_bytes not in (None, joined_bytes):
            raise BadInput("the file is not as long as announced", details={"length_bytes": joined_bytes})
        if sha256 not in (None, hasher.hexdigest()):
            raise BadInput("the file has not the SHA-256 that was announced", details={"sha256": hasher.hexdigest()})
        sync_file(partial)
        partial.replace(whole)
        sync_folder(folder)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    for chunk in chunks:
        (folder / str(chunk.number)).unlink(missing_ok=True)
    return []


def _length_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _remove_unknown(root: Path, known: set[Path], now: float) -> None:
    """Folders of uploads that are not ``known``, but for those that somebody may just be making."""
    if not root.is_dir():
        return
    for transcript in root.iterdir():
        for folder in transcript.iterdir() if transcript.is_dir() else ():
            with suppress(OSError):
                if folder not in known and now - folder.stat().st_mtime > UNKNOWN_S:
                    shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            transcript.rmdir()  # unless there is something in it
