"""Who is asked for next: so many at once, and so many in line, that nobody is kept without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from protocol.errors import LanguageModelUnavailable

RETRY_S = 10.0


class Turns:
    """``at_once`` at a time, in the order they came; ``waiting_max`` may wait.

    What has time (``patient``) is never refused, and never has the last place: somebody who waits for an answer gets
    that one. Whoever has time bounds how much of it there is.
    """

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._patient = asyncio.Semaphore(max(1, at_once - 1))
        self._waiting_max = waiting_max
        self._waiting = 0

    @asynccontextmanager
    async def one(self, *, patient: bool = False) -> AsyncIterator[None]:
        """Raises ``LanguageModelUnavailable`` where too many wait already."""
        if patient:
            async with self._patient, self._places:
                yield
            return
        if self._places.locked() and self._waiting >= self._waiting_max:
            raise LanguageModelUnavailable("too many questions wait already; try again", retry_after_s=RETRY_S)
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
