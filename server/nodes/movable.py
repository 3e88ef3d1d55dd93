"""Connections that may go on in another worker (``server.nodes.handing_over``), as uvicorn's protocols.

The door of a request finds ``hand_over`` in its scope's state. A connection that went on elsewhere is closed here
without a word: its other end does not see that. One that came is fed with what was read of it before anything else is.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any, cast

import h11
from uvicorn._types import ASGISendEvent

from server.connections import Asking, HttpConnection
from server.nodes.handing_over import HandingOver, Record
from server.websocket_connection import WebSocketConnection

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Arrived:
    """What was read of a connection elsewhere; ``is_answered``: its WebSocket was accepted there."""

    read: bytes
    is_answered: bool


class MovableWebSocket(WebSocketConnection):
    """Until the first message to the client: whatever was read until then, the other worker can read as well."""

    hands: HandingOver  # set by ``movable``
    _is_accepted = False
    _arrived: Arrived | None = None

    def given_to_doors(self) -> dict[str, Any]:
        return {**super().given_to_doors(), "hand_over": self.hand_over, "ask": self.hands.ask}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._record = Record()
        super().connection_made(cast(asyncio.Transport, transport))

    def arrive(self, arrived: Arrived) -> None:
        """Its handshake was read; what came after it is read once it is accepted here as well."""
        self._record.stop()
        self._arrived = arrived

    def data_received(self, data: bytes) -> None:
        self._record.add(data)
        super().data_received(data)

    async def send(self, message: ASGISendEvent) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            await self._accept(message)
            return
        self._record.stop()
        if self._arrived is not None and self._arrived.is_answered and not self._is_accepted:
            self.abort()  # the client was told that it is accepted
            return
        await super().send(message)

    async def _accept(self, message: ASGISendEvent) -> None:
        arrived, transport = self._arrived, self.transport
        if arrived is not None and arrived.is_answered:
            self.transport = Muted(transport)
        try:
            await super().send(message)
        finally:
            self.transport = transport
        self._is_accepted = True
        if arrived is not None and arrived.read:
            super().data_received(arrived.read)

    async def hand_over(self, node_id: str) -> bool:
        """Whether it goes on at that node, and here no more."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return False
        self.transport.pause_reading()
        if await _handed_over(self.hands, self.transport, node_id, self._record, is_answered=self._is_accepted):
            return True
        if not self.read_paused:
            self.transport.resume_reading()
        return False


class MovableHttp(HttpConnection):
    """As long as nothing was answered to the present request."""

    hands: HandingOver  # set by ``movable``
    arrived: Arrived | None = None

    def given_to_doors(self) -> dict[str, Any]:
        return {**super().given_to_doors(), "hand_over": self.hand_over}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._record = Record()
        super().connection_made(transport)
        if self.arrived is None:
            return
        head, end, rest = self.arrived.read.partition(HEAD_END)
        self.data_received(head + end)
        now = cast(asyncio.Transport, transport).get_protocol()
        if isinstance(now, MovableWebSocket):
            now.arrive(Arrived(rest, self.arrived.is_answered))
            return
        if rest:
            self.data_received(rest)
        self._record.stop()

    def data_received(self, data: bytes) -> None:
        self._record.add(data)
        super().data_received(data)

    def on_response_complete(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self._record.stop()  # the rest of this one is still to come, and would be taken for the next
        else:
            self._record.begin(self.conn.trailing_data[0])
        super().on_response_complete()

    async def hand_over(self, node_id: str) -> bool:
        """Whether it goes on at that node, and here no more."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            return False
        was_paused = self.flow.read_paused
        self.flow.pause_reading()
        if await _handed_over(self.hands, self.transport, node_id, self._record, is_answered=False):
            self.cycle.disconnected = True  # uvicorn does not answer it
            return True
        if not was_paused:
            self.flow.resume_reading()
        return False


class Muted(asyncio.Transport):
    """Says nothing: it was said elsewhere."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return self._transport.is_closing()


async def _handed_over(
    hands: HandingOver, transport: asyncio.Transport, node_id: str, record: Record, *, is_answered: bool
) -> bool:
    read = record.read
    if read is None:
        return False
    fd = os.dup(transport.get_extra_info("socket").fileno())  # the client may go, and its number be another's
    try:
        if not await hands.hand_over(node_id, fd, read, is_answered=is_answered):
            return False
    finally:
        os.close(fd)
    transport.abort()
    return True


def movable(asking: Asking, hands: HandingOver) -> tuple[type[MovableHttp], type[MovableWebSocket]]:
    """The classes that uvicorn makes connections of, sharing one count and one way to other workers."""

    class Http(MovableHttp):
        pass

    class Socket(MovableWebSocket):
        pass

    Http.asking, Http.hands, Socket.hands = asking, hands, hands
    return Http, Socket
