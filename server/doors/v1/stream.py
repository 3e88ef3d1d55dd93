"""The speaking socket ``/v1/transcripts_stream/{id}``: sound in, acks and (unless ``events`` is false) words out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, WebSocket

from protocol.errors import Draining, EarshotError, Idle, InvalidMessage, SlowReader
from protocol.wire import v1
from protocol.wire.stream import BYTES_PER_SAMPLE, Control, Start, parse_client
from server.auth import Action
from server.doors.access import metrics_of, services_of, settings_of
from server.doors.sockets import SocketConnection, serve_socket, text_of, until_first
from server.services import Services
from server.settings import Settings
from server.speaking import SpeakingSession
from server.subscription import Subscription
from server.telling import Telling

router = APIRouter()

OUTGOING_MAX = 256  # answers to control messages; acks replace each other, so only a flood of controls fills it
# What must come after the finals it speaks of.
_AFTER_FINALS = frozenset({"finalized", "stopped"})


@router.websocket("/v1/transcripts_stream/{transcript_id}")
async def stream(websocket: WebSocket) -> None:
    await serve_socket(websocket, Action.SPEAK, _stream)


class Outgoing:
    """Messages of the session on their way out; policy ``close_slow``. Acks that wait replace each other."""

    def __init__(self) -> None:
        self._waiting: deque[dict[str, Any]] = deque()
        self._woken = asyncio.Event()
        self._empty = asyncio.Event()
        self._overflowed = False

    def put(self, message: dict[str, Any]) -> None:
        """Never blocks. One message too many ends the reading side with ``SlowReader``."""
        if self._waiting and message["type"] == "ack" and self._waiting[-1]["type"] == "ack":
            self._waiting[-1] = message
        elif len(self._waiting) >= OUTGOING_MAX:
            self._overflowed = True
        else:
            self._waiting.append(message)
        self._empty.clear()
        self._woken.set()

    async def run(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Send what is put, in order, for ever."""
        while True:
            while not self._waiting:
                self._empty.set()
                self._woken.clear()
                await self._woken.wait()
            if self._overflowed:
                raise SlowReader("this connection takes its messages too slowly; resume it")
            await send(self._waiting.popleft())

    async def wait_sent(self) -> None:
        """Until everything that was put is sent."""
        await self._empty.wait()


class _Speaking:
    """One speaking socket from its start message on."""

    def __init__(self, connection: SocketConnection, services: Services, settings: Settings) -> None:
        self.connection = connection
        self.services = services
        self.settings = settings
        self.outgoing = Outgoing()
        self.subscription: Subscription | None = None
        self._telling = Telling(services.store, connection.transcript_id)
        self._stopping = False

    async def run(self, start: Start) -> None:
        transcript_id = self.connection.transcript_id
        with ExitStack() as stack:
            if start.events:
                # Before the session begins, so that nothing it causes is missed; and from a seq that is known, because
                # what was stored before it is not waited for.
                self._telling.told((await self.services.store.get_transcript(transcript_id)).last_seq)
                self.subscription = self.services.journal.subscribe(
                    transcript_id,
                    after=self._telling.seq,
                    types=None,
                    queue_max=self.settings.subscriber_queue_max,
                    among=None,
                )
                stack.callback(self.subscription.close)
            session = await SpeakingSession.begin(
                self.services.hub, self.settings, transcript_id, start, self.outgoing.put, comes_back=True
            )
            reason = "connection lost"
            try:
                await until_first(
                    self._hear(session, start),
                    self.outgoing.run(self._send),
                    self._tell(),
                    self._ended(session),
                    self.connection.ping(),
                    self.connection.wait_leaving(self.subscription),
                )
            except EarshotError as error:
                reason = error.code
                raise
            finally:
                session.lost(reason)

    async def _hear(self, session: SpeakingSession, start: Start) -> None:
        """Take what the client sends until it says stop."""
        while True:
            message = await self._next_message()
            if isinstance(message, bytes):
                for piece in slices_of(message, start):
                    await session.audio(piece)
                    # However long the message is, nobody else waits for more than a second of its sound.
                    await asyncio.sleep(0)
                continue
            try:
                control = parse_client(message)
                if isinstance(control, Start):
                    raise InvalidMessage("this session has started already")
                if control is Control.STOP:
                    break
                await session.control(control)
            except EarshotError as error:
                if error.http_status >= 500 and not error.retryable:
                    raise
                self.outgoing.put(v1.render_error(error, recoverable=True))
        await self._stop(session)

    async def _next_message(self) -> str | bytes:
        deadline_s = self.settings.idle_deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await self.connection.receive()
        except TimeoutError:
            # One that may come back by itself: a laptop that slept has done nothing wrong.
            raise Idle(
                f"no sound and no keepalive for {deadline_s:g} s; connect again and resume",
                details={"idle_s": deadline_s},
            ) from None

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] in _AFTER_FINALS and self.subscription is not None:
            await self._telling.caught_up()
        await self.connection.send(message)

    async def _tell(self) -> None:
        if self.subscription is None:
            await asyncio.Event().wait()
            return
        async for item in self.subscription:
            await self.connection.tell(item)
            self._telling.told(self.subscription.last_seq)

    async def _ended(self, session: SpeakingSession) -> None:
        """Somebody else ended it: replaced, too long, deleted; or a reader stopped it, as if the client had."""
        error = await session.wait_ended()
        if isinstance(error, Draining) and self.subscription is not None:
            await self.subscription.delivered()
        if error is not None:
            raise error
        await self._stop(session)

    async def _stop(self, session: SpeakingSession) -> None:
        """Once: the client and a reader may say stop in the same moment, and `stopped` is told once."""
        if self._stopping:
            await asyncio.Event().wait()
        self._stopping = True
        await session.stop()
        await self.outgoing.wait_sent()


def slices_of(message: bytes, start: Start) -> Iterator[bytes]:
    """A binary message as pieces of at most a second of sound, cut between samples of all channels.

    Opus packets and containers stay whole, and so does what does not hold whole samples: it is refused as a whole.
    """
    frame_bytes = BYTES_PER_SAMPLE.get(start.encoding, 0) * start.channels
    if not frame_bytes or len(message) % frame_bytes:
        yield message
        return
    slice_bytes = frame_bytes * start.sample_rate
    for at in range(0, max(1, len(message)), slice_bytes):
        yield message[at : at + slice_bytes]


async def _stream(connection: SocketConnection) -> None:
    websocket = connection.websocket
    services, settings = services_of(websocket), settings_of(websocket)
    start = await _first_message(connection, settings)
    with metrics_of(websocket).subscribers.labels("stream").track_inprogress():
        await _Speaking(connection, services, settings).run(start)


async def _first_message(connection: SocketConnection, settings: Settings) -> Start:
    deadline_s = settings.first_message_deadline_s
    try:
        async with asyncio.timeout(deadline_s):
            message = await connection.receive()
    except TimeoutError:
        raise InvalidMessage(f"no start message within {deadline_s:g} s") from None
    start = parse_client(text_of(message))
    if not isinstance(start, Start):
        raise InvalidMessage('the first message must be {"type": "start", "data": {...}}')
    return start
