"""One WebSocket at a door: every write has a deadline, every end is a typed error and then a close code.

The connection is accepted before anything is checked (but the host and the page's origin), because a browser is told
the close code only then.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeVar

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from uvicorn.protocols.utils import ClientDisconnected

from protocol.errors import EarshotError, Forbidden, Internal, InvalidMessage
from protocol.events import Event, Interim
from protocol.wire import v1
from server.accounts.credentials import SCHEMES
from server.accounts.principal import Principal, nobody
from server.accounts.resource import Resource
from server.auth import Action
from server.doors.access import (
    check_page,
    enter,
    handed_over,
    leaving_of,
    plainly,
    resource_of,
    settings_of,
    unwelcome_of,
)
from server.doors.told_texts import ToldTexts, as_text
from server.limits import MessageRate
from server.subscription import Subscription

log = structlog.get_logger(__name__)

NORMAL = 1000
# A sender of frames of 20 ms that is as fast as it may be sends half of that.
MESSAGES_PER_S_LEAST = 1000
MESSAGES_BURST = 2000
FRAMES_PER_S = 50
REASON_MAX_BYTES = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, two of them are the code


C = TypeVar("C", bound="SocketConnection")


class Gone(Exception):
    """The other side is not there any more. Nobody's fault, nothing to tell."""


class SocketConnection:
    """A WebSocket as doors see it. Any task may ``send``; one task reads."""

    subprotocols: ClassVar[tuple[str, ...]] = SCHEMES  # those that are chosen when they are offered

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.principal: Principal = nobody()
        settings = settings_of(websocket)
        self._write_deadline_s = settings.write_deadline_s
        self._ping_interval_s = settings.ping_interval_s
        self._rate = MessageRate(max(MESSAGES_PER_S_LEAST, 2 * FRAMES_PER_S * settings.catch_up_factor), MESSAGES_BURST)
        self._sending = asyncio.Lock()  # messages leave whole, and a close leaves last

    @property
    def transcript_id(self) -> str:
        return str(self.websocket.path_params["transcript_id"])

    @property
    def resource(self) -> Resource | None:
        """What the path names, once the socket was let in."""
        return resource_of(self.websocket)

    async def enter(self, action: Action) -> Principal:
        """Who asks, let in for ``action``. Raises what ``access.enter`` raises."""
        return await enter(self.websocket, action)

    async def prepare(self) -> None:
        """What may be refused before the connection is accepted, of whoever was let in. Raises ``EarshotError``."""

    async def release(self) -> None:
        """Let go of what ``prepare`` took; called last, however it ended."""

    async def turn_away(self, error: EarshotError) -> None:
        """Whoever is not let in learns why, and nothing else."""
        await self.accept()
        await self.refuse(error)

    async def accept(self) -> None:
        await self.websocket.accept(subprotocol=self.chosen_subprotocol)

    @property
    def chosen_subprotocol(self) -> str | None:
        """A client that offers subprotocols fails the connection unless one is chosen. The token is never echoed."""
        offered: list[str] = self.websocket.scope["subprotocols"]
        return next((name for name in offered if name.lower() in self.subprotocols), None)

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises ``Gone``; a peer that takes no bytes for the deadline is cut."""
        await self.send_text(as_text(message))

    async def tell(self, item: Event | Interim) -> None:
        """As ``send``, of what others may be told as well."""
        texts: ToldTexts = self.websocket.app.state.told_texts
        await self.send_text(texts.of(item))

    async def send_text(self, text: str) -> None:
        """As ``send``, of a message that is text already."""
        async with self._sending:
            await self._within_deadline(self.websocket.send_text(text))

    async def receive(self) -> str | bytes:
        """The next text or binary message; one of too many is read a little later. Raises ``Gone``."""
        try:
            message = await self.websocket.receive()
        except RuntimeError:
            raise Gone from None
        if message["type"] == "websocket.disconnect":
            raise Gone
        wait_s = self._rate.taken(asyncio.get_running_loop().time())
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"]

    def rendered(self, error: EarshotError) -> dict[str, Any]:
        """How it is told before a close."""
        return v1.render_error(error, recoverable=error.retryable)

    async def refuse(self, error: EarshotError, *, reason: str = "") -> None:
        """Tell the error, then close with its code."""
        with contextlib.suppress(Gone):
            await self.send(self.rendered(error))
            await self.close(error.close_code, reason or error.code)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        async with self._sending:
            if self.websocket.application_state is not WebSocketState.CONNECTED:
                return
            await self._within_deadline(
                self.websocket.close(code, reason.encode()[:REASON_MAX_BYTES].decode(errors="ignore"))
            )
        # The closing handshake needs a peer that reads. One that does not is cut.
        asyncio.get_running_loop().call_later(self._write_deadline_s, self.abort)

    def abort(self) -> None:
        """Cut the connection; needs our own protocol class below, else the server's time-outs have to do it."""
        cut: Callable[[], None] | None = self.websocket.scope.get("state", {}).get("abort_connection")
        if cut is not None:
            cut()

    def take_messages_of(self, max_bytes: int) -> None:
        """Needs our own protocol class, too; else the setting holds."""
        take: Callable[[int], None] | None = self.websocket.scope.get("state", {}).get("take_messages_of")
        if take is not None:
            take(max_bytes)

    async def ping(self) -> None:
        """Send a ping message every interval, for ever."""
        while True:
            await asyncio.sleep(self._ping_interval_s)
            await self.send(v1.render_ping(time.time()))

    async def wait_leaving(self, subscription: Subscription | None = None) -> None:
        """Until the node leaves and what the subscription has by then is told; then raises ``Draining``."""
        leaving = leaving_of(self.websocket)
        await leaving.told.wait()
        if subscription is not None:
            await subscription.delivered()
        raise leaving.error()

    async def _within_deadline(self, write: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._write_deadline_s):
                await write
        except TimeoutError:
            log.info("reader took no bytes and is cut", deadline_s=self._write_deadline_s)
            self.abort()
            raise Gone from None
        except (WebSocketDisconnect, ClientDisconnected, RuntimeError, OSError):
            raise Gone from None


async def serve_socket(
    websocket: WebSocket,
    action: Action,
    speak: Callable[[SocketConnection], Coroutine[Any, Any, None]],
    *,
    message_max_bytes: int | None = None,
) -> None:
    """Let a socket in for ``action`` and run ``speak`` with it; whatever it raises becomes an error and a close.

    ``message_max_bytes``: of one message of whoever was let in, where that is not as the setting has it.
    """
    await serve_connection(SocketConnection(websocket), action, speak, message_max_bytes=message_max_bytes)


async def serve_connection(
    connection: C,
    action: Action,
    speak: Callable[[C], Coroutine[Any, Any, None]],
    *,
    message_max_bytes: int | None = None,
) -> None:
    """As ``serve_socket``, of a connection whose contract says otherwise how errors are told."""
    websocket = connection.websocket
    try:
        check_page(websocket)
    except Forbidden as error:
        # A browser's page is told nothing but that it failed; whoever runs the server finds the setting to set here.
        log.info("socket refused", why=error.message)
        await websocket.close()  # before it was accepted: HTTP 403
        return
    try:
        connection.principal = await connection.enter(action)
        await connection.prepare()
        await _serve(connection, action, speak, message_max_bytes)
    except EarshotError as error:
        await connection.turn_away(error)
    except Gone:
        pass
    finally:
        await connection.release()


async def _serve(
    connection: C,
    action: Action,
    speak: Callable[[C], Coroutine[Any, Any, None]],
    message_max_bytes: int | None,
) -> None:
    """Whoever was let in. What goes wrong from here on is told and closed."""
    websocket = connection.websocket
    if message_max_bytes is not None:
        connection.take_messages_of(message_max_bytes)
    await connection.accept()
    leaving = leaving_of(websocket)
    with leaving.sockets:
        try:
            leaving.refuse_new()
            unwelcome = unwelcome_of(websocket, action)
            if unwelcome is None:
                await speak(connection)
            else:
                await until_first(speak(connection), unwelcome())
            await connection.close()
        except Gone:
            pass
        except EarshotError as error:
            if await handed_over(websocket, error):
                return
            error = plainly(websocket, error)
            if error.http_status >= 500 and not error.retryable:
                log.error("socket failed", code=error.code, exc_info=error)
            await connection.refuse(error, reason=_reason(error))
        except Exception:
            log.exception("unexpected error on a socket")
            request_id = websocket.scope["state"]["request_id"]
            await connection.refuse(Internal("something went wrong on our side", details={"request_id": request_id}))


def _reason(error: EarshotError) -> str:
    """A slow reader finds the last seq it was sent in the reason: that is where it goes on."""
    last_seq = error.details.get("last_seq")
    return error.code if last_seq is None else str(last_seq)


async def until_first(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run them together until one ends; end the others; raise what the first one raised."""
    tasks = [asyncio.create_task(coroutine, name="socket") for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    # In the order they were given, when several ended at once.
    for task in tasks:
        if task in done:
            task.result()


def text_of(message: str | bytes) -> str:
    """The message when it is text. Raises ``InvalidMessage`` for a binary one."""
    if isinstance(message, bytes):
        raise InvalidMessage("send JSON text; this socket takes no binary frames")
    return message
