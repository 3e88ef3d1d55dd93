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
from collections.abc import Callable, Generator, Sequence

import structlog
import uvicorn
from fastapi import FastAPI

from protocol.errors import EarshotError
from server.app import build_app
from server.connections import Asking, http_connection
from server.leaving import FAULT_S, GOODBYE_S, LEFTOVERS_S, Leaving, leaves_within_s
from server.logs import set_up_logs
from server.nodes.entrance import Entrance
from server.settings import Settings
from server.shown_url import shown_url
from server.websocket_connection import WebSocketConnection

log = structlog.get_logger(__name__)

BACKLOG = 512
HEADERS_MAX_BYTES = 32 * 1024  # h11: request line and headers together; browsers and proxies send some 2 KiB
KEEP_ALIVE_S = 15
EXIT_HARD = 130


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: ours are set on the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def serve(settings: Settings, *, announce: Callable[[str], None] | None = None) -> int:
    """Serve until told to stop; the process's exit code. ``announce`` gets one line with the address."""
    set_up_logs(settings)
    try:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
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
        entrance: Entrance | None = None,
    ) -> None:
        self.settings = settings
        self.asking = asking or Asking()
        self.app = app if app is not None else build_app(settings)
        self.ready = asyncio.Event()
        self.url = ""
        self._announce = announce
        self._on_ready = on_ready
        self._entrance = entrance
        self._stopping: asyncio.Task[None] | None = None
        self._server: Server | None = None

    async def run(self, *, handle_signals: bool = True) -> None:
        """Serve. Raises ``OSError`` when the address cannot be listened on."""
        sockets = [listen(self.settings)] if self._entrance is None else self._entrance.listen(self.settings)
        self._server = Server(configure(self.app, self.settings, self.asking))
        if self._entrance is not None:
            self._entrance.prepare(self._server.config, self.asking, self.app)
        ready = asyncio.create_task(self._tell_ready(sockets), name="tell ready")
        loop = asyncio.get_running_loop()
        if handle_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
        try:
            await self._server.serve(sockets=sockets)
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
            if self._entrance is not None:
                await self._entrance.close()
            for listening in sockets:
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
                if self.app.state.services is not None:  # else it was told so while it was starting still
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

    async def _tell_ready(self, sockets: Sequence[socket.socket]) -> None:
        assert self._server is not None
        while not self._server.started:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.02)
        if self._stopping is not None:  # told so while it was starting: nobody comes any more
            return
        if self._entrance is not None:
            self._on_ready()
            self._entrance.open(self._server)
            self.ready.set()
            log.info("serving")
            return
        host, port = sockets[0].getsockname()[:2]
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


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop of a server: uvloop's, where that is."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
