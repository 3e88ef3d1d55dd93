"""Writing into the folder of blobs: whole and durable, or not at all. All of it blocks.

What is being written lies in the folder itself, under a name that no key begins with, so that giving it its key is one
rename on one disk.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from protocol.errors import Conflict
from server.files import sync_file, sync_folder

PIECE_BYTES = 1 << 20
MOVES_MAX = 5  # of one file, while others delete the folder that it goes into
PARTIAL = ".put-"


def put_into(folder: Path, key: str, pieces: Iterable[bytes]) -> None:
    """``pieces``, one after the other, as ``key``; what was there is replaced. Raises as ``move_into``."""
    handle, partial = new_partial(folder)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
        move_into(folder, key, partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def move_into(folder: Path, key: str, path: Path) -> None:
    """The file at ``path``, which lies on the same disk, as ``key``; durable when this returns.

    Raises ``OSError``, and ``Conflict`` where one key would be another's folder; then the file stays where it is.
    """
    sync_file(path)
    kept = folder / key
    for tries_left in reversed(range(MOVES_MAX)):
        try:
            is_new = not kept.parent.is_dir()
            kept.parent.mkdir(parents=True, exist_ok=True)
            path.replace(kept)
            break
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise Conflict("a blob's key cannot be another's with more after a slash") from None
        except FileNotFoundError:
            # Whoever deletes the last blob of a folder deletes the folder as well.
            if not tries_left or kept.parent.is_dir():
                raise
    for each in kept.parents if is_new else (kept.parent,):
        sync_folder(each)
        if each == folder:
            break


def new_partial(folder: Path) -> tuple[int, Path]:
    """A new file in ``folder``: its descriptor, open to write, and its path."""
    handle, name = tempfile.mkstemp(prefix=PARTIAL, dir=folder)
    return handle, Path(name)


def remove_partial(folder: Path) -> None:
    """What a crash left."""
    for path in folder.glob(f"{PARTIAL}*"):
        path.unlink(missing_ok=True)


def pieces_of(path: Path) -> Iterator[bytes]:
    """What is in a file, ``PIECE_BYTES`` at a time."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def write_all(file: BinaryIO, data: bytes) -> None:
    """To a file without a buffer, which may take less than all at once."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
