"""One node for all tests of a module, with OpenAI's own client at the other end, unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from tests.fakes.leaks import no_task_left, no_thread_left
from tests.fakes.running_app import RunningApp, running_app

TOKEN = "token-of-the-openai-tests"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def no_leaked_tasks() -> AsyncIterator[None]:
    with no_task_left():
        yield


@pytest.fixture(scope="module", autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Asked once of the whole file: a node that is shared keeps some between the tests, and none when it is stopped."""
    with no_thread_left():
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(no_leaked_tasks: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path_factory.mktemp("node") / "data", access_token=TOKEN) as running:
        running.http.headers["Authorization"] = f"Bearer {TOKEN}"
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def openai(node: RunningApp) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{node.serving.url.rstrip('/')}/v1", api_key=TOKEN, max_retries=0) as client:
        yield client
