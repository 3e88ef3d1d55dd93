"""What keeping a file durably takes, and what it means when it fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from protocol.errors import DiskFull, StoreUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def storage_error(error: OSError) -> StoreUnavailable:
    """An error of the file system as one of ours; paths stay out of what clients may see."""
    if error.errno in _FULL:
        return disk_full()
    return StoreUnavailable("the file cannot be kept now; try again later")


def disk_full() -> DiskFull:
    return DiskFull("the disk is full: the server's owner must free space; then try again", retry_after_s=60)


def sync_file(path: Path) -> None:
    """Make what is in it survive a power cut. Blocking."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names in it that were new or changed survive a power cut. Blocking."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
