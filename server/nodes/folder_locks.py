"""One thing at a time for each of many, also where several processes share the data folder.

Within a process each key has a lock (``server.locks``); between processes it is a byte of one file (fcntl(2)), whose
offset is made of the key. The system lets go of it when its process ends, however that ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from server.files import storage_error
from server.locks import Locks

LOOK_S = 0.05  # at what another process has
OFFSET_BYTES = 7  # of the digest: an offset has 63 bits


class FolderLocks:
    """``path``: of the file, which nobody else opens. ``close`` it when nothing is held any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._locks = Locks()
        self._fd = -1

    def close(self) -> None:
        """Idempotent."""
        with suppress(OSError):
            os.close(self._fd)
        self._fd = -1

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Raises ``DiskFull`` or ``StoreUnavailable`` where there can be no such file."""
        offset = int.from_bytes(hashlib.sha256(key.encode()).digest()[:OFFSET_BYTES])
        async with self._locks.of(key):
            is_taken = self._taken(offset)
            while not is_taken:
                await asyncio.sleep(LOOK_S)  # another process tells nobody
                is_taken = self._taken(offset)
            try:
                yield
            finally:
                with suppress(OSError):  # closed meanwhile, which lets go of all
                    fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, offset)

    def _taken(self, offset: int) -> bool:
        try:
            if self._fd < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except BlockingIOError:
            return False
        except OSError as error:
            raise storage_error(error) from error
        return True
