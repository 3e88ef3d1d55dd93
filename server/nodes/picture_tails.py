"""When the last picture of a part in the bucket came, of which only the end is fetched: parts take gigabytes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from media import picture_file
from media.picture_file import HEADER_BYTES, PICTURE_MAX_BYTES
from server.blobs import Blobs
from server.nodes.shipping import listed
from server.nodes.sound_pieces import Piece, good_pieces
from server.store.kept_rows import KeptFile

TAIL_BYTES = 2 * (HEADER_BYTES + PICTURE_MAX_BYTES)  # a whole picture is in it, wherever it begins
AT_ONCE = 2  # as much is in memory, and a piece each
FRESH_S = 2.0
KNOWN_MAX = 1000


@dataclass(frozen=True, slots=True)
class _Tail:
    turn: int
    length_bytes: int
    last_ms: int | None
    looked_at_s: float  # monotonic
    is_whole: bool

    def is_good(self, kept: KeptFile) -> bool:
        is_fresh = self.is_whole or time.monotonic() - self.looked_at_s < FRESH_S
        return is_fresh and self.turn == kept.kept_turn


class PictureTails:
    """Whoever asks for a part has its lock."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._known: dict[str, _Tail] = {}  # by the part's id, the latest last

    async def last_ms(self, kept: KeptFile) -> int | None:
        """None where the bucket has none. Raises ``StoreUnavailable``."""
        known = self._known.pop(kept.id, None)
        if known is None or not known.is_good(kept):
            known = await self._looked_at(kept, known)
        self._known[kept.id] = known
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        return known.last_ms

    async def _looked_at(self, kept: KeptFile, known: _Tail | None) -> _Tail:
        looked_at_s = time.monotonic()
        pieces = good_pieces(await listed(self._blobs, kept.path))
        length_bytes = pieces[-1].end_bytes if pieces else 0
        if known is not None and (known.turn, known.length_bytes) == (kept.kept_turn, length_bytes):
            return replace(known, looked_at_s=looked_at_s, is_whole=kept.is_whole)
        async with self._turns:
            last_ms = await self._read(pieces)
        return _Tail(kept.kept_turn, length_bytes, last_ms, looked_at_s, kept.is_whole)

    async def _read(self, pieces: Sequence[Piece]) -> int | None:
        end = b""
        for piece in reversed(pieces):
            end = (await self._blobs.get(piece.key))[: piece.end_bytes - piece.begin_bytes] + end
            if (last := await asyncio.to_thread(picture_file.last_in, end)) is not None:
                return last.at_ms
            if len(end) >= TAIL_BYTES:
                break
        return None
