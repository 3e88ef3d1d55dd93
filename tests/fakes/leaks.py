"""What must not be left behind when a test, or all tests of a file, are over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
    for thread in left:
        thread.join(timeout=10.0)
    still = [thread.name for thread in left if thread.is_alive()]
    assert not still, f"leaked threads: {still}"


def _threads() -> set[threading.Thread]:
    # The default executor's threads are pooled and end with the loop; everything else must be joined by its owner.
    return {t for t in threading.enumerate() if not t.name.startswith(("asyncio_", "ThreadPoolExecutor", "AnyIO"))}
