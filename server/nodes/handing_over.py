"""Connections that go on in another worker of this machine: the one that holds what they are about.

Workers share one address, so no client can be told to go to another of them. Instead the connection itself goes: its
socket is passed on (unix(7), SCM_RIGHTS), with what was read of its present request. The other worker reads that as if
it had come to it, and answers on the same socket, to the same client. Before, it is asked whether it goes by the name
of the node that is looked for; nothing is passed on to whoever does not.

Where a connection must stay, as one that was told something already, the other worker is asked to do what it is for.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from protocol.errors import EarshotError, TryLater

log = structlog.get_logger(__name__)

RECORD_MAX_BYTES = 1 << 20
"""Of a request that is not answered yet; one of which more was read stays, and is answered with where to go."""

STEP_S = 2.0  # for each step of handing one over
DONE_S = 15.0  # for what another worker was asked to do: longer than an append may take
HEADER_MAX_BYTES = ANSWER_MAX_BYTES = 4096
AT_ONCE = 32
_LENGTH = struct.Struct("!I")
_YES, _NO, _THANKS = b"y", b"n", b"k"

Adopt = Callable[[socket.socket, bytes, bool], Awaitable[None]]
"""Takes a connection over: its socket, what was read of its request, and whether its WebSocket was accepted already."""

Obey = Callable[[str, str], Awaitable[None]]
"""Does something with a transcript that is held here: its id, and what. Raises ``EarshotError``."""


class Record:
    """What was read of the present request, for as long as nothing was answered."""

    def __init__(self) -> None:
        self._read: bytearray | None = bytearray()

    def begin(self, data: bytes = b"") -> None:
        """Another request, of which so much is here."""
        self._read = bytearray(data)

    def add(self, data: bytes) -> None:
        if self._read is not None:
            self._read += data
            if len(self._read) > RECORD_MAX_BYTES:
                self._read = None

    def stop(self) -> None:
        """It is to be answered here."""
        self._read = None

    @property
    def read(self) -> bytes | None:
        """None: it cannot be answered elsewhere any more."""
        return bytes(self._read) if self._read is not None else None


def socket_of(folder: Path, index: int) -> Path:
    """Where worker ``index`` takes connections of others."""
    return folder / f"worker-{index}"


class HandingOver:
    """One worker's. ``node_id``: the name that it goes by now."""

    def __init__(self, folder: Path, index: int, node_id: Callable[[], str], adopt: Adopt, obey: Obey) -> None:
        self._folder = folder
        self._index = index
        self._node_id = node_id
        self._adopt = adopt
        self._obey = obey
        self._task: asyncio.Task[None] | None = None
        self._taking: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def start(self) -> None:
        """Raises ``OSError``."""
        path = socket_of(self._folder, self._index)
        path.unlink(missing_ok=True)  # of the worker before this one
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(os.fspath(path))
            listening.listen(AT_ONCE)
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
        self._task = asyncio.create_task(self._take_all(listening), name="handing over")

    async def stop(self) -> None:
        tasks = [*self._taking, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def hand_over(self, node_id: str, fd: int, record: bytes, *, is_answered: bool) -> bool:
        """To the worker that is this node. False where none beside us is, or it could not be done: it is still ours."""
        for path in self._others():
            async with self._turns:
                if await asyncio.to_thread(_give, path, node_id, fd, record, is_answered):
                    return True
        return False

    async def ask(self, node_id: str, transcript_id: str, what: str) -> bool:
        """Have the worker that is this node do that. False where none beside us is. Raises what it raised, and
        ``TryLater`` where it does not say in time, or at all, what became of it."""
        header = {"node_id": node_id, "transcript_id": transcript_id, "what": what}
        for path in self._others():
            async with self._turns:
                link = await asyncio.to_thread(_meet, path, header)
                if link is None:
                    continue
                with link:
                    told = await _answer_of(link)
            if "error" in told:
                raise EarshotError.from_dict(told["error"])
            return True
        return False

    def _others(self) -> list[Path]:
        own = socket_of(self._folder, self._index)
        return [path for path in sorted(self._folder.glob("worker-*")) if path != own]

    async def _take_all(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                giver, _ = await loop.sock_accept(listening)
                task = asyncio.create_task(self._take(giver), name="take over")
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)

    async def _take(self, giver: socket.socket) -> None:
        node_id = self._node_id()
        try:
            async with self._turns:
                taken = await asyncio.to_thread(_take, giver, node_id)
            if isinstance(taken, _Asked):
                await self._answer(taken)
            elif taken is not None:
                await self._adopt(*taken)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("a connection could not be taken over", error=type(error).__name__)

    async def _answer(self, asked: _Asked) -> None:
        with asked.link as link:
            told: dict[str, object] = {}
            try:
                await self._obey(asked.transcript_id, asked.what)
            except EarshotError as error:
                told["error"] = error.to_dict()
            await asyncio.get_running_loop().sock_sendall(link, json.dumps(told).encode())


@dataclass(frozen=True, slots=True)
class _Asked:
    link: socket.socket  # waits for an answer, and then for its end
    transcript_id: str
    what: str


def _meet(path: Path, header: Mapping[str, object]) -> socket.socket | None:
    """A link to whoever says yes to this; it does not block."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        _introduce(link, path, header)
        if link.recv(1) == _YES:
            link.setblocking(False)
            return link.dup()
    return None


async def _answer_of(link: socket.socket) -> dict[str, Any]:
    """Without a thread: what is asked for may take long. Raises ``TryLater``."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    with suppress(TimeoutError, OSError, ValueError):
        async with asyncio.timeout(DONE_S):
            while len(data) <= ANSWER_MAX_BYTES and (more := await loop.sock_recv(link, ANSWER_MAX_BYTES)):
                data += more
        told: dict[str, Any] = json.loads(data)
        return told
    raise TryLater("the worker that holds this did not say what became of it; look how it stands, and ask again")


def _give(path: Path, node_id: str, fd: int, record: bytes, is_answered: bool) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        _introduce(link, path, {"node_id": node_id, "is_answered": is_answered, "bytes": len(record)})
        if link.recv(1) != _YES:
            return False
        socket.send_fds(link, [_YES], [fd])
        link.sendall(record)
        return link.recv(1) == _THANKS
    return False


def _introduce(link: socket.socket, path: Path, header: Mapping[str, object]) -> None:
    told = json.dumps(header).encode()
    link.settimeout(STEP_S)
    link.connect(os.fspath(path))
    link.sendall(_LENGTH.pack(len(told)) + told)


def _take(giver: socket.socket, node_id: str) -> tuple[socket.socket, bytes, bool] | _Asked | None:
    """Raises ``OSError``, and what reading a header that is none raises."""
    with giver:
        giver.settimeout(STEP_S)
        (length,) = _LENGTH.unpack(_exactly(giver, _LENGTH.size))
        if length > HEADER_MAX_BYTES:
            raise ValueError("the header is too long")
        header = json.loads(_exactly(giver, length))
        if header["node_id"] != node_id:
            giver.sendall(_NO)
            return None
        if "what" in header:
            giver.sendall(_YES)
            asked = _Asked(giver.dup(), str(header["transcript_id"]), str(header["what"]))
            asked.link.setblocking(False)
            return asked
        if not 0 <= header["bytes"] <= RECORD_MAX_BYTES:
            raise ValueError("too much was read")
        giver.sendall(_YES)
        _, fds, _, _ = socket.recv_fds(giver, 1, 1)
        if not fds:
            raise ValueError("there is no socket")
        connection = socket.socket(fileno=fds[0])
        try:
            record = _exactly(giver, header["bytes"])
            connection.setblocking(False)
            giver.sendall(_THANKS)
        except BaseException:
            connection.close()
            raise
        return connection, record, bool(header["is_answered"])


def _exactly(link: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = link.recv(min(1 << 16, length - len(data)))
        if not more:
            raise ValueError("it broke off")
        data += more
    return bytes(data)
