"""Work that comes round again and again in the background, for as long as the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from protocol.errors import EarshotError, StoreUnavailable

log = structlog.get_logger(__name__)


async def repeat(
    work: Callable[[], Awaitable[object]], *, every_s: float, name: str, woken: asyncio.Event | None = None
) -> None:
    """Do it now, and again ``every_s`` after each time, until cancelled; at once when ``woken`` is set meanwhile.

    A round that fails, whatever the reason, is made up for by the next one: else the first file that goes away under
    a sweep would end all sweeping, and nobody would hear of it before the next start.
    """
    woken = woken or asyncio.Event()
    while True:
        woken.clear()  # before: what wakes in the middle of a round is for the next one
        try:
            await work()
        except StoreUnavailable:
            log.debug("a round waits for the store", round=name)  # which says itself that it is away
        except EarshotError as error:
            log.warning("a round failed; there will be another", round=name, code=error.code)
        except Exception:
            log.exception("a round failed; there will be another", round=name)
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await woken.wait()
