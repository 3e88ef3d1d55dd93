"""A balancer of TCP as there are many: each new connection goes to the next target that takes one; it knows no more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from tests.net.relay import HOST, Address


class Balancer:
    """On loopback. ``async with Balancer(targets) as balancer: balancer.address``."""

    def __init__(self, targets: Sequence[Address]) -> None:
        self._targets = list(targets)
        self._next = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> Address:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await self._connected()
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, there))
                group.create_task(_pump(back, writer))
        except* OSError:
            pass  # one side is gone, so both are
        finally:
            for each in (writer, there):
                if each is not None:
                    each.transport.abort()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the next target that is there. Raises ``OSError`` when none is."""
        for _ in self._targets:
            target = self._targets[self._next % len(self._targets)]
            self._next += 1
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection(*target)
        raise ConnectionRefusedError


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
