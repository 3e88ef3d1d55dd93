"""Items of a blocking iterator (a file being decoded, standard input) for asyncio, made in a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class ThreadFeed(Generic[T]):
    """At most ``ahead`` items wait; then the thread waits too (policy: block).

    The thread is a daemon: one that waits for standard input must not keep the process from ending. ``close`` must be
    called in the end; it does not wait for such a thread.
    """

    def __init__(self, make: Callable[[], Iterator[T]], *, ahead: int = 8) -> None:
        self._make = make
        self._queue: asyncio.Queue[T | BaseException | None] = asyncio.Queue(maxsize=ahead)
        self._loop = asyncio.get_running_loop()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._thread.start()

    async def items(self) -> AsyncIterator[T]:
        """Each item once. What the iterator raises is raised here, after the items before it."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    async def get(self) -> T | None:
        """The next item, or None after the last. Safe to cancel: nothing is lost."""
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        if item is None:
            self._queue.put_nowait(None)  # whoever asks again gets the same answer
        return item

    async def close(self) -> None:
        """Idempotent. The thread ends at its next item."""
        self._closed.set()
        while not self._queue.empty():
            self._queue.get_nowait()
        # A put that waited is through now, so the thread sees that it is over, unless it waits for its own input.
        await asyncio.sleep(0)
        while not self._queue.empty():
            self._queue.get_nowait()

    def _run(self) -> None:
        try:
            for item in self._make():
                self._put(item)
                if self._closed.is_set():
                    return
            self._put(None)
        except BaseException as error:  # handed over, not swallowed: the reader raises it
            self._put(error)

    def _put(self, item: T | BaseException | None) -> None:
        if self._closed.is_set():
            return
        putting = self._queue.put(item)
        try:
            asyncio.run_coroutine_threadsafe(putting, self._loop).result()
        except (RuntimeError, asyncio.CancelledError):
            # The loop is gone: nobody will read.
            with contextlib.suppress(RuntimeError):
                putting.close()
            self._closed.set()
