"""Files that come in chunks, as the store keeps them. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from server.store import uploads
from server.store.database import Transaction
from server.store.records import AS_USUAL, VoicesAsked
from server.store.uploads import Chunk, ChunkedUpload, UploadState


class UploadStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def begin(
        self,
        transcript_id: str,
        upload_id: str,
        *,
        name: str,
        language: str | None,
        voices: VoicesAsked = AS_USUAL,
        chunks: int,
        length_bytes: int | None,
        sha256: str | None,
        per_transcript_max: int,
        owner_max: int | None = None,
        open_max: int,
    ) -> ChunkedUpload:
        """Raises ``NotFound``, ``Conflict`` (locked, or too many of it or of its owner), ``Overloaded`` (of all)."""
        now = self._clock()
        upload = ChunkedUpload(
            id=upload_id,
            transcript_id=transcript_id,
            name=name,
            language=language,
            **asdict(voices),
            chunks=chunks,
            length_bytes=length_bytes,
            sha256=sha256,
            state="open",
            created_at=now,
            updated_at=now,
        )
        async with self._write() as conn:
            return await uploads.begin(
                conn, upload, per_transcript_max=per_transcript_max, owner_max=owner_max, open_max=open_max
            )

    async def get(self, transcript_id: str, upload_id: str) -> ChunkedUpload:
        """Raises ``NotFound``, also for one of another transcript."""
        async with self._read() as conn:
            return await uploads.get(conn, transcript_id, upload_id)

    async def of_transcript(self, transcript_id: str) -> list[ChunkedUpload]:
        """In the order they began; none for an unknown transcript."""
        async with self._read() as conn:
            return await uploads.of_transcript(conn, transcript_id)

    async def everyone(self) -> list[ChunkedUpload]:
        async with self._read() as conn:
            return await uploads.everyone(conn)

    async def chunk(self, upload_id: str, number: int) -> Chunk | None:
        async with self._read() as conn:
            return await uploads.chunk(conn, upload_id, number)

    async def chunks_of(self, upload_id: str) -> list[Chunk]:
        """Those that are here, by their numbers."""
        async with self._read() as conn:
            return await uploads.chunks_of(conn, upload_id)

    async def add_chunk(self, transcript_id: str, upload_id: str, chunk: Chunk, *, bytes_max: int) -> ChunkedUpload:
        """From here on it is acknowledged. Raises ``NotFound``, ``Conflict`` (no longer open), ``TooLarge``."""
        async with self._write() as conn:
            return await uploads.add_chunk(
                conn, transcript_id, upload_id, chunk, bytes_max=bytes_max, now=self._clock()
            )

    async def forget_chunk(self, upload_id: str, number: int) -> None:
        async with self._write() as conn:
            await uploads.forget_chunk(conn, upload_id, number)

    async def set_state(self, upload_id: str, state: UploadState) -> None:
        async with self._write() as conn:
            await uploads.set_state(conn, upload_id, state, now=self._clock())

    async def delete(self, upload_id: str) -> None:
        """Idempotent. Next: remove its files."""
        async with self._write() as conn:
            await uploads.delete(conn, upload_id)
