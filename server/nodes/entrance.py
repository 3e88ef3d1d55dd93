"""Where a worker's connections come from: its parent gives them out, and other workers hand theirs over.

The parent's socket carries orders first (a length, then JSON), and then a byte for each connection, whose socket comes
with it. Its end is the parent's end, and the worker's. Lines of JSON go back: ``ready``, then every second how
many connections are open here, by which the parent sees that the worker lives, and to whom to give the next one; and
``reload``, when a better model is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from protocol.wire.v1 import Action
from server.connections import Asking
from server.controls import control
from server.nodes.handing_over import HandingOver
from server.nodes.movable import Arrived, MovableHttp, movable
from server.nodes.worker_orders import WorkerOrders
from server.settings import Settings

log = structlog.get_logger(__name__)

LENGTH = struct.Struct("!I")
TELL_EVERY_S = 1.0
EXIT_ORPHANED = 130
TAKEN_AT_ONCE = 64


class Entrance(Protocol):
    """Another way in than a listening socket. All calls are the loop's thread's."""

    def listen(self, settings: Settings) -> list[socket.socket]: ...

    def prepare(self, config: uvicorn.Config, asking: Asking, app: FastAPI) -> None: ...

    def open(self, server: uvicorn.Server) -> None: ...

    async def close(self) -> None: ...


class WorkerEntrance:
    """``parent``: the socket to it, of which the orders were read. ``listen``: how to listen where one is alone."""

    def __init__(
        self, orders: WorkerOrders, parent: socket.socket, listen: Callable[[Settings], socket.socket]
    ) -> None:
        self._orders = orders
        self._parent = parent
        self._listen = listen
        self._hands: HandingOver | None = None
        self._server: uvicorn.Server | None = None
        self._http = MovableHttp
        self._udp: Callable[[], str] = lambda: ""
        self._tasks: set[asyncio.Task[None]] = set()

    def ask_reload(self) -> None:
        """Have the parent start the inference processes anew."""
        self._parent.send(json.dumps({"reload": True}).encode() + b"\n")

    def listen(self, settings: Settings) -> list[socket.socket]:
        """Raises ``OSError``."""
        if not settings.worker_port:
            return []
        return [self._listen(settings.model_copy(update={"port": settings.worker_port}))]

    def prepare(self, config: uvicorn.Config, asking: Asking, app: FastAPI) -> None:
        def node_id() -> str:
            name: str = app.state.services.membership.holding.node_id
            return name

        async def obey(transcript_id: str, action: str) -> None:
            await control(app.state.services.hub, transcript_id, Action(action))

        self._hands = HandingOver(self._orders.folder, self._orders.index, node_id, self._adopt, obey)
        self._udp = lambda: app.state.services.ports.described
        self._http, config.ws = movable(asking, self._hands)
        config.http = self._http
        self._parent.setblocking(False)
        asyncio.get_running_loop().add_reader(self._parent.fileno(), self._take)  # its end may come before we are ready

    def open(self, server: uvicorn.Server) -> None:
        """Connections may come from now on."""
        assert self._hands is not None, "prepare first"
        self._server = server
        self._hands.start()
        self._begin(self._tell(server.server_state), "tell the parent")

    async def close(self) -> None:
        """Idempotent."""
        asyncio.get_running_loop().remove_reader(self._parent.fileno())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._hands is not None:
            await self._hands.stop()

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self) -> None:
        """Connections that the parent gave us, or its end."""
        for _ in range(TAKEN_AT_ONCE):
            try:
                byte, fds, _, _ = socket.recv_fds(self._parent, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                byte, fds = b"", []
            if not byte:
                # At once: nobody hears any more, and whoever is started next wants our ports.
                log.error("the process that started this worker is gone; what was recorded is kept")
                sys.stderr.flush()
                os._exit(EXIT_ORPHANED)
            for fd in fds:
                connection = socket.socket(fileno=fd)
                connection.setblocking(False)
                self._begin(self._adopt(connection, b"", False), "adopt")

    async def _adopt(self, connection: socket.socket, read: bytes, is_answered: bool) -> None:
        server = self._server
        if server is None:
            connection.close()
            return

        def protocol() -> asyncio.Protocol:
            made = self._http(server.config, server.server_state, server.lifespan.state)
            made.arrived = Arrived(read, is_answered) if read else None
            return made

        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, connection)
        except OSError as error:  # the client is gone already
            connection.close()
            log.info("a connection was lost on its way", error=type(error).__name__)

    async def _tell(self, state: ServerState) -> None:
        """What the parent reads is little and read at once; a parent that hangs is told nothing."""
        told: dict[str, object] = {"ready": True, "udp": self._udp()}
        while True:
            with contextlib.suppress(OSError):
                self._parent.send(json.dumps(told | {"connections": len(state.connections)}).encode() + b"\n")
            told = {}
            await asyncio.sleep(TELL_EVERY_S)


def read_orders(parent: socket.socket) -> WorkerOrders:
    """Blocking. Raises ``OSError`` and ``ValueError`` for orders that do not come whole."""
    (length,) = LENGTH.unpack(_exactly(parent, LENGTH.size))
    return WorkerOrders.from_json(_exactly(parent, length))


def _exactly(link: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = link.recv(length - len(data))
        if not more:
            raise ValueError("the orders broke off")
        data += more
    return bytes(data)
