"""The durable path: a track's blocks to disk, and the news of what can no longer be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from media.disk_writer import DiskWriter, RecordFile
from media.recording import Recording
from protocol.blocks import Block
from protocol.errors import StoreUnavailable

__all__ = ["DiskWriter", "Elsewhere", "Recording", "TrackRecorder"]

_T = TypeVar("_T")


class Elsewhere(Protocol):
    """Where a track's file goes as well, before its sound counts as durable. Called on the loop; never raises."""

    def begin(self, end_samples: int, end_bytes: int, reached: Callable[[int], None]) -> None:
        """The file ends there now. ``reached(samples)`` is to be called when all sound before it has arrived."""

    def synced(self, end_samples: int, end_bytes: int) -> None:
        """The file is synced up to there."""

    async def end(self) -> None:
        """Nothing more comes. Returns when all has arrived, or when it is not waited for any longer."""


class TrackRecorder:
    """Appends one track to its file. Lives on the event loop; after ``open`` you must ``close``.

    ``durable_samples`` never passes sound that is not synced, so what was acknowledged from it survives ``kill -9`` and
    a loss of power; with ``elsewhere``, none that has not arrived there. Once the disk has failed, every call raises
    that ``StoreUnavailable``; a new ``open`` may succeed.
    """

    length_samples: int  # end of the last appended block
    durable_samples: int  # all sound before it is synced, and elsewhere

    def __init__(self, file: RecordFile, writer: DiskWriter, elsewhere: Elsewhere | None = None) -> None:
        self.length_samples = self._synced_samples = file.end_samples
        self.durable_samples = 0 if elsewhere is not None else file.end_samples
        self._file = file
        self._writer = writer
        self._elsewhere = elsewhere
        self._loop = asyncio.get_running_loop()
        self._failure: StoreUnavailable | None = None
        self._closed = False
        self._callbacks: list[Callable[[int], None]] = []
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []  # one a caller of wait_durable
        file.on_synced = lambda *end: self._on_loop(self._synced, end)
        file.on_failed = lambda error: self._on_loop(self._failed, error)
        if elsewhere is not None:
            elsewhere.begin(file.end_samples, file.offset_bytes, self._arrived)

    @classmethod
    async def open(cls, path: Path, writer: DiskWriter, elsewhere: Elsewhere | None = None) -> TrackRecorder:
        """Creates the file, or goes on after its last whole record. Raises ``StoreUnavailable``."""
        opening = asyncio.ensure_future(asyncio.to_thread(RecordFile.open, path))
        try:
            file = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on; the file it opens would stay locked without an owner.
            opening.add_done_callback(_close_opened)
            raise
        try:
            writer.add(file)
        except StoreUnavailable:
            file.close()
            raise
        return cls(file, writer, elsewhere)

    def append(self, block: Block) -> None:
        """Takes ``block``; never blocks. What overlaps earlier sound is trimmed, a hole before it stays a hole."""
        self._require_usable()
        rest = block.after(self.length_samples)
        if rest is None or not rest.pcm:
            return
        self._writer.put(self._file, rest)
        self.length_samples = rest.end_samples

    def on_durable(self, callback: Callable[[int], None]) -> None:
        """``callback(durable_samples)`` is called on the loop whenever more of this track is durable."""
        self._callbacks.append(callback)

    async def wait_durable(self, samples: int) -> None:
        """Until everything before ``samples`` is durable. Raises ``StoreUnavailable`` when that will not happen."""
        if self.durable_samples >= samples:
            return
        self._require_usable()
        waiter: asyncio.Future[None] = self._loop.create_future()
        entry = (samples, waiter)
        self._waiters.append(entry)
        try:
            await waiter
        finally:
            if entry in self._waiters:
                self._waiters.remove(entry)

    async def flush(self) -> None:
        """Writes and syncs now."""
        self._require_usable()
        await self._request(close=False)

    async def close(self) -> None:
        """Writes, syncs and closes, and sends on what is not elsewhere. Idempotent. Raises ``StoreUnavailable`` when
        sound was lost."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._synced_samples < self.length_samples or self._writer.running:
                await self._request(close=True)
        finally:
            if self._elsewhere is not None:
                await self._elsewhere.end()
            self._release(StoreUnavailable("the recording was closed"))

    async def _request(self, *, close: bool) -> None:
        done: asyncio.Future[None] = self._loop.create_future()

        def finish(failure: StoreUnavailable | None) -> None:
            if not done.done():
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

        self._writer.request_sync(self._file, lambda failure: self._on_loop(finish, failure), close=close)
        await done

    def _require_usable(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise StoreUnavailable("the recording was closed")

    def _on_loop(self, function: Callable[[_T], None], argument: _T) -> None:
        # A loop that has ended has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, argument)

    def _synced(self, end: tuple[int, int]) -> None:
        self._synced_samples = end[0]
        if self._elsewhere is not None:
            self._elsewhere.synced(*end)
        else:
            self._arrived(end[0])

    def _arrived(self, end_samples: int) -> None:
        self.durable_samples = end_samples
        for samples, waiter in self._waiters:
            if samples <= end_samples and not waiter.done():
                waiter.set_result(None)
        for callback in self._callbacks:
            callback(end_samples)

    def _failed(self, error: StoreUnavailable) -> None:
        self._failure = error
        self._release(error)

    def _release(self, error: StoreUnavailable) -> None:
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(error)


def _close_opened(opening: asyncio.Future[RecordFile]) -> None:
    if opening.exception() is None:
        opening.result().close()
