"""The way between a client and an inference process: to a child of its own, or to one that several servers share.

Both are one local stream socket with the frames of ``asr.wire``. A child's is a pair that it inherited (``asr.child``);
a shared process listens on a Unix socket in a folder that only its user may enter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol, Self

from pydantic import BaseModel, ValidationError

from asr.gathering import Gathering
from asr.wire import FROM_WORKER, FrameError, FrameReader, FromWorker, Here, frame
from asr.worker_settings import WorkerSettings

WRITE_HIGH_BYTES = 256 * 1024  # 8 s of sound: senders wait above it
READ_BYTES = 64 * 1024
CONNECT_AGAIN_S = 0.1
_PEER = struct.Struct("3i")  # process, user, group: unix(7), SO_PEERCRED


class Link(Protocol):
    """The way to a worker that is ready, for a session."""

    def write(self, message: BaseModel) -> None: ...

    async def send(self, message: BaseModel, payload: bytes = b"") -> None: ...


class Ending(Enum):
    """How to end the process."""

    LEAVE = "leave"  # it is leaving by itself
    SHUTDOWN = "shutdown"  # it is asked to
    DUMP = "dump"  # it hangs: it writes the stacks of its threads first (SIGABRT, Python's fault handler)
    KILL = "kill"


class ChildGone(Exception):
    """The process went away or talks nonsense; internal to ``asr``."""


class WorkerLink(Protocol):
    """What the supervisor uses of either."""

    @property
    def pid(self) -> int: ...

    @property
    def is_shared(self) -> bool: ...

    def write(self, message: BaseModel) -> None: ...

    async def send(self, message: BaseModel, payload: bytes = b"") -> None: ...

    def messages(self) -> AsyncIterator[FromWorker]: ...

    def resident_mb(self) -> float | None: ...

    async def end(self, how: Ending) -> str: ...


OpenLink = Callable[[WorkerSettings, asyncio.Event], Awaitable[WorkerLink]]
"""Opens a link to the process of these settings. Raises ``ChildGone``, soon after the event is set at the latest."""


@dataclass(frozen=True)
class Sharing:
    """Inference processes of another's. ``reload`` asks whoever started them to start them anew, with the best engine
    there is by then."""

    link: OpenLink
    reload: Callable[[], None]


class StreamLink:
    """The socket of either: it is read and written apart. When the process dies, writing fails first, and its last
    words shall be read all the same."""

    is_shared = False

    def __init__(
        self, pid: int, reader: asyncio.StreamReader, reading: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self._reader = reader
        self._reading = reading  # only to close it
        self._writer = writer
        self._gathering = Gathering(self._write)

    def hang_up(self) -> None:
        """It reads the end of the stream."""
        self._gathering.stop()
        self._writer.transport.abort()
        self._reading.transport.abort()

    async def hung_up(self) -> None:
        """After ``hang_up``: nothing of it is open any more."""
        for closing in (self._writer, self._reading):
            with contextlib.suppress(OSError):
                await closing.wait_closed()

    def write(self, message: BaseModel) -> None:
        """Say something short, without waiting for room, after all that was said before."""
        self._gathering.put(frame(message), may_wait=False)

    async def send(self, message: BaseModel, payload: bytes = b"") -> None:
        """Say it and wait while more than the high water mark is unread. Raises ``ChildGone``.

        Sound goes out together with that of others, up to 20 ms later.
        """
        try:
            self._gathering.put(frame(message, payload), may_wait=bool(payload))
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise ChildGone("the inference process reads no more") from error

    def _write(self, data: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(data)

    async def messages(self) -> AsyncIterator[FromWorker]:
        """What it says, until it leaves. Raises ``ChildGone`` when it is not as documented."""
        frames = FrameReader()
        while True:
            try:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    return
                for header, _ in frames.feed(data):
                    yield FROM_WORKER.validate_json(header)
            except OSError:
                return
            except (FrameError, ValidationError) as error:
                raise ChildGone("the inference process sent something that is no message") from error

    def resident_mb(self) -> float | None:
        """Its resident memory; None where the system does not tell or it is gone."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return None
        return pages * resource.getpagesize() / (1 << 20)


class SharedLink(StreamLink):
    """To a process that another started and ends: of ours is only the connection."""

    is_shared = True

    @classmethod
    async def connect(cls, path: Path, given_up: asyncio.Event) -> Self:
        """Raises ``ChildGone`` when it is given up before somebody listens there."""
        while True:
            ours = socket.socket(socket.AF_UNIX)
            ours.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(ours, os.fspath(path))
                break
            except OSError:
                ours.close()
            except BaseException:
                ours.close()
                raise
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(given_up.wait(), CONNECT_AGAIN_S)
                raise ChildGone("the shared inference process is not there")
        pid = _pid_of(ours)
        link = cls(pid, *await streams_of(ours))
        link.write(Here())
        return link

    async def end(self, how: Ending) -> str:
        """Whatever becomes of the process is for those to see to whose child it is."""
        self.hang_up()
        await self.hung_up()
        return "the shared inference process was left" if how is Ending.SHUTDOWN else "the shared one went away"


async def streams_of(ours: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamWriter]:
    """A reader, its transport, and a writer, each with a descriptor of its own. The socket is theirs from now on."""
    writer = await _writer_of(ours.dup())
    writer.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
    reader, reading = await asyncio.open_unix_connection(sock=ours)
    return reader, reading, writer


async def _writer_of(sock: socket.socket) -> asyncio.StreamWriter:
    """Only for writing: somebody else reads at the same socket."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, protocol = await loop.create_unix_connection(lambda: asyncio.StreamReaderProtocol(reader), sock=sock)
    # Nothing is lost until here: a process of ours has hardly been started, and a shared one says nothing before it was
    # told that it is heard. Not in connection_made: uvloop begins to read after that, whatever it did.
    transport.pause_reading()
    return asyncio.StreamWriter(transport, protocol, reader, loop)


def _pid_of(ours: socket.socket) -> int:
    """Who listens at the other end; 0 where the system does not tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return 0
    pid: int = _PEER.unpack(ours.getsockopt(socket.SOL_SOCKET, option, _PEER.size))[0]
    return pid
