"""A client of the speaking socket: sends as fast as the server takes it, and goes on after a broken connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from protocol.errors import EarshotError
from server.commands.addresses import ServerAddress, Ways
from server.commands.failure import CommandFailed
from server.commands.outbox import Outbox
from server.commands.patience import FINAL_CLOSE_CODES, Patience

# Sent but not acknowledged: eleven minutes of 16 kHz PCM. A server that keeps sound in a bucket acknowledges what is
# there, every ten seconds or so, and not while the bucket is away.
WINDOW_BYTES = 20 * 1024 * 1024
# The server tells how it fares at least every 10 s; a connection that is silent for so long is dead.
SILENT_S = 40.0
STARTED_WITHIN_S = 30.0
# A server may ask for patience, but not for ever.
RETRY_AFTER_MAX_S = 120.0

Message = Mapping[str, Any]


class Refused(CommandFailed):
    """The server said no, and would say so again."""


class SpeakingClient:
    """One track being spoken to one server.

    ``source`` gives sound, whole units at a time, and None after the last. ``on_message`` gets every message that is
    not about the transport itself (``transcription``, ``status``, ...); ``on_trouble`` a sentence when the connection
    breaks. ``on_error`` gets the data of each error, before anything is done about it; ``on_started`` is called when a
    connection is let in. ``speak`` may be called once.

    It stays away as long as a refusal asks for, and goes on at another address when the server names one.
    """

    def __init__(
        self,
        address: ServerAddress | Ways,
        transcript_id: str,
        start: Mapping[str, Any],
        outbox: Outbox,
        source: Callable[[], Coroutine[Any, Any, bytes | None]],
        *,
        on_message: Callable[[Message], None],
        on_acked: Callable[[int], None] = lambda position: None,
        on_trouble: Callable[[str], None] = lambda sentence: None,
        on_error: Callable[[Mapping[str, Any]], None] = lambda data: None,
        on_started: Callable[[], None] = lambda: None,
        give_up_s: float = 60.0,
    ) -> None:
        self._ways = address if isinstance(address, Ways) else Ways([address])
        self._path = f"/v1/transcripts_stream/{transcript_id}"
        self._start = dict(start)
        self._outbox = outbox
        self._source = source
        self._on_message = on_message
        self._on_acked = on_acked
        self._on_trouble = on_trouble
        self._on_error = on_error
        self._on_started = on_started
        self._patience = Patience(give_up_s)

        self._resume_token: str | None = None  # from the first `started` on
        self._ended = False  # the source has given its last
        self._hurry = asyncio.Event()  # set by `finish_now`
        self._room = asyncio.Event()  # set while less than the window is unacknowledged
        self._room.set()
        self._stopped: dict[str, Any] | None = None  # data of `stopped`
        self._refusal: Refused | None = None
        self._stop_sent = False
        self._last_error = ""  # the message of the last error that ended a connection
        self._retry_after_s = 0.0  # asked for by it
        self._is_sent_on = False  # it said where to go on
        self._getting: asyncio.Future[bytes | None] | None = None  # the source being asked
        self._hurry_task: asyncio.Task[bool] | None = None
        # What broke the source off, if anything did: the sound before it was sent all the same.
        self.source_error: EarshotError | None = None

    @property
    def let_in(self) -> bool:
        """Whether the server has ever begun to listen to it."""
        return self._resume_token is not None

    def finish_now(self) -> None:
        """Send nothing more from the source; ask for the words of what was sent."""
        self._hurry.set()
        self._room.set()

    async def speak(self) -> dict[str, Any]:
        """The data of the server's ``stopped``. Raises ``CommandFailed`` when it refused or was gone for too long."""
        try:
            return await self._speak()
        finally:
            for task in (self._getting, self._hurry_task):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)

    async def _speak(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        while True:
            self._retry_after_s, self._is_sent_on = 0.0, False
            try:
                trouble = await self._connection()
            except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                trouble = said(error)
                self._not_reached(error)
            if self._stopped is not None:
                return self._stopped
            if self._refusal is not None:
                raise self._refusal
            wait_s = self._patience.failed(loop.time())
            if wait_s is None:
                raise CommandFailed(f"The server at {self._ways.now} cannot be reached ({trouble}).")
            if self._resume_token is not None:
                self._on_trouble(f"Connection lost ({trouble}); connecting again.")
            await asyncio.sleep(max(wait_s, self._retry_after_s))

    def _not_reached(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus):
            self._mind_retry_after(error.response.headers.get("Retry-After"))
            self._on_error({"code": f"HTTP_{error.response.status_code}", "details": {}})
        self._ways.try_next()

    def _mind_retry_after(self, seconds: object) -> None:
        with contextlib.suppress(ValueError):
            self._retry_after_s = min(max(float(str(seconds)), 0.0), RETRY_AFTER_MAX_S)

    async def _connection(self) -> str:
        """One connection, until it ends; says why it did."""
        async with connect(
            f"{self._ways.now.websocket}{self._path}",
            additional_headers=self._ways.now.headers,
            compression=None,  # sound does not compress
            ping_interval=None,  # SILENT_S does this job, also while back-pressure holds our frames
            open_timeout=10,
            close_timeout=5,
        ) as socket:
            self._stop_sent = False
            await socket.send(json.dumps({"type": "start", "data": self._start_data()}))
            started = await self._await_started(socket)
            if started is None:
                return "the server closed the connection"
            sending = asyncio.create_task(self._send(socket, started))
            try:
                await self._read(socket)
            finally:
                sending.cancel()
                # What can go wrong in it is the connection's end, which reading has seen as well.
                await asyncio.gather(sending, return_exceptions=True)
            return f"closed with code {socket.close_code}"

    def _start_data(self) -> dict[str, Any]:
        return {**self._start, "resume": self._resume_token} if self._resume_token else self._start

    async def _await_started(self, socket: ClientConnection) -> dict[str, Any] | None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                async with asyncio.timeout(STARTED_WITHIN_S):
                    message = json.loads(await socket.recv())
                if message.get("type") == "started":
                    data: dict[str, Any] = message["data"]
                    self._resume_token = data["resume_token"]
                    self._on_started()
                    return data
                self._take(message)
        self._judge(socket)
        return None

    async def _send(self, socket: ClientConnection, started: Mapping[str, Any]) -> None:
        try:
            again = self._outbox.since(int(started["position"]))
        except ValueError as error:
            self._refusal = Refused(f"The recording cannot go on: {error}.")
            await socket.close()
            return
        # Not acknowledged by that: if this server dies as well, another may ask for it once more.
        for sound in again:
            await socket.send(sound)
        # Half the time after which the server would take us for gone.
        keepalive_s = max(float(started.get("keepalive_s", 10.0)) / 2, 0.5)
        while not self._ended and not self._hurry.is_set():
            sound_or_end = await self._next(keepalive_s) if await self._has_room(keepalive_s) else b""
            if sound_or_end == b"":
                await socket.send(json.dumps({"type": "keepalive"}))
            elif sound_or_end is None:
                self._ended = True
            else:
                self._outbox.append(sound_or_end)
                self._mind_the_window()
                await socket.send(sound_or_end)
        await socket.send(json.dumps({"type": "stop"}))
        self._stop_sent = True

    async def _has_room(self, within_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._room.wait()
        return self._room.is_set()

    async def _next(self, within_s: float) -> bytes | None:
        """Sound; empty when there was none within the time; None after the last."""
        if self._getting is None:
            self._getting = asyncio.ensure_future(self._source())
        # It outlives a broken connection: what was asked for is taken by the next one, not lost.
        waited: set[asyncio.Future[Any]] = {self._getting, self._hurrying()}
        await asyncio.wait(waited, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        if not self._getting.done():
            return None if self._hurry.is_set() else b""
        got, self._getting = self._getting, None
        try:
            return got.result()
        except EarshotError as error:
            self.source_error = error
            return None

    def _hurrying(self) -> asyncio.Task[bool]:
        if self._hurry_task is None:
            self._hurry_task = asyncio.create_task(self._hurry.wait())
        return self._hurry_task

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                async with asyncio.timeout(SILENT_S):
                    self._take(json.loads(await socket.recv()))
        self._judge(socket)

    def _take(self, message: Message) -> None:
        data = message.get("data") or {}
        match message.get("type"):
            case "ack":
                self._acked(int(data["position"]))
                self._patience.worked()  # not a mere connection: a server that always breaks would be tried for ever
            case "stopped":
                self._stopped = dict(data)
            case "error":
                self._take_error(data)
                if data.get("recoverable", True):
                    self._on_message(message)
            case "ping":
                pass
            case _:
                self._on_message(message)

    def _take_error(self, data: Mapping[str, Any]) -> None:
        """Whether a close follows or not: that of a server that is only busy is called recoverable, too."""
        self._on_error(data)
        details = data.get("details") or {}
        self._mind_retry_after(details.get("retry_after_s"))
        self._is_sent_on = self._ways.follow(details)
        if not data.get("recoverable", True):
            # The close code that follows says whether trying again can help; this says why in words.
            self._last_error = str(data.get("message", ""))
            self._on_trouble(self._last_error)

    def _judge(self, socket: ClientConnection) -> None:
        """After a close: whether the server meant it."""
        if self._stopped is None and self._stop_sent and socket.close_code == CloseCode.NORMAL_CLOSURE:
            self._stopped = {}  # it ended as it should; only the goodbye did not reach us
        if self._stopped is None and socket.close_code in FINAL_CLOSE_CODES and not self._is_sent_on:
            reason = self._last_error or socket.close_reason or f"close code {socket.close_code}"
            self._refusal = Refused(f"The server refused: {reason}")

    def _acked(self, position: int) -> None:
        self._outbox.ack(position)
        self._mind_the_window()
        self._on_acked(self._outbox.acked)

    def _mind_the_window(self) -> None:
        if self._outbox.unacked_bytes < WINDOW_BYTES or self._hurry.is_set():
            self._room.set()
        else:
            self._room.clear()


def said(error: Exception) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, InvalidStatus):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
