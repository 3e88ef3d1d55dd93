"""Guards that hold for every test: no leaked task, no leaked thread, recordings where the environment names them."""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

import asr.child
from tests.fakes.azurite import Azurite, new_azurite
from tests.fakes.leaks import no_task_left, no_thread_left
from tests.fakes.warm_commands import WarmCommands
from tests.fakes.warm_workers import WarmWorkers
from tests.server.shared_statements import share_statements

# A traceback with all that stood in each frame takes seconds to draw. Servers leave it out; nodes in the tests' own
# process are not set up at all.
structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback
share_statements()
gc.disable()  # until all is imported and collected: nothing of it is garbage
settings.register_profile("default", deadline=None, max_examples=60, derandomize=True, print_blob=True)
settings.register_profile(
    "long", deadline=None, max_examples=5000, derandomize=False, suppress_health_check=list(HealthCheck)
)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "no_leaked_tasks")


def pytest_collection_finish() -> None:
    """Thousands of tests and all they import stay to the end: the collector need not look at them again and again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """What a file of tests leaves behind (reports, caches) stays as well."""
    result = yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()
    return result


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    with no_task_left():
        yield


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    with no_thread_left():
        yield


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
def azurite() -> Iterator[Azurite]:
    """Azure's storage, where npm installed it."""
    running = new_azurite()
    yield running
    running.close()


@pytest.fixture(scope="session")
def speech_data() -> Path:
    """The folder of recordings with references."""
    folder = os.environ.get("EARSHOT_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("EARSHOT_TEST_DATA names no folder of recordings")
    return Path(folder)
