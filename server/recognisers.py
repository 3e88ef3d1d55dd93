"""The recogniser that everybody is heard by, and those of other models, each there while a file wants it.

A model that somebody asks for by name takes memory and a core of its own, so there are few at once: who wants one more
waits for its turn. One that nobody wants any more is kept for a while, because loading it again takes long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog

from asr.client import AsrClient
from asr.worker_settings import WorkerSettings
from protocol.errors import EngineFailed

log = structlog.get_logger(__name__)

IDLE_S = 60.0

Make = Callable[[WorkerSettings], AsrClient]


@dataclass
class _Other:
    client: AsrClient
    wanted_by: int = 0
    closing: asyncio.TimerHandle | None = None
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_loaded: bool = False


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
        self._changed = asyncio.Condition()
        self._line: deque[object] = deque()  # who waits for a recogniser, in the order they came: nobody is passed by
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def others(self) -> tuple[str, ...]:
        """The models that are there besides the main one."""
        return tuple(self._others)

    def is_main(self, model: str | None) -> bool:
        return model is None or model == self.main.status.model

    @asynccontextmanager
    async def borrowed(self, model: str | None) -> AsyncIterator[AsrClient]:
        """The recogniser of ``model``, ready to hear; the main one for None. Waits for as long as there are too many.

        Raises ``EngineFailed`` when it cannot be loaded.
        """
        if self.is_main(model):
            yield self.main
            return
        assert model is not None
        other = await self._taken(model)
        try:
            async with other.loading:
                if not other.is_loaded:
                    await self._load(model, other.client)
                    other.is_loaded = True
            yield other.client
        finally:
            await self._given_back(model, other)

    async def stop(self) -> None:
        """End all others, whoever has them."""
        others, self._others = self._others, {}
        for other in others.values():
            if other.closing is not None:
                other.closing.cancel()
        await asyncio.gather(*(other.client.stop() for other in others.values()), *self._stopping)

    async def _taken(self, model: str) -> _Other:
        place = object()
        async with self._changed:
            self._line.append(place)
            try:
                while self._line[0] is not place or not await self._has_room(model):
                    await self._changed.wait()
            finally:
                self._line.remove(place)
                self._changed.notify_all()
            other = self._others.get(model)
            if other is None:
                other = self._others[model] = _Other(self._make(replace(self._settings, engine=model)))
            if other.closing is not None:
                other.closing.cancel()
                other.closing = None
            other.wanted_by += 1
            return other

    async def _has_room(self, model: str) -> bool:
        """Whether it is there, or may be; for that, one that nobody wants makes room."""
        if model in self._others or len(self._others) < self._others_max:
            return True
        idle = next((name for name, other in self._others.items() if not other.wanted_by), None)
        if idle is None:
            return False
        await self._end(idle)
        return True

    async def _given_back(self, model: str, other: _Other) -> None:
        async with self._changed:
            other.wanted_by -= 1
            if not other.wanted_by and self._others.get(model) is other:
                if other.is_loaded:
                    other.closing = asyncio.get_running_loop().call_later(self._idle_s, self._end_soon, model, other)
                else:
                    await self._end(model)  # it could not be loaded: the next who asks tries anew
            self._changed.notify_all()

    def _end_soon(self, model: str, other: _Other) -> None:
        task = asyncio.create_task(self._end_idle(model, other), name=f"end recogniser {model}")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _end_idle(self, model: str, other: _Other) -> None:
        async with self._changed:
            if not other.wanted_by and self._others.get(model) is other:
                await self._end(model)
                self._changed.notify_all()

    async def _end(self, model: str) -> None:
        other = self._others.pop(model)
        if other.closing is not None:
            other.closing.cancel()
        log.info("another recogniser is ended", model=model)
        await other.client.stop()

    async def _load(self, model: str, client: AsrClient) -> None:
        log.info("another recogniser is started", model=model)
        await client.start()
        try:
            async with asyncio.timeout(self._settings.start_deadline_s):
                await client.wait_settled()
        except TimeoutError:
            raise EngineFailed(f"the model {model} was not loaded in time") from None
        if client.status.state == "degraded":
            raise EngineFailed(f"the model {model} could not be loaded: {client.status.reason}")
