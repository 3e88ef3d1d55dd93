"""A node's place in its data folder: a lock that shows that it lives, and which nodes of this folder are no more.

Several processes may share a folder; each has a file of its own in ``nodes/``. The system lets go of a lock when a
process ends, however it ends: whoever gets one knows that the node named in the file is gone, without waiting for its
lease.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Self

ID_MAX_BYTES = 64


class Slot:
    """A locked file. ``close`` it last of all. ``gone``: the nodes of this folder that are no more; ``is_alone``: no
    other process has this folder; ``path``: its own, beside which what is this process's alone may lie; ``left``: those
    that nobody has, and beside which something lies. They are locked, too, until ``leave_left``."""

    def __init__(
        self, fd: int, path: Path, *, gone: tuple[str, ...], is_alone: bool, left: dict[Path, int] | None = None
    ) -> None:
        self._fd = fd
        self._left = left or {}
        self.path = path
        self.gone = gone
        self.is_alone = is_alone

    @property
    def left(self) -> tuple[Path, ...]:
        return tuple(self._left)

    @classmethod
    def take(cls, folder: Path) -> Self:
        """The first that is free. Blocking. Raises ``OSError``."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {int(path.stem) for path in folder.glob("*.lock") if path.stem.isdecimal()}
        mine: int | None = None
        path = folder
        gone: list[str] = []
        left: dict[Path, int] = {}
        is_alone = True
        for number in sorted(names):
            free = folder / f"{number}.lock"
            fd = _lock(free)
            if fd is None:
                is_alone = False
                continue
            gone += _id_in(fd)
            if mine is None:
                mine, path = fd, free
            elif _has_something_beside(free):
                left[free] = fd
            else:
                os.close(fd)
        for number in count():
            if mine is not None:
                break
            if number not in names:
                path = folder / f"{number}.lock"
                mine = _lock(path)  # None: another process was faster
        assert mine is not None, "the loop ends with one"
        return cls(mine, path, gone=tuple(gone), is_alone=is_alone, left=left)

    def name(self, node_id: str) -> None:
        """The node that has it now. Blocking. Raises ``OSError``."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, node_id.encode(), 0)
        os.fsync(self._fd)

    def leave_left(self) -> None:
        """They are anybody's. Idempotent."""
        while self._left:
            os.close(self._left.popitem()[1])

    def close(self) -> None:
        """Idempotent."""
        self.leave_left()
        with suppress(OSError):
            os.close(self._fd)
        self._fd = -1


def _lock(path: Path) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _has_something_beside(lock: Path) -> bool:
    beside = (each for each in lock.parent.glob(f"{lock.stem}.*") if each != lock)
    return any(not each.is_dir() or any(each.iterdir()) for each in beside)


def _id_in(fd: int) -> list[str]:
    text = os.pread(fd, ID_MAX_BYTES, 0).decode(errors="replace").strip()
    return [text] if text else []
