"""Many small pieces for one socket, put into few writes: each write wakes the process at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

GATHER_S = 0.020
GATHER_MAX_BYTES = 64 * 1024


class Gathering:
    """Writes at most once per ``GATHER_S`` what may wait, and at once what may not, or more than 64 KiB.

    So a piece is at most ``GATHER_S`` late, and not at all where little is said. Nothing overtakes anything. How much
    the socket takes is for the caller to wait for: no more than 64 KiB are kept back from it here.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._written_s = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def put(self, piece: bytes, *, may_wait: bool) -> None:
        """May raise what ``write`` raises."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        due_s = self._written_s + GATHER_S
        if not may_wait or self._bytes >= GATHER_MAX_BYTES or self._loop.time() >= due_s:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_at(due_s, self._flush)

    def stop(self) -> None:
        """What waits is forgotten."""
        self._pieces.clear()
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        data = b"".join(self._pieces)
        self.stop()
        self._written_s = self._loop.time()
        self._write(data)
