"""Serving the app: our own listening socket, uvicorn's loop, and our own way to stop.

What uvicorn leaves open and is closed here:

- A peer that takes no bytes is never given up by uvicorn, neither by pings nor by close: ``TCP_USER_TIMEOUT`` on the
  listening socket, which accepted sockets inherit, and ``abort_connection`` in each socket's scope, end it.
- On SIGTERM uvicorn closes WebSockets at once. Sessions must first get their finals: we drain, tell everybody, and
  only then let uvicorn stop. A second signal ends the process at once, and the first one when its time is over
  (``server.leaving``): what was recorded and stored is kept, as after any other end.
- Pings, and fragments without bytes, are taken without a bound, and text that is none is logged with its traceback:
  ``WebSocketConnection`` does neither.
- A request whose head never ends is waited for without end: ``server.connections`` keeps a deadline and a count.
- Its log of WebSockets has queries in it; it is held back in ``server.logs``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from protocol.errors import EarshotError
from server.app import build_app
from server.connections import Asking, http_connection
from server.leaving import FAULT_S, GOODBYE_S, LEFTOVERS_S, Leaving, leaves_within_s
from server.logs import set_up_logs
from server.settings import Settings
from server.shown_url import shown_url

log = structlog.get_logger(__name__)

BACKLOG = 512
HEADERS_MAX_BYTES = 32 * 1024  # h11: request line and headers together; browsers and proxies send some 2 KiB
KEEP_ALIVE_S = 15
# Of one message: libraries that cut messages into frames at all make them of kilobytes. Empty ones count as nothing by
# their bytes, so that these alone would not bound them.
FRAGMENTS_MAX = 1024
PONGS_WAITING_MAX_BYTES = 64 * 1024  # for a peer that sends pings and reads no answers
EXIT_HARD = 130


class WebSocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, which its door can cut, and which a peer that is behind does not lose by its own pings."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # The scope's state is a copy of this, so that the door finds there what it may do to its own connection.
        own = {"abort_connection": self.abort, "take_messages_of": self.take_messages_of}
        super().__init__(config, server_state, app_state | own, _loop)
        self._heard_at_s = 0.0
        self._cut: asyncio.TimerHandle | None = None

    def abort(self) -> None:
        """End the TCP connection now, with whatever it still had to send."""
        if self.transport is not None and not self.disconnected:
            self.transport.abort()

    def take_messages_of(self, max_bytes: int) -> None:
        """Larger ones than sockets take else, or smaller."""
        self.conn.max_message_size = max_bytes

    def data_received(self, data: bytes) -> None:
        self._heard_at_s = self.loop.time()
        super().data_received(data)
        self._cut_when_closing()

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


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: ours are set on the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def serve(settings: Settings, *, announce: Callable[[str], None] | None = None) -> int:
    """Serve until told to stop; the process's exit code. ``announce`` gets one line with the address."""
    set_up_logs(settings)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(Serving(settings, announce=announce, on_ready=keep_what_is_there).run())
    except EarshotError as error:
        log.error("cannot start", code=error.code, reason=error.message)
        return 1
    except OSError as error:
        log.error("cannot listen", reason=error.strerror or str(error))
        return 1
    return 0


def keep_what_is_there() -> None:
    """What a node has when it is ready it has to its end, some 280,000 objects. To look at them all again, as Python's
    collector does now and then, takes tenths of a second, in which nobody is told anything."""
    gc.collect()
    gc.freeze()


class Serving:
    """One node being served. ``run`` returns when it has stopped; ``stop`` asks for that, from the loop's thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        app: FastAPI | None = None,
        announce: Callable[[str], None] | None = None,
        asking: Asking | None = None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings
        self.asking = asking or Asking()
        self.app = app if app is not None else build_app(settings)
        self.ready = asyncio.Event()
        self.url = ""
        self._announce = announce
        self._on_ready = on_ready
        self._stopping: asyncio.Task[None] | None = None
        self._server: Server | None = None

    async def run(self, *, handle_signals: bool = True) -> None:
        """Serve. Raises ``OSError`` when the address cannot be listened on."""
        listening = listen(self.settings)
        self._server = Server(configure(self.app, self.settings, self.asking))
        ready = asyncio.create_task(self._tell_ready(listening), name="tell ready")
        loop = asyncio.get_running_loop()
        if handle_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
        try:
            await self._server.serve(sockets=[listening])
        except SystemExit:
            # uvicorn's answer to a lifespan that failed; what nobody foresaw was logged where it happened.
            unforeseen = EarshotError("the server could not start; the log says why")
            raise getattr(self.app.state, "why_not", unforeseen) from None
        finally:
            ready.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ready
            if handle_signals:
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.remove_signal_handler(number)
            listening.close()

    def stop(self) -> None:
        """Begin to stop: refuse what is new, let finals be made, tell everybody, close. Idempotent."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="stopping")

    def _on_signal(self) -> None:
        if self._stopping is None:
            log.info("stopping; once more to stop at once")
            within_s = leaves_within_s(self.settings.drain_deadline_s)
            last = threading.Timer(within_s, _leave_now)  # a thread: the loop may be what does not end
            last.daemon = True
            last.start()
            self.stop()
        else:
            log.warning("stopped at once")
            sys.stderr.flush()
            os._exit(EXIT_HARD)

    async def _stop(self) -> None:
        assert self._server is not None
        leaving: Leaving = self.app.state.leaving
        leaving.draining = True
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self.settings.drain_deadline_s
        try:
            # The services keep the deadline themselves; the second one is for a bug in that.
            async with asyncio.timeout(self.settings.drain_deadline_s + FAULT_S):
                await self.app.state.services.drain()
        except TimeoutError:
            log.error("finals were not ready in time; their sound is kept and heard at the next start")
        except Exception:
            log.exception("drain failed")
        if not await leaving.uploads.wait_empty(max(0.0, until_s - loop.time())):
            log.warning("uploads did not come to their end and are cut", count=leaving.uploads.count)
        leaving.told.set()
        if not await leaving.sockets.wait_empty(GOODBYE_S):
            log.warning("sockets did not close and are cut", count=leaving.sockets.count)
        self._server.should_exit = True

    async def _tell_ready(self, listening: socket.socket) -> None:
        assert self._server is not None
        while not self._server.started:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.02)
        host, port = listening.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        self._on_ready()
        self.ready.set()
        log.info("serving", host=host, port=port)
        if self._announce is not None:
            self._announce(f"Earshot is at {shown_url(self.settings.host, port)}")
            self._announce(f"WebRTC: UDP {self.app.state.services.ports.described}")


def _leave_now() -> None:
    log.error("stopping took too long and is cut short; what was recorded is kept, and goes on at the next start")
    sys.stderr.flush()
    os._exit(0)


def listen(settings: Settings) -> socket.socket:
    """The listening socket. What is accepted from it is reset when a peer acknowledges nothing for the deadline."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere the option would share the port with another server
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux, RFC 5482
            timeout_ms = int((settings.write_deadline_s + settings.ping_interval_s) * 1000)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        # Interims are small and must leave at once.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def configure(app: FastAPI, settings: Settings, asking: Asking) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=http_connection(asking),
        ws=WebSocketConnection,
        ws_max_size=settings.message_max_bytes,
        ws_ping_interval=settings.ping_interval_s,
        # So a peer that is gone is seen to be within two intervals.
        ws_ping_timeout=settings.ping_interval_s,
        # Costs memory per connection, and a small message could unpack into a large one.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # What a header says of a client's address is not believed.
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=LEFTOVERS_S,
        h11_max_incomplete_event_size=HEADERS_MAX_BYTES,
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
