"""A WebSocket of uvicorn, which its door can cut, and a peer that is behind does not lose by its own pings."""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

# Of one message: libraries that cut messages into frames at all make them of kilobytes. Empty ones count as nothing by
# their bytes, so that these alone would not bound them.
FRAGMENTS_MAX = 1024
PONGS_WAITING_MAX_BYTES = 64 * 1024  # for a peer that sends pings and reads no answers
# What a peer sends on that broke the protocol is thrown away for so long, and while it comes.
LINGER_S, LINGER_MAX_S = 0.5, 10.0


class WebSocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which its door can cut, and which a peer that is behind does not lose by its own pings."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # The scope's state is a copy of this, so that the door finds there what it may do with its own connection.
        super().__init__(config, server_state, app_state | self.given_to_doors(), _loop)
        self._heard_at_s = 0.0
        self._cut: asyncio.TimerHandle | None = None
        self._lingers_until_s: float | None = None

    def given_to_doors(self) -> dict[str, Any]:
        """By name."""
        return {"abort_connection": self.abort, "take_messages_of": self.take_messages_of}

    def abort(self) -> None:
        """End the TCP connection now, with whatever it still had to send."""
        if self.transport is not None and not self.disconnected:
            self.transport.abort()

    def take_messages_of(self, max_bytes: int) -> None:
        """Larger ones than sockets take else, or smaller."""
        self.conn.max_message_size = max_bytes

    def data_received(self, data: bytes) -> None:
        self._heard_at_s = self.loop.time()
        if self._lingers_until_s is not None:
            self._linger(self._lingers_until_s)
            return
        super().data_received(data)
        self._cut_when_closing()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # it was answered, with no: nothing that uvicorn needs to call an error

    def connection_lost(self, exc: Exception | None) -> None:
        if self._cut is not None:
            self._cut.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        self._cut_when_closing()

    def handle_ping(self) -> None:
        # Pongs leave past every queue of ours. RFC 6455, 5.5.3: only the most recent ping must be answered.
        if self.transport.get_write_buffer_size() > PONGS_WAITING_MAX_BYTES:
            self.conn.data_to_send()
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS_MAX:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self._fail(CloseCode.INVALID_DATA, "not UTF-8")
            return
        super().send_receive_event_to_app()

    def _fail(self, code: CloseCode, reason: str) -> None:
        """The peer broke the protocol: tell it, and close."""
        self.frames = []
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """As uvicorn's, but a peer that sends on shall read why: a close while bytes come is a reset, which takes the
        answer back."""
        assert self.conn.close_sent is not None, "it failed"
        told = self.conn.close_sent
        self.queue.put_nowait({"type": "websocket.disconnect", "code": told.code, "reason": told.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._lingers_until_s = self.loop.time() + LINGER_MAX_S
        self._linger(self._lingers_until_s)

    def _linger(self, until_s: float) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_at(min(self.loop.time() + LINGER_S, until_s), self.abort)

    def _cut_when_closing(self) -> None:
        """A close waits for a buffer that may never empty."""
        if self._cut is None and self.transport.is_closing():
            self._cut = self.loop.call_later(self.close_timeout, self.abort)

    def keepalive_timeout(self) -> None:
        # A pong waits behind the sound that was sent before it. While sound comes, or we do not read because we hold
        # the sender back, the peer is not dead.
        if self.read_paused or self._heard_at_s > self.ping_sent_at:
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        self._cut_when_closing()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
