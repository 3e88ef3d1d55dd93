"""Chunks that continue a header sent earlier: found out by their first bytes, and made whole with the header of the
chunk before them.

A recorder gives one stream; a conversation may have several, one after the other, as when its page was loaded again. So
the header is that of the nearest chunk before it that has one, by when they were said. It is looked for in what is kept
of that chunk: what was heard lies whole beside its recording, and what was not still lies as a blob.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from media.containers import HEAD_BYTES
from media.continuation import HEADER_MAX_BYTES, Header, continues, header_of, join
from protocol.errors import NotFound
from protocol.states import ChunkState
from server.blobs import Blobs
from server.nodes.sound_pieces import upload_key
from server.settings import Settings
from server.store.conversation_records import Chunk
from server.store.store import Store

HEADLESS = "The beginning of this recording, which tells how to play it, has not come"
LOOKS_MAX = 200  # at chunks before it; one that was heard ends the search
_UPLOADED = frozenset({ChunkState.CONFIRMED, ChunkState.TRANSCRIBED, ChunkState.FAILED})


class NoHeaderYet(Exception):
    """It continues something that is not here; it may come."""


class ChunkHeaders:
    def __init__(self, settings: Settings, store: Store, blobs: Blobs) -> None:
        self._settings = settings
        self._conversations = store.conversations
        self._blobs = blobs

    async def complete(self, chunk: Chunk, path: Path) -> None:
        """Make the file at ``path``, which has the chunk's bytes, one that can be played; one that is already stays as
        it is. Raises ``NoHeaderYet``, ``OSError``, ``StoreUnavailable``."""
        head = await asyncio.to_thread(_head, path, HEAD_BYTES)
        container = continues(head)
        if container is None:
            return
        for earlier in _before(chunk, await self._conversations.chunks_of(chunk.conversation_id)):
            header = header_of(await self._beginning(earlier))
            if header is None or header.container is not container:
                continue
            if await asyncio.to_thread(_join, header, path):
                return
        raise NoHeaderYet

    async def _beginning(self, chunk: Chunk) -> bytes:
        """The first bytes of a chunk, as far as there is anything of it."""
        kept = self._settings.recordings_dir / chunk.conversation_id / f"{chunk.track_id}.upload"
        try:
            return await asyncio.to_thread(_head, kept, HEADER_MAX_BYTES)
        except OSError:
            pass
        key = chunk.key
        if key is None or chunk.state is ChunkState.TRANSCRIBED:
            key = upload_key(f"{chunk.conversation_id}/{chunk.track_id}")  # heard by another node
            if self._blobs.is_embedded:
                return b""
        try:
            return await self._blobs.range(key, 0, HEADER_MAX_BYTES)
        except NotFound:
            return b""


def _before(chunk: Chunk, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Those of sound that were said before it, the nearest first."""
    at = _place(chunk)
    found = [each for each in chunks if each.key is not None and each.state in _UPLOADED and _place(each) < at]
    return sorted(found, key=_place, reverse=True)[:LOOKS_MAX]


def _place(chunk: Chunk) -> tuple[float, float, str]:
    return chunk.said_at or 0.0, chunk.created_at, chunk.id


def _head(path: Path, length_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length_bytes)


def _join(header: Header, path: Path) -> bool:
    handle, name = tempfile.mkstemp(prefix="joined-", dir=path.parent)
    joined = Path(name)
    try:
        with os.fdopen(handle, "wb") as out, path.open("rb") as rest:
            is_whole = join(header, rest, out)
        if is_whole:
            joined.replace(path)
        return is_whole
    finally:
        joined.unlink(missing_ok=True)
