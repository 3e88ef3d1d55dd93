"""One browser, and one node, for all tests of a file. Each test visits in a context of its own, as in a fresh profile.

To launch a browser costs more than most visits. What is shared lives as long as its event loop, so such a file runs in
one (``IN_ONE_LOOP``), and takes the fixtures that it wants by their names: ``browser = one_browser.browser``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e.browser import FLAGS, Visit
from tests.fakes.leaks import no_task_left, no_thread_left
from tests.fakes.running_app import RunningApp, running_app

IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def no_leaked_tasks() -> AsyncIterator[None]:
    """What is asked of each test elsewhere, asked once of the whole file: what is shared has tasks in between."""
    with no_task_left():
        yield


@pytest.fixture(scope="module")
def no_leaked_threads() -> Iterator[None]:
    """The same: a shared node keeps some between the tests, and none when it is stopped."""
    with no_thread_left():
        yield


@asynccontextmanager
async def launched(chromium: str, *flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(no_leaked_tasks: None, chromium: str) -> AsyncIterator[Browser]:
    async with launched(chromium) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(no_leaked_tasks: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    """With the scripted engine. Holds what the file's other tests made, too."""
    async with running_app(tmp_path_factory.mktemp("node") / "data") as node:
        yield node


@asynccontextmanager
async def visit_in(
    browser: Browser, *, outages: bool = False, width: int = 1280, height: int = 800, **context_options: Any
) -> AsyncIterator[Visit]:
    """As ``visiting``, without a launch."""
    context = await browser.new_context(viewport={"width": width, "height": height}, **context_options)
    visit = Visit(await context.new_page())
    visit.watch(outages=outages)
    try:
        yield visit
    finally:
        await context.close()
    assert visit.faults == [], visit.faults  # pytest says it for tests alone
