"""Whether this node can store now. A database that answers says little of a full disk, so it is tried."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from protocol.errors import EarshotError
from server.store.store import Store

PIECE_BYTES = 64 * 1024
AGAIN_S = 2.0
"""Whoever asks more often is told what was found last: each try waits for the disk once."""
PATIENCE_S = 1.0
"""So long who asks waits for a try, or hears of the one before: writers queue where a disk is busy, and that is no
outage."""
STUCK_S = 20.0
"""Longer than any deadline of the store's."""

_MB = 1024 * 1024
_DO = "Free space where recordings and the database are kept"


class Storing:
    """Tries what a session would do: a row and a file, neither of which stays."""

    def __init__(self, store: Store, data_dir: Path, *, clock: Callable[[], float] | None = None) -> None:
        self._store = store
        self._data_dir = data_dir
        self._clock = clock or asyncio.get_running_loop().time
        self._tried_s = float("-inf")
        self._trying: asyncio.Task[None] | None = None
        self._problem = ""

    async def problem(self) -> str:
        """Why nothing can be stored, and what to do, for people; empty when it can."""
        if self._trying is None or (self._trying.done() and self._clock() - self._tried_s >= AGAIN_S):
            self._tried_s = self._clock()
            self._trying = asyncio.create_task(self._try(), name="try to store")
        await asyncio.wait({self._trying}, timeout=PATIENCE_S)
        if not self._trying.done() and self._clock() - self._tried_s >= STUCK_S:
            return f"Nothing was stored for {STUCK_S:.0f} s: the disk or the database does not answer. See to it."
        return self._problem

    async def stop(self) -> None:
        """Idempotent."""
        if self._trying is not None:
            self._trying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._trying

    async def _try(self) -> None:
        try:
            await asyncio.to_thread(_write_piece, self._data_dir)
        except OSError as error:
            self._problem = f"The data folder takes no file ({error.strerror or 'it cannot be written'}). {_DO}."
            return
        try:
            await self._store.check()
        except EarshotError:
            self._problem = f"The database takes no row. {_DO}, and see that it runs."
            return
        self._problem = ""


def low_disk(free_mb: int, reserve_mb: int) -> str:
    """As ``Storing.problem``, of a disk below its reserve, where new sessions are refused."""
    if free_mb >= reserve_mb:
        return ""
    found = f"The disk is nearly full: {free_mb} MB are free, and {reserve_mb} MB are kept free."
    return f"{found} {_DO}, or lower disk_reserve_mb."


def free_mb(folder: Path) -> int:
    """Blocking. 0 where nobody can say."""
    try:
        return shutil.disk_usage(folder).free // _MB
    except OSError:
        return 0


def _write_piece(folder: Path) -> None:
    # Without a name, or with one that is taken away: nothing is left of it, whatever happens.
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        if file.write(bytes(PIECE_BYTES)) < PIECE_BYTES:
            file.write(b"\0")  # says why
