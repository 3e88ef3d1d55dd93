"""The recogniser that everybody is heard by, and those of other models, each there while a file wants it.

A model that somebody asks for by name takes memory and a core of its own, so there are few at once: who wants one more
waits for its turn, in the order they came. One that nobody wants any more is kept for a while, because loading it again
takes long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from asr.client import AsrClient
from asr.worker_settings import WorkerSettings
from protocol.errors import Conflict, EngineFailed

log = structlog.get_logger(__name__)

IDLE_S = 60.0

Make = Callable[[WorkerSettings], AsrClient]


class _Other:
    """One of another model: its client is started once, and whoever wants it waits for the same loading."""

    def __init__(self, model: str, client: AsrClient, deadline_s: float) -> None:
        self.model = model
        self.client = client
        self.wanted_by = 0
        self.idle: asyncio.TimerHandle | None = None
        self.loading = asyncio.create_task(self._load(deadline_s), name=f"load {model}")

    async def ready(self) -> None:
        """Raises ``EngineFailed`` when it cannot be loaded. One that breaks down later is started anew, as the main one
        is. A waiter that leaves ends nothing."""
        await asyncio.shield(self.loading)

    async def stop(self) -> None:
        self.loading.cancel()
        await asyncio.gather(self.loading, return_exceptions=True)
        await self.client.stop()

    @property
    def is_usable(self) -> bool:
        return not self.loading.done() or (self.loading.exception() is None and self.client.status.state != "degraded")

    async def _load(self, deadline_s: float) -> None:
        log.info("another recogniser is started", model=self.model)
        await self.client.start()
        try:
            async with asyncio.timeout(deadline_s):
                await self.client.wait_settled()
        except TimeoutError:
            raise EngineFailed(f"the model {self.model} was not loaded in time") from None
        if self.client.status.state == "degraded":
            raise EngineFailed(f"the model {self.model} could not be loaded: {self.client.status.reason}")


@dataclass
class _Waiting:
    model: str
    turn: asyncio.Future[_Other]


class Recognisers:
    """``main`` is the caller's to start and stop. ``others_max``: other models at once."""

    def __init__(
        self,
        main: AsrClient,
        settings: WorkerSettings,
        *,
        others_max: int,
        idle_s: float = IDLE_S,
        make: Make = AsrClient,
    ) -> None:
        self.main = main
        self._settings = replace(settings, workers=1)
        self._others_max = others_max
        self._idle_s = idle_s
        self._make = make
        self._others: dict[str, _Other] = {}
        self._line: deque[_Waiting] = deque()
        self._ending: dict[asyncio.Task[None], _Other] = {}  # they hold memory until they are gone
        self._stopped = False

    @property
    def others(self) -> tuple[str, ...]:
        """The models that are there besides the main one."""
        return tuple(self._others)

    async def is_main(self, model: str | None) -> bool:
        """Whether it is the one in use; while that is loaded, nobody knows which it will be."""
        if model is not None:
            await self.main.wait_settled()
        return model is None or model == self.main.status.model

    @asynccontextmanager
    async def borrowed(self, model: str | None) -> AsyncIterator[AsrClient]:
        """The recogniser of ``model``, ready to hear; the main one for None. Waits for as long as there are too many.

        Raises ``EngineFailed`` when it cannot be loaded, ``Conflict`` where the settings allow no other.
        """
        if model is None or await self.is_main(model):
            yield self.main
            return
        other = await self._turn_of(model)
        try:
            await other.ready()
            yield other.client
        finally:
            self._give_back(other)

    async def stop(self) -> None:
        """End all others, whoever has them, and let nobody have one any more."""
        self._stopped = True
        for waiting in self._line:
            waiting.turn.cancel()
        for other in list(self._others.values()):
            self._end(other)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _turn_of(self, model: str) -> _Other:
        if self._stopped or not self._others_max:
            raise Conflict("this server hears with the recogniser in use alone", details={"model_name": model})
        waiting = _Waiting(model, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._serve()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._line:
                self._line.remove(waiting)
                self._serve()
            elif waiting.turn.done() and not waiting.turn.cancelled():
                self._give_back(waiting.turn.result())  # its turn came at the same moment
            raise

    def _serve(self) -> None:
        """Give the first in line their turn, as many as there is room for. Nobody is passed by."""
        while self._line and not self._stopped:
            waiting = self._line[0]
            other = self._others.get(waiting.model)
            if other is not None and not other.is_usable and not other.wanted_by:
                self._end(other)
                other = None
            if other is None:
                other = self._made(waiting.model)
            if other is None:
                return
            self._line.popleft()
            if not waiting.turn.cancelled():
                other.wanted_by += 1
                if other.idle is not None:
                    other.idle.cancel()
                    other.idle = None
                waiting.turn.set_result(other)

    def _made(self, model: str) -> _Other | None:
        """A new one, where there is room; one that nobody wants makes room, and is gone before it is begun."""
        if len(self._others) >= self._others_max:
            unwanted = next((other for other in self._others.values() if not other.wanted_by), None)
            if unwanted is not None:
                self._end(unwanted)
        if len(self._others) + len(self._ending) >= self._others_max:
            return None
        client = self._make(replace(self._settings, engine=model))
        other = self._others[model] = _Other(model, client, self._settings.start_deadline_s)
        return other

    def _give_back(self, other: _Other) -> None:
        other.wanted_by -= 1
        if not other.wanted_by and self._others.get(other.model) is other:
            if other.is_usable:
                other.idle = asyncio.get_running_loop().call_later(self._idle_s, self._end, other)
            else:
                self._end(other)  # the next who asks tries anew
        self._serve()

    def _end(self, other: _Other) -> None:
        if self._others.get(other.model) is other:
            del self._others[other.model]
        if other.idle is not None:
            other.idle.cancel()
        log.info("another recogniser is ended", model=other.model)
        task = asyncio.create_task(other.stop(), name=f"end recogniser {other.model}")
        self._ending[task] = other
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._ending[task]
        if not task.cancelled() and task.exception() is not None:
            log.error("another recogniser did not end well", error=type(task.exception()).__name__)
        self._serve()
