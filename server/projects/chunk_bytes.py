"""The bytes of a chunk as they were uploaded: whether they are those that were announced, and copies of them."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from protocol import ids
from protocol.errors import BadInput
from server.blobs import Blobs
from server.settings import Settings
from server.store.conversation_records import Chunk

MEBIBYTE = 1 << 20
CHANGED = "Other bytes were uploaded after it was confirmed"


class ChunkBytes:
    """Raises ``NotFound`` where nothing was uploaded, ``StoreUnavailable``."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._settings = settings
        self._blobs = blobs

    async def check(self, chunk: Chunk, length_bytes: int) -> None:
        """Raises ``BadInput`` for other bytes than were announced."""
        if chunk.length_bytes is not None and chunk.length_bytes != length_bytes:
            raise BadInput(
                "these are not as many bytes as were announced: upload the chunk again",
                details={"announced_bytes": chunk.length_bytes, "uploaded_bytes": length_bytes},
            )
        if chunk.sha256 is not None and await self._sha256(chunk) != chunk.sha256:
            raise BadInput("these are not the bytes that were announced: upload the chunk again")

    async def fetched(self, chunk: Chunk) -> Path:
        """A copy, for whoever asked to remove."""
        assert chunk.key is not None
        folder = self._settings.data_dir / "incoming"
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        path = folder / f"chunk-{ids.new_chunk_id()}"
        await self._blobs.copy_to(chunk.key, path, length_max_bytes=self._settings.chunk_max_mb * MEBIBYTE)
        return path

    async def confirmed(self, chunk: Chunk) -> Path:
        """The same of a chunk that was confirmed. Raises ``BadInput`` where other bytes were put there since: its
        address holds for a while."""
        path = await self.fetched(chunk)
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
