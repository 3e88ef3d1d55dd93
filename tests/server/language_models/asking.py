"""A client of the stand-in, for tests."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from protocol.errors import EarshotError
from server.language_models.client import LanguageModelClient
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.prompt import Message, Prompt
from server.metrics import Metrics
from tests.fakes.language_model import KEY, LanguageModelServer
from tests.fakes.waiting import until

QUESTION = Prompt("small", (Message("user", "canary-of-the-question"),), 100, 0.5)


GENERATORS_NESTED = 8  # of the library, at most: each is found when the one around it is closed


async def no_pause(_seconds: float) -> None:
    pass


def settings_for(url: str, **options: Any) -> LanguageModelSettings:
    return LanguageModelSettings(**{"llm_base_url": url, "llm_api_key": SecretStr(KEY), **options})


async def failure(asked: Awaitable[object]) -> EarshotError:
    """What comes of it, which must be an error. Without its frames, which hold what was read when it came."""
    try:
        await asked
    except EarshotError as error:
        return error.with_traceback(None)
    raise AssertionError("it went well")


async def generators_closed() -> None:
    """An answer that is not read to its end leaves the library's own generators to the garbage collector, as their
    frames hold each other, and that leaves them to the event loop."""
    for _ in range(GENERATORS_NESTED):
        gc.collect()
        await asyncio.sleep(0)
    await until(lambda: not any("athrow" in repr(task) for task in asyncio.all_tasks()))


@asynccontextmanager
async def client_of(
    server: LanguageModelServer, *, metrics: Metrics | None = None, **options: Any
) -> AsyncIterator[LanguageModelClient]:
    settings = settings_for(options.pop("url", server.url), **options)
    client = LanguageModelClient(settings, metrics or Metrics(), sleep=no_pause)
    await client._client()  # its certificates take longer than a short deadline
    try:
        yield client
    finally:
        await client.stop()
        await generators_closed()
