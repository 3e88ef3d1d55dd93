"""How long a connection may take to ask for something, and how many may do nothing but ask.

uvicorn waits for the rest of a request's head for ever, so a few slow peers could hold every descriptor of the process.
Here a head must be whole within ``HEAD_DEADLINE_S`` of its first byte (of the connection, for the first one); after
an answer uvicorn's own keep-alive deadline counts until the next byte. A body's pace is the business of its reader
(``server.limits``); what still comes of it after the answer is thrown away, for ``LINGER_S`` at most: a client that is
refused in the middle of an upload shall read why (a close while bytes come is a reset, which takes the answer back),
and none may drip for ever.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

log = structlog.get_logger(__name__)

LINGER_S = 30.0
HEAD_DEADLINE_S = 10.0  # a phone on a bad line sends its 2 KiB within two seconds
# Connections of one address whose head is not whole. A browser opens six at once. Many people may be behind one proxy,
# but that sends whole heads, so its connections are counted for a moment only.
ASKING_MAX = 256
_REQUEST_TIMEOUT = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 42\r\n"
    b"Connection: close\r\n\r\nThe request did not come within its time.\n"
)


class Asking:
    """Connections whose head is still on its way, counted by address."""

    def __init__(
        self, *, deadline_s: float = HEAD_DEADLINE_S, linger_s: float = LINGER_S, most: int = ASKING_MAX
    ) -> None:
        self.deadline_s = deadline_s
        self.linger_s = linger_s
        self.most = most
        self._counts: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """False: this address has too many already (policy: the newest is cut)."""
        if self._counts[address] >= self.most:
            return False
        self._counts[address] += 1
        return True

    def leave(self, address: str) -> None:
        self._counts[address] -= 1
        if self._counts[address] <= 0:
            del self._counts[address]

    @property
    def count(self) -> int:
        return self._counts.total()


class HttpConnection(H11Protocol):
    """uvicorn's HTTP/1.1 connection with a deadline for each head, and a bound on those that wait for one."""

    asking: Asking  # set by ``http_connection``

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # The scope's state is a copy of this, so that the door finds there what it may do with its own connection.
        super().__init__(config, server_state, app_state | self.given_to_doors(), _loop)
        self._head_deadline: asyncio.TimerHandle | None = None
        self._linger_deadline: asyncio.TimerHandle | None = None
        self._address = ""

    def given_to_doors(self) -> dict[str, Any]:
        """By name."""
        return {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._address = self.client[0] if self.client else ""
        self._head_begins()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._head_ended()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ended()
        self._linger_ended()
        super().connection_lost(exc)

    def _look(self) -> None:
        """A head is under way when bytes are here and no request was made of them yet.

        A body lingers when its request has been answered already.
        """
        if self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY:
            if self._linger_deadline is None and not self.transport.is_closing():
                self._linger_deadline = self.loop.call_later(self.asking.linger_s, self.transport.close)
        else:
            self._linger_ended()
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._head_ended()
        elif self.conn.trailing_data[0]:
            self._head_begins()

    def _head_begins(self) -> None:
        if self._head_deadline is not None:
            return
        if not self.asking.enter(self._address):
            log.warning("connection cut: its address has too many that ask for nothing", most=self.asking.most)
            self.transport.abort()
            return
        self._head_deadline = self.loop.call_later(self.asking.deadline_s, self._on_head_deadline)

    def _head_ended(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None
            self.asking.leave(self._address)

    def _linger_ended(self) -> None:
        if self._linger_deadline is not None:
            self._linger_deadline.cancel()
            self._linger_deadline = None

    def _on_head_deadline(self) -> None:
        self._head_ended()
        if self.conn.trailing_data[0]:
            log.info("connection cut: its request did not come in time")
            self.transport.write(_REQUEST_TIMEOUT)  # RFC 9110, 15.5.9
        # Else a browser opened it ahead of need: it opens another, and no answer may be taken for that of a request.
        self.transport.close()


def http_connection(asking: Asking) -> type[HttpConnection]:
    """The class that uvicorn makes a connection of, sharing one count."""

    class Counted(HttpConnection):
        pass

    Counted.asking = asking
    return Counted
