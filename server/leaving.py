"""How a node leaves: first nothing new comes in, then what is open is told to go, then it is gone.

Each stage has an end of its own, so that all of them together do: ``leaves_within_s``.
"""

from __future__ import annotations

import asyncio

from protocol.errors import Draining

# After the finals and uploads, for which drain_deadline_s is; 10 s in all.
FAULT_S = 1.0  # more than they are given, for a fault in what keeps that deadline
GOODBYE_S = 2.0  # for readers to take their last message and their close
LEFTOVERS_S = 3  # for requests under way when everybody has been told
CLOSING_S = 4.0  # for services to close, and for what lies between the stages


def leaves_within_s(drain_deadline_s: float) -> float:
    """From the signal until the process is gone, whatever happens."""
    return drain_deadline_s + FAULT_S + GOODBYE_S + LEFTOVERS_S + CLOSING_S


class UnderWay:
    """Something of which there may be many at once; ``with`` counts one, and ``wait_empty`` waits for the last."""

    def __init__(self) -> None:
        self._count = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def count(self) -> int:
        return self._count

    def __enter__(self) -> UnderWay:
        self._count += 1
        self._empty.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._empty.set()

    async def wait_empty(self, deadline_s: float) -> bool:
        """Wait until there is none; False when there still is after ``deadline_s``."""
        try:
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True


class Leaving:
    """``draining`` refuses what is new while finals are still being made; ``told`` then sends every reader away.

    ``sockets`` that are open, and ``uploads``: requests that bring something, each from its beginning to its answer.
    """

    def __init__(self) -> None:
        self.draining = False
        self.told = asyncio.Event()
        self.sockets = UnderWay()
        self.uploads = UnderWay()

    def error(self) -> Draining:
        return Draining("this server is stopping: connect again, it or another will answer", retry_after_s=2)

    def refuse_new(self) -> None:
        """Raise ``Draining`` when the node is on its way out."""
        if self.draining:
            raise self.error()
