"""Guards that hold for every test: no leaked task, no leaked thread, recordings where the environment names them."""

from __future__ import annotations

import asyncio.constants
import inspect
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import asr.child
from tests.fakes.warm_commands import WarmCommands
from tests.fakes.warm_workers import WarmWorkers

settings.register_profile("default", deadline=None, max_examples=60, derandomize=True, print_blob=True)
settings.register_profile(
    "long", deadline=None, max_examples=5000, derandomize=False, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")

# In asyncio's debug mode each handle and future remembers where it was made. One frame says that; all of them, which
# futures take by default, would be half of the suite's time.
vars(asyncio.constants).update(DEBUG_STACK_DEPTH=1)
traceback.extract_stack.__defaults__ = (None, 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "no_leaked_tasks")


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = [task for task in asyncio.all_tasks() - before if not task.done() and task is not asyncio.current_task()]
    assert not left, f"leaked tasks: {left}"


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    # The default executor's threads are pooled and end with the loop; everything else must be joined by its owner.
    def alive() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if not t.name.startswith(("asyncio_", "ThreadPoolExecutor", "AnyIO"))}

    before = alive()
    yield
    left = alive() - before
    for thread in left:
        thread.join(timeout=2.0)
    still = [thread.name for thread in left if thread.is_alive()]
    assert not still, f"leaked threads: {still}"


@pytest.fixture(scope="session", autouse=True)
def warm_workers() -> Iterator[None]:
    """Inference processes and whole servers are forked instead of started; tests of the start start them."""
    if sys.platform != "linux":
        yield
        return
    workers = WarmWorkers()
    asr.child.run = workers.run
    WarmCommands.ready = WarmCommands()
    yield
    asr.child.run = workers.cold
    try:
        workers.close()
    finally:
        WarmCommands.ready.close()


@pytest.fixture(scope="session")
def speech_data() -> Path:
    """The folder of recordings with references."""
    folder = os.environ.get("EARSHOT_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EARSHOT_TEST_DATA names no folder of recordings")
    return Path(folder)
