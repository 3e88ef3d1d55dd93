"""Who is asked for next: so many at once, and so many in line, that nobody is kept without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from protocol.errors import LanguageModelUnavailable

RETRY_S = 10.0


class Turns:
    """``at_once`` at a time, in the order they came; of people who wait for an answer, ``waiting_max`` more are let in.

    What has time (``patient``) never has the last place: somebody who waits for an answer gets that one. Whoever has
    time bounds how much of it there is.
    """

    def __init__(self, at_once: int, waiting_max: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._patient = asyncio.Semaphore(max(1, at_once - 1))
        self._people_max = at_once + waiting_max
        self.people = 0
        self.at_once = at_once

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """Around all that somebody waits for. Raises ``LanguageModelUnavailable`` where too many do already."""
        if self.people >= self._people_max:
            raise LanguageModelUnavailable("too many questions wait already; try again", retry_after_s=RETRY_S)
        self.people += 1
        try:
            yield
        finally:
            self.people -= 1

    @asynccontextmanager
    async def one(self, *, patient: bool = False) -> AsyncIterator[None]:
        """Around one request."""
        if patient:
            async with self._patient, self._places:
                yield
        else:
            async with self._places:
                yield
