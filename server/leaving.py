"""How a node leaves: first nothing new comes in, then what is open is told to go, then it is gone."""

from __future__ import annotations

import asyncio

from protocol.errors import Draining


class Leaving:
    """``draining`` refuses what is new while finals are still being made; ``told`` then sends every reader away."""

    def __init__(self) -> None:
        self.draining = False
        self.told = asyncio.Event()
        self._sockets = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def sockets(self) -> int:
        return self._sockets

    def error(self) -> Draining:
        return Draining("this server is stopping: connect again, it or another will answer", retry_after_s=2)

    def refuse_new(self) -> None:
        """Raise ``Draining`` when the node is on its way out."""
        if self.draining:
            raise self.error()

    def __enter__(self) -> Leaving:
        """Count a socket for as long as it is open, so that the last one can be waited for."""
        self._sockets += 1
        self._empty.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._sockets -= 1
        if not self._sockets:
            self._empty.set()

    async def wait_empty(self, deadline_s: float) -> bool:
        """Wait until every socket is closed; False when some are still open after ``deadline_s``."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
