"""Files that grew last in another folder, made here of their pieces in the bucket: sound of tracks, to be heard or to
go on with, and pictures of meetings.

A copy lies where the file itself would. A file in ``copies/`` names it, so that it can be deleted when nobody has asked
for it for a while.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from protocol.errors import EarshotError, NotFound
from server.blobs import Blobs
from server.files import storage_error, sync_folder
from server.locks import Locks
from server.nodes.shipping import listed
from server.nodes.sound_pieces import Piece, good_pieces, upload_key
from server.store.kept_rows import F, KeptFile, KeptRows
from server.store.records import Track

log = structlog.get_logger(__name__)

FRESH_S = 2.0
"""So long nobody looks again whether the bucket has more of one."""
AT_ONCE = 8  # pieces on their way, of each file
LOCKED_LOOK_S = 0.05  # at a copy that another process of this folder is making
KNOWN_MAX = 1000  # copies of which is remembered what they are made of; others are made again
KEPT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class _Copy:
    turn: int
    pieces: tuple[Piece, ...]
    looked_at_s: float  # monotonic
    is_whole: bool  # nothing more will come

    @property
    def length_bytes(self) -> int:
        return self.pieces[-1].end_bytes if self.pieces else 0

    def is_good(self, kept: KeptFile) -> bool:
        is_fresh = self.is_whole or time.monotonic() - self.looked_at_s < FRESH_S
        return is_fresh and self.turn == kept.kept_turn


class Copies:
    """Of one kind, named in ``folder``. Whoever calls is ``alone`` with the file. ``replaced`` is told one that is not
    what it was, or is no more."""

    def __init__(
        self, folder: Path, recordings: Path, blobs: Blobs, replaced: Callable[[Path], None] = lambda path: None
    ) -> None:
        self._folder = folder
        self._recordings = recordings
        self._blobs = blobs
        self._replaced = replaced
        self._known: dict[str, _Copy] = {}  # by the file's id, the latest last

    @asynccontextmanager
    async def alone(self, id_: str, path: str) -> AsyncIterator[None]:
        """No other process of this folder makes a copy of it meanwhile, or begins to record it. In this process, the
        file's lock is the caller's to hold."""
        fd = await self._mark(id_, path)
        while fd is None:
            await asyncio.sleep(LOCKED_LOOK_S)  # another process tells nobody
            fd = await self._mark(id_, path)
        try:
            yield
        finally:
            os.close(fd)

    async def refresh(self, kept: KeptFile, *, at_once: bool = False) -> int:
        """Make its file what the bucket has of it, and say how many bytes that are; ``at_once``: look there, however
        lately somebody did. Where there is nothing, there is no file then.

        Raises ``StoreUnavailable``, ``DiskFull``.
        """
        path = self._recordings / kept.path
        known = self._known.pop(kept.id, None)
        if known is not None and await asyncio.to_thread(_length_bytes, path) != known.length_bytes:
            known = None
        if known is None or at_once or not known.is_good(kept):
            known = await self._made(kept, path, known)
        self._known[kept.id] = known
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        return known.length_bytes

    async def upload(self, track: Track) -> None:
        """The file that it is heard from, if the bucket has it and it is not here."""
        path = (self._recordings / track.path).with_suffix(".upload")
        if not await asyncio.to_thread(path.exists):
            with suppress(NotFound):
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
                await self._blobs.copy_to(upload_key(track.path), path)

    async def forget(self, id_: str) -> None:
        """There is no copy any more: it is deleted, or grows here."""
        self._known.pop(id_, None)
        await asyncio.to_thread((self._folder / id_).unlink, missing_ok=True)

    async def delete_unused(self, rows: KeptRows[F], folder: str, locks: Locks) -> int:
        """Those that nobody asked for lately; how many there were. ``folder``: the id of the data folder; ``locks``: by
        the files' ids."""
        count = 0
        try:
            unused = await asyncio.to_thread(self._unused)
        except OSError as error:
            raise storage_error(error) from error
        for id_, path in unused.items():
            async with locks.of(id_), self.alone(id_, path):
                found = await rows.folders([id_])
                is_ours = id_ in found and found[id_] in (None, folder)
                if not is_ours:
                    await self._delete(path)
                    count += 1
                await self.forget(id_)
        return count

    def _unused(self) -> dict[str, str]:
        """Their ids and paths. Blocking."""
        found: dict[str, str] = {}
        with suppress(FileNotFoundError):
            for mark in self._folder.iterdir():
                if time.time() - mark.stat().st_mtime > KEPT_S:
                    found[mark.name] = mark.read_text()
        return found

    async def _delete(self, path: str) -> None:
        """With all that was made of it. Next: ``forget``."""
        self._replaced(self._recordings / path)
        await asyncio.to_thread(_delete, self._recordings / path)

    async def _made(self, kept: KeptFile, path: Path, known: _Copy | None) -> _Copy:
        looked_at_s = time.monotonic()
        pieces = tuple(good_pieces(await listed(self._blobs, kept.path)))
        try:
            had = known.pieces if known is not None and known.pieces else ()
            if had and pieces[: len(had)] == had:
                await self._append(path, pieces[len(had) :])
            else:
                await self._replace(path, pieces)
        except OSError as error:
            raise storage_error(error) from error
        return _Copy(kept.kept_turn, pieces, looked_at_s, kept.is_whole)

    async def _replace(self, path: Path, pieces: Sequence[Piece]) -> None:
        self._replaced(path)
        if not pieces:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        handle, name = await asyncio.to_thread(tempfile.mkstemp, prefix=".copy-", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            await self._append(partial, pieces)
            await asyncio.to_thread(partial.replace, path)
            await asyncio.to_thread(sync_folder, path.parent)
        except BaseException:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
            raise
        self._replaced(path)

    async def _append(self, path: Path, pieces: Sequence[Piece]) -> None:
        for at in range(0, len(pieces), AT_ONCE):
            some = pieces[at : at + AT_ONCE]
            try:
                async with asyncio.TaskGroup() as group:
                    going = [group.create_task(self._blobs.get(piece.key)) for piece in some]
            except* EarshotError as failed:
                raise failed.exceptions[0] from None
            data = b"".join(
                each.result()[: piece.end_bytes - piece.begin_bytes] for each, piece in zip(going, some, strict=True)
            )
            await asyncio.to_thread(_add, path, data)

    async def _mark(self, id_: str, path: str) -> int | None:
        """The file's mark, locked; None where another process has it, or just deleted it."""
        marking = asyncio.ensure_future(asyncio.to_thread(self._marked, id_, path))
        try:
            return await asyncio.shield(marking)
        except asyncio.CancelledError:
            # The thread goes on; the file would stay locked without an owner.
            marking.add_done_callback(_close_marked)
            raise

    def _marked(self, id_: str, path: str) -> int | None:
        """Blocking."""
        self._folder.mkdir(exist_ok=True)
        mark = self._folder / id_
        fd = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have deleted it since it was opened: the next one makes another.
            is_it = os.path.samestat(os.fstat(fd), mark.stat())
            if is_it:
                os.pwrite(fd, path.encode(), 0)
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None


def _close_marked(marking: asyncio.Future[int | None]) -> None:
    if not marking.cancelled() and marking.exception() is None and (fd := marking.result()) is not None:
        os.close(fd)


def _length_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _delete(path: Path) -> None:
    for pattern in (f"{path.stem}*", "mix-*"):
        for each in path.parent.glob(pattern):
            each.unlink(missing_ok=True)
