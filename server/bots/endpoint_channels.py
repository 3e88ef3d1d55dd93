"""Ways to an endpoint: one attempt to tell it a message, by a webhook or a WebSocket, at an address that was checked.

What is sent is signed (``server.bots.signatures``): each POST, and that a WebSocket is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from protocol import ids
from protocol.errors import BadInput
from server.bots.signatures import headers_of
from server.store.endpoint_store import Endpoint
from server.store.webhook_records import Outcome
from server.webhooks.destinations import RefusedAddress, Resolve, addresses_of, check_url
from server.webhooks.sender import Sender
from server.webhooks.signing import USER_AGENT

ANSWER_MAX_BYTES = 64 * 1024  # of a message from there, which nobody reads
GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """``sub_code``: why it was not taken. ``is_final``: it will not be, however often it is tried."""

    is_taken: bool
    sub_code: str = ""
    is_final: bool = False
    retry_after_s: float = 0.0


class Channel(ABC):
    """To one endpoint, for one task. ``tries_max`` and ``pause_s``: how patient one is that does not take something."""

    tries_max: ClassVar[int]
    pause_s: ClassVar[float]

    @abstractmethod
    async def tell(self, message_id: str, body: bytes, *, is_passing: bool) -> Attempt:
        """Once. Raises nothing that the receiver can bring about. ``is_passing``: not worth a connection."""

    @abstractmethod
    async def close(self) -> None: ...


class WebhookChannel(Channel):
    tries_max, pause_s = 60, 1.0

    def __init__(self, endpoint: Endpoint, sender: Sender, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._sender = sender
        self._clock = clock

    async def tell(self, message_id: str, body: bytes, *, is_passing: bool) -> Attempt:
        headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        headers |= headers_of(self._endpoint.secret, message_id, int(self._clock()), body)
        told = await self._sender.post(self._endpoint.url, body, headers)
        if told.outcome is Outcome.OK:
            return Attempt(is_taken=True)
        is_final = told.outcome in (Outcome.GONE, Outcome.REFUSED)
        return Attempt(False, told.outcome.value, is_final, told.retry_after_s or 0.0)

    async def close(self) -> None:
        """The sender is everybody's."""


class SocketChannel(Channel):
    """One connection, opened when there is something to tell. A receiver says nothing of what it took, but its library
    answers a ping once it has read what was sent before (RFC 6455, 5.5.3): until then a message is not taken, and where
    the connection is lost meanwhile, it is told again by the next."""

    tries_max, pause_s = 30, 3.0

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        private: bool,
        deadline_s: float,
        look_up: Resolve,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = endpoint
        self._private = private
        self._deadline_s = deadline_s
        self._look_up = look_up
        self._clock = clock
        self._connection: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def tell(self, message_id: str, body: bytes, *, is_passing: bool) -> Attempt:
        if is_passing and (self._reading is None or self._reading.done()):
            return Attempt(is_taken=True)
        try:
            async with asyncio.timeout(self._deadline_s):
                connection = await self._open()
                await connection.send(body.decode())
                if not is_passing:
                    await (await connection.ping())
        except (RefusedAddress, BadInput):
            return Attempt(False, Outcome.REFUSED.value, is_final=True)
        except TimeoutError:
            await self.close()
            return Attempt(False, Outcome.TIMEOUT.value)
        except (OSError, WebSocketException, ValueError):  # ValueError: it sent us elsewhere
            await self.close()
            return Attempt(False, Outcome.UNREACHABLE.value)
        return Attempt(is_taken=True)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        reading, self._reading = self._reading, None
        if connection is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await connection.close()
            connection.transport.abort()
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _open(self) -> ClientConnection:
        if self._connection is not None and self._reading is not None and not self._reading.done():
            return self._connection
        await self.close()
        target = check_endpoint_url(self._endpoint.url, private=self._private)
        addresses = await addresses_of(target, private=self._private, look_up=self._look_up)
        # To the address that was looked at, under the name that was given, and to no other that it sends us to.
        connecting = connect(
            self._endpoint.url,
            host=addresses[0],
            port=target.port or (443 if target.scheme == "https" else 80),
            additional_headers=headers_of(self._endpoint.secret, ids.new_request_id(), int(self._clock()), b""),
            user_agent_header=USER_AGENT,
            proxy=None,
            open_timeout=None,
            max_size=ANSWER_MAX_BYTES,
            compression=None,
        )
        self._connection = await connecting
        self._reading = asyncio.create_task(_ignore(self._connection), name=f"endpoint {self._endpoint.id}")
        return self._connection


async def _ignore(connection: ClientConnection) -> None:
    """What an endpoint says, until it has gone."""
    async for _ in connection:
        pass


def check_endpoint_url(url: str, *, private: bool) -> httpx.URL:
    """As a webhook's, of whose schemes those of WebSockets are taken for. Raises ``BadInput``."""
    scheme, _, rest = url.partition(":")
    of_web = {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme)
    return check_url(f"{of_web}:{rest}", private=private)
