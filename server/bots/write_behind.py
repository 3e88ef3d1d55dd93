"""What is written down a little later, together, so that nobody waits for the store; until then it is kept here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from protocol.errors import EarshotError

T = TypeVar("T")

LATE_MAX_S = 900.0
LATE_EVERY_S = 5.0

log = structlog.get_logger(__name__)


class WriteBehind(Generic[T]):
    """``write`` stores some at once; what it could not store is tried again with the next. ``what`` is for the log.

    Not for several tasks at once but for ``tick``.
    """

    def __init__(self, write: Callable[[list[T]], Awaitable[None]], *, every_s: float, what: str) -> None:
        self._write = write
        self._every_s = every_s
        self._what = what
        self._waiting: dict[str, T] = {}
        self._written_s = time.monotonic()
        self._writing: asyncio.Task[None] | None = None
        self._is_urgent = False
        self._is_away = False  # the store, when it was tried last

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, id_: str, item: T, *, at_once: bool = False) -> None:
        """It takes the place of one with this id that is not written yet. ``at_once``: no tick is waited for."""
        self._waiting[id_] = item
        self._is_urgent = self._is_urgent or at_once
        if at_once:
            self._begin()

    def tick(self) -> None:
        """To be called now and then: begins to write when it is time."""
        if time.monotonic() - self._written_s >= self._every_s:
            self._begin()

    async def close(self) -> None:
        """Everything is written, or could not be. Idempotent."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._flush()

    async def finish(self) -> None:
        """After ``close``: what the store was away for is written when it is back, within ``LATE_MAX_S``."""
        until_s = time.monotonic() + LATE_MAX_S
        while self._waiting and self._is_away and time.monotonic() < until_s:
            await asyncio.sleep(LATE_EVERY_S)
            await self._flush()

    def _begin(self) -> None:
        if self._writing is None or self._writing.done():
            self._written_s = time.monotonic()
            self._writing = asyncio.create_task(self._write_down(), name=f"write {self._what}")

    async def _write_down(self) -> None:
        await self._flush()
        while self._is_urgent:  # what came meanwhile
            await self._flush()

    async def _flush(self) -> None:
        self._is_urgent = False
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            await self._write(list(waiting.values()))
            self._is_away = False
        except EarshotError as error:
            log.warning("not written yet", what=self._what, waiting=len(waiting), code=error.code)
            self._waiting = waiting | self._waiting
            self._is_away = error.retryable
