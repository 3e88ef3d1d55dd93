"""What must not be left behind when a test, or all tests of a file, are over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

ENDED_WITHIN_S = 10.0


@contextmanager
def no_task_left() -> Iterator[None]:
    """Inside a running event loop: every task that was made meanwhile is done."""
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if not task.done() and task is not asyncio.current_task()]
    assert not left, f"leaked tasks: {left}"


@contextmanager
def no_thread_left() -> Iterator[None]:
    before = _threads()
    yield
    left = _threads() - before
    deadline = time.monotonic() + ENDED_WITHIN_S
    for thread in left:
        _join(thread, deadline)
    still = [thread.name for thread in left if thread.is_alive()]
    assert not still, f"leaked threads: {still}"


def _join(thread: threading.Thread, deadline: float) -> None:
    while time.monotonic() < deadline:
        try:
            thread.join(timeout=ENDED_WITHIN_S)
            return
        except RuntimeError:  # another thread is just starting it: it cannot be joined yet
            time.sleep(0.001)


def _threads() -> set[threading.Thread]:
    # The default executor's threads are pooled and end with the loop; everything else must be joined by its owner.
    return {t for t in threading.enumerate() if not t.name.startswith(("asyncio_", "ThreadPoolExecutor", "AnyIO"))}
