"""One thread that writes and syncs every recording of a node, so that no disk ever holds up the event loop."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from media.track_file import Tail, TrackEncoder, scan
from protocol.blocks import Block
from protocol.errors import StoreUnavailable

log = structlog.get_logger(__name__)

QUEUE_MAX_BYTES = 256 * 1024 * 1024  # over two hours of one track; a disk that far behind will not catch up

# Size is data here and modification time is not, so fdatasync is enough where there is one.
_sync = getattr(os, "fdatasync", os.fsync)


def disk_error(error: OSError, doing: str) -> StoreUnavailable:
    """``error`` of the system as one of ours; the path stays out of what clients may see."""
    name = errno.errorcode.get(error.errno or 0, "unknown")
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return StoreUnavailable(f"{doing} failed: {'the disk is full' if full else name}", details={"errno": name})


@dataclass(eq=False)
class RecordFile:
    """An open recording. The queue belongs to whoever holds the writer's lock, the rest to the writer's thread.

    ``on_synced(end_samples, end_bytes)`` and ``on_failed(error)`` are called in the writer's thread.
    """

    path: Path
    fd: int
    offset_bytes: int  # end of the last whole piece
    encoder: TrackEncoder
    end_samples: int  # end of the last written sound
    on_synced: Callable[[int, int], None] = lambda *_: None
    on_failed: Callable[[StoreUnavailable], None] = lambda _: None
    queue: list[Block] = field(default_factory=list)
    requests: list[Callable[[StoreUnavailable | None], None]] = field(default_factory=list)
    closing: bool = False
    dirty: bool = False
    failure: StoreUnavailable | None = None

    @classmethod
    def open(cls, path: Path) -> RecordFile:
        """Creates ``path``, or cuts its torn tail. Blocking. Raises ``StoreUnavailable``."""
        try:
            _make_folder(path.parent)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise disk_error(error, "opening the recording") from error
        try:
            # Two writers would interleave their records; a second process on the same folder must not start.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tail = _recover(path, fd)
            return cls(path, fd, tail.end_bytes, TrackEncoder(tail), tail.end_samples)
        except OSError as error:
            os.close(fd)
            if error.errno == errno.EWOULDBLOCK:
                raise StoreUnavailable("the recording is being written by another session") from error
            raise disk_error(error, "opening the recording") from error

    def write(self, blocks: list[Block]) -> None:
        """To the page cache: from here on the sound survives the death of this process."""
        if self.failure is not None or not blocks:
            return
        data = self.encoder.encode(blocks)
        try:
            _write_all(self.fd, data)
        except OSError as error:
            self.fail(disk_error(error, "writing the recording"))
            with suppress(OSError):
                os.ftruncate(self.fd, self.offset_bytes)
            return
        self.offset_bytes += len(data)
        self.end_samples = self.encoder.end_samples
        self.dirty = True

    def sync(self) -> None:
        """To the disk. After a failed sync the kernel may have dropped the pages, so it is never tried again."""
        if self.failure is not None or not self.dirty:
            return
        try:
            _sync(self.fd)
        except OSError as error:
            self.fail(disk_error(error, "syncing the recording"))
            return
        self.dirty = False
        self.on_synced(self.end_samples, self.offset_bytes)

    def fail(self, error: StoreUnavailable) -> None:
        self.failure, self.dirty = error, False
        log.error("recording failed", path=self.path.name, reason=error.message)
        self.on_failed(error)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.fd)


class DiskWriter:
    """Writes what was put within ``write_interval_s`` and syncs it within ``sync_interval_s``, all recordings together.

    The queue holds at most ``queue_max_bytes``; more is refused with ``StoreUnavailable``, so nothing is dropped
    silently. An error of one recording ends that recording only. After ``start`` you must ``await stop()``.
    """

    def __init__(
        self, *, write_interval_s: float, sync_interval_s: float, queue_max_bytes: int = QUEUE_MAX_BYTES
    ) -> None:
        self._write_interval_s = write_interval_s
        self._sync_interval_s = sync_interval_s
        self._queue_max_bytes = queue_max_bytes
        self._thread = threading.Thread(target=self._run, name="disk-writer", daemon=True)
        self._wake = threading.Condition()
        # Guarded by _wake:
        self._files: set[RecordFile] = set()
        self._queued_bytes = 0
        self._write_due_s: float | None = None  # monotonic; None when nothing is queued
        self._sync_due_s: float | None = None  # monotonic; None when everything put is synced or being synced
        self._synced_at_s = 0.0  # when the last sync was due
        self._running = False
        self._asked = False  # a request, a close or the stop wants the thread now

    @property
    def queued_bytes(self) -> int:
        """What was put and is not yet with the kernel, for metrics."""
        return self._queued_bytes

    @property
    def running(self) -> bool:
        return self._running

    def start(self) -> None:
        self._running = True
        self._thread.start()

    async def stop(self) -> None:
        """Writes, syncs and closes everything, then joins the thread off the loop. Idempotent."""
        with self._wake:
            self._running = False
            self._asked = True
            self._wake.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def add(self, file: RecordFile) -> None:
        with self._wake:
            self._require_running()
            self._files.add(file)

    def put(self, file: RecordFile, block: Block) -> None:
        """Queues ``block``. Never blocks. Raises ``StoreUnavailable`` when the disk is too far behind or stopped."""
        with self._wake:
            self._require_running()
            if self._queued_bytes + len(block.pcm) > self._queue_max_bytes:
                raise StoreUnavailable("the disk is too slow", details={"queued_bytes": self._queued_bytes})
            file.queue.append(block)
            self._queued_bytes += len(block.pcm)
            now_s = time.monotonic()
            if self._sync_due_s is None:
                # From the sound on, not from its writing; and where sound never ends, from the sync before.
                next_s = self._synced_at_s + self._sync_interval_s
                self._sync_due_s = next_s if next_s > now_s else now_s + self._sync_interval_s
                self._wake.notify()
            if self._write_due_s is None:
                self._write_due_s = now_s + self._write_interval_s
                self._wake.notify()

    def request_sync(
        self, file: RecordFile, done: Callable[[StoreUnavailable | None], None], *, close: bool = False
    ) -> None:
        """Writes and syncs ``file`` now, then closes it if asked; ``done`` is called in the thread."""
        with self._wake:
            self._require_running()
            file.requests.append(done)
            file.closing = file.closing or close
            self._asked = True
            self._wake.notify()

    def _require_running(self) -> None:
        if not self._running:
            raise StoreUnavailable("the disk writer is stopped")

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception:
            log.exception("disk writer ended")
            with self._wake:
                self._running = False
            for file in self._files:
                file.fail(StoreUnavailable("the disk writer ended"))
                for done in file.requests:
                    done(file.failure)
        for file in self._files:
            file.close()

    def _turn(self) -> bool:
        with self._wake:
            self._wait()
            running, self._asked = self._running, False
            files = list(self._files)
            # Together with the queue: a request covers exactly what was put before it.
            batches = self._take(files)
            asked = [(file, file.requests) for file in files if file.requests]
            for file, _ in asked:
                file.requests = []
            # Together with the queue as well: whatever is put from here on needs another sync.
            sync_due = not running or (self._sync_due_s is not None and self._sync_due_s <= time.monotonic())
            if sync_due:
                self._synced_at_s, self._sync_due_s = self._sync_due_s or 0.0, None
        self._write(batches)
        for file, requests in asked:
            self._serve(file, requests)
        if sync_due:
            self._sync_all(files)
        return running

    def _wait(self) -> None:
        """Until something is due or asked for; the lock is held."""
        while not self._asked:
            due = [at for at in (self._write_due_s, self._sync_due_s) if at is not None]
            timeout_s = min(due) - time.monotonic() if due else None
            if timeout_s is not None and timeout_s <= 0:
                return
            self._wake.wait(timeout_s)

    def _take(self, files: list[RecordFile]) -> list[tuple[RecordFile, list[Block]]]:
        """What is queued; the lock is held."""
        self._write_due_s = None
        batches = [(file, file.queue) for file in files if file.queue]
        for file, _ in batches:
            file.queue = []
        return batches

    def _write(self, batches: list[tuple[RecordFile, list[Block]]]) -> None:
        for file, blocks in batches:
            file.write(blocks)
            written_bytes = sum(len(block.pcm) for block in blocks)
            with self._wake:
                self._queued_bytes -= written_bytes

    def _sync_all(self, files: list[RecordFile]) -> None:
        for file in files:
            file.sync()
            # A slow disk must not keep the other recordings out of the page cache meanwhile.
            write_due_s = self._write_due_s
            if write_due_s is not None and write_due_s <= time.monotonic():
                with self._wake:
                    batches = self._take(files)
                self._write(batches)

    def _serve(self, file: RecordFile, requests: list[Callable[[StoreUnavailable | None], None]]) -> None:
        file.sync()
        if file.closing:
            with self._wake:
                self._files.discard(file)
            file.close()
        for done in requests:
            done(file.failure)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written_bytes = os.write(fd, view)
        view = view[written_bytes:]


def _recover(path: Path, fd: int) -> Tail:
    """Cuts what is torn after the last whole piece of sound."""
    tail = Tail()
    read_bytes = damaged_bytes = 0
    with path.open("rb") as file:
        for piece in scan(file):
            damaged_bytes += piece.begin_bytes - read_bytes
            read_bytes = piece.end_bytes
            # A head that no sound came after is cut, too: whatever goes on here begins with its own.
            if piece.length_samples:
                streams = max(tail.streams, piece.stream)
                tail = Tail(piece.end_bytes, piece.end_samples, piece.stream, piece.number + 1, streams)
    if damaged_bytes:
        log.error("recording damaged", path=path.name, damaged_bytes=damaged_bytes)
    torn_bytes = os.fstat(fd).st_size - tail.end_bytes
    if torn_bytes:
        log.warning("torn tail cut", path=path.name, torn_bytes=torn_bytes, end_samples=tail.end_samples)
        os.ftruncate(fd, tail.end_bytes)
    os.fsync(fd)
    _sync_folder(path.parent)
    return tail


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """A new name is durable only once its folder is."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
