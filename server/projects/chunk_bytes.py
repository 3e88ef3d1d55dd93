"""The bytes of a chunk as they were uploaded: whether they are those that were announced, and copies of them."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from protocol import ids
from protocol.errors import BadInput, NotFound, TooLarge
from server.blobs import Blobs
from server.limits import too_large
from server.settings import Settings
from server.store.conversation_records import Chunk

MEBIBYTE = 1 << 20
CHANGED = "Its bytes are no longer those that were confirmed: upload those again, and confirm"


class ChunkBytes:
    """Raises ``NotFound`` where nothing was uploaded, ``StoreUnavailable``. ``come_to_us``: they are put to this
    server, which can then tell others from those that were confirmed."""

    def __init__(self, settings: Settings, blobs: Blobs, *, come_to_us: bool) -> None:
        self._settings = settings
        self._blobs = blobs
        self._come_to_us = come_to_us

    async def check(self, chunk: Chunk, length_bytes: int) -> str | None:
        """Raises ``BadInput`` for other bytes than were announced, or confirmed, ``TooLarge`` for more than a chunk may
        have; more than is allowed are removed. Returns their SHA-256 where others may be put to us, or it is needed
        anyway."""
        assert chunk.key is not None
        most = self._settings.chunk_max_mb * MEBIBYTE
        if length_bytes > min(most, chunk.length_bytes or most):  # which no address of a bucket binds
            await self._blobs.delete(chunk.key)
        if length_bytes > most:
            raise too_large(most)
        if chunk.length_bytes is not None and chunk.length_bytes != length_bytes:
            raise BadInput(
                "these are not as many bytes as were announced: upload the chunk again",
                details={"announced_bytes": chunk.length_bytes, "uploaded_bytes": length_bytes},
            )
        if chunk.sha256 is None and not self._come_to_us:
            return None
        sha256 = await self._sha256(chunk)
        if chunk.sha256 not in (None, sha256):
            raise BadInput("these are not the bytes that were announced: upload the chunk again")
        return sha256

    async def fetched(self, chunk: Chunk, *, length_max_bytes: int | None = None) -> Path:
        """A copy, for whoever asked to remove. Raises ``TooLarge`` for more bytes than a chunk may have, or those."""
        assert chunk.key is not None
        folder = self._settings.data_dir / "incoming"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        path = folder / f"chunk-{ids.new_chunk_id()}"
        await self._blobs.copy_to(
            chunk.key, path, length_max_bytes=length_max_bytes or self._settings.chunk_max_mb * MEBIBYTE
        )
        return path

    async def confirmed(self, chunk: Chunk) -> Path:
        """The same of a chunk that was confirmed. Raises ``BadInput`` where these bytes are not there any more: others
        may be put to its address for a while."""
        try:
            path = await self.fetched(chunk, length_max_bytes=chunk.length_bytes)
        except (NotFound, TooLarge):
            raise BadInput(CHANGED) from None
        if await asyncio.to_thread(_is_of, path, chunk):
            return path
        await asyncio.to_thread(path.unlink, missing_ok=True)
        raise BadInput(CHANGED)

    async def _sha256(self, chunk: Chunk) -> str:
        path = await self.fetched(chunk)
        try:
            return await asyncio.to_thread(_digest, path)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _is_of(path: Path, chunk: Chunk) -> bool:
    return path.stat().st_size == chunk.length_bytes and (chunk.sha256 is None or _digest(path) == chunk.sha256)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
