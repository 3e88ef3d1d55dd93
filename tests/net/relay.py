"""A network that behaves as badly as it is told to: relays in userspace, UDP and TCP, seeded so that a run repeats.

    async with UdpRelay(seed=1) as relay:
        exchange = relay.between(peer.answer)       # descriptions pass through, candidates lead through the relay
        with relay.both(loss=0.05), relay.to_b(jitter_s=0.08):
            ...

Faults are context managers and add up: the worse of two holds. Everything in flight is bounded and forgotten on close.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, cast

Address = tuple[str, int]
Exchange = Callable[[str, str], Awaitable[tuple[str, str]]]
IN_FLIGHT_MAX = 10_000
HOST = "127.0.0.1"
_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host.*", re.IGNORECASE)


@dataclass(frozen=True)
class Faults:
    """What happens to a datagram on its way. Rates are probabilities of one datagram."""

    loss: float = 0.0
    burst: float = 0.0
    """A burst of loss begins, and takes ``burst_s``."""
    burst_s: float = 0.2
    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more delay, each on its own: jitter beyond the packets' distance reorders."""
    reorder: float = 0.0
    """Overtaken: held for ``reorder_s`` longer."""
    reorder_s: float = 0.045
    duplicate: float = 0.0
    corrupt: float = 0.0
    truncate: float = 0.0
    black_hole: bool = False


@dataclass
class Counts:
    passed: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    damaged: int = 0
    strangers: int = 0


class Way:
    """One direction of a link: ``carry`` takes a datagram and delivers it now, later, twice, damaged, or never.

    ``drop_next`` loses exactly the next datagrams for which ``chosen`` is true.
    """

    def __init__(self, seed: int, deliver: Callable[[bytes], None]) -> None:
        self.counts = Counts()
        self.drop_next = 0
        self.chosen: Callable[[bytes], bool] = lambda _: True
        self._random = random.Random(seed)
        self._deliver = deliver
        self._faults: list[Faults] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._burst_until_s = 0.0

    @contextlib.contextmanager
    def faults(self, **wanted: Any) -> Iterator[None]:
        added = Faults(**wanted)
        self._faults.append(added)
        try:
            yield
        finally:
            self._faults.remove(added)

    def carry(self, data: bytes) -> None:
        if self.drop_next and self.chosen(data):
            self.drop_next -= 1
            self.counts.lost += 1
            return
        faults = self._worst()
        now_s = asyncio.get_running_loop().time()
        if self._happens(faults.burst):
            self._burst_until_s = now_s + faults.burst_s
        if faults.black_hole or now_s < self._burst_until_s or self._happens(faults.loss):
            self.counts.lost += 1
            return
        self._send(self._damage(data, faults), faults)
        if self._happens(faults.duplicate):
            self.counts.duplicated += 1
            self._send(data, faults)

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _worst(self) -> Faults:
        if not self._faults:
            return Faults()
        return Faults(**{f.name: max(getattr(each, f.name) for each in self._faults) for f in fields(Faults)})

    def _happens(self, rate: float) -> bool:
        # Asked for only where a fault is on, so that faults do not shift each other's dice more than needed.
        return rate > 0 and self._random.random() < rate

    def _damage(self, data: bytes, faults: Faults) -> bytes:
        if data and self._happens(faults.corrupt):
            self.counts.damaged += 1
            at = self._random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << self._random.randrange(8))]) + data[at + 1 :]
        if data and self._happens(faults.truncate):
            self.counts.damaged += 1
            data = data[: self._random.randrange(len(data))]
        return data

    def _send(self, data: bytes, faults: Faults) -> None:
        delay_s = faults.delay_s + (self._random.random() * faults.jitter_s if faults.jitter_s else 0.0)
        if self._happens(faults.reorder):
            self.counts.reordered += 1
            delay_s += faults.reorder_s
        self.counts.passed += 1
        if not delay_s:
            self._deliver(data)
        elif len(self._timers) < IN_FLIGHT_MAX:
            timer: asyncio.TimerHandle

            def arrive() -> None:
                self._timers.discard(timer)
                self._deliver(data)

            timer = asyncio.get_running_loop().call_later(delay_s, arrive)
            self._timers.add(timer)


class _Face(asyncio.DatagramProtocol):
    """The socket that one side talks to, and hears the other side from."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """The other side's socket is gone: as on a real network, nobody is told."""


class UdpRelay:
    """Between A and B: A sees B at ``face_a``, B sees A at ``face_b``. Who is who is set, or learned by first come."""

    def __init__(self, *, seed: int) -> None:
        self.to_a = Way(seed, lambda data: self._out(self._face_a, data, self.a))
        self.to_b = Way(seed + 1, lambda data: self._out(self._face_b, data, self.b))
        self.a: Address | None = None
        self.b: Address | None = None
        self._face_a = _Face(self._from_a)
        self._face_b = _Face(self._from_b)

    async def __aenter__(self) -> UdpRelay:
        loop = asyncio.get_running_loop()
        for face in (self._face_a, self._face_b):
            await loop.create_datagram_endpoint(lambda face=face: face, local_addr=(HOST, 0))  # type: ignore[misc]
        return self

    async def __aexit__(self, *_: object) -> None:
        for way in (self.to_a, self.to_b):
            way.close()
        for face in (self._face_a, self._face_b):
            assert face.transport is not None
            face.transport.close()
        await asyncio.sleep(0)

    @property
    def face_a(self) -> Address:
        return self._address(self._face_a)

    @property
    def face_b(self) -> Address:
        return self._address(self._face_b)

    @contextlib.contextmanager
    def both(self, **wanted: Any) -> Iterator[None]:
        """Faults both ways."""
        with self.to_a.faults(**wanted), self.to_b.faults(**wanted):
            yield

    def between(self, exchange: Exchange) -> Exchange:
        """An exchange of descriptions in which A (who asks) and B (who answers) see each other at the relay only."""

        async def through(sdp: str, type_: str) -> tuple[str, str]:
            sdp, self.a = rewritten(sdp, self.face_b)
            answer, answer_type = await exchange(sdp, type_)
            answer, self.b = rewritten(answer, self.face_a)
            return answer, answer_type

        return through

    @staticmethod
    def _address(face: _Face) -> Address:
        assert face.transport is not None
        address = face.transport.get_extra_info("sockname")
        return address[0], address[1]

    @staticmethod
    def _out(face: _Face, data: bytes, address: Address | None) -> None:
        if address is not None and face.transport is not None and not face.transport.is_closing():
            face.transport.sendto(data, address)

    def _from_a(self, data: bytes, address: Address) -> None:
        self.a = self.a or address
        if address == self.a:
            self.to_b.carry(data)
        else:
            self.to_b.counts.strangers += 1

    def _from_b(self, data: bytes, address: Address) -> None:
        self.b = self.b or address
        if address == self.b:
            self.to_a.carry(data)
        else:
            self.to_a.counts.strangers += 1


def rewritten(sdp: str, face: Address) -> tuple[str, Address]:
    """The description with one candidate, ``face``, in the place of all; and the loopback candidate it stands for."""
    kept: list[str] = []
    real: Address | None = None
    for line in sdp.splitlines():
        match = _CANDIDATE.fullmatch(line)
        if match and match[1] == HOST:
            real = (match[1], int(match[2]))
        if line.startswith(("a=candidate", "a=end-of-candidates")):
            continue
        kept.append(line)
    assert real is not None, "no loopback candidate to lead through the relay"
    lines: list[str] = []
    for line in kept:
        if line.startswith("a=ice-ufrag"):
            lines.append(f"a=candidate:1 1 udp 2130706431 {face[0]} {face[1]} typ host")
        lines.append(line)
    return "\r\n".join(lines) + "\r\n", real


class TcpRelay:
    """In front of a TCP server. ``black_hole`` keeps the sockets and moves nothing; ``reset`` cuts them hard."""

    def __init__(self, target: Address) -> None:
        self.target = target
        self.refusing = False
        self._delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> TcpRelay:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def address(self) -> Address:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @contextlib.contextmanager
    def delay(self, delay_s: float) -> Iterator[None]:
        """Every piece moves so much later."""
        before, self._delay_s = self._delay_s, delay_s
        try:
            yield
        finally:
            self._delay_s = before

    @contextlib.contextmanager
    def black_hole(self) -> Iterator[None]:
        """Nothing moves; what was sent meanwhile arrives afterwards, as by TCP's own repetition."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    @contextlib.contextmanager
    def refuse(self) -> Iterator[None]:
        """New connections are cut at once."""
        self.refusing = True
        try:
            yield
        finally:
            self.refusing = False

    def reset(self) -> None:
        """Cut every connection with RST, both ways."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._writers.clear()

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the server. Raises ``OSError``."""
        return await asyncio.open_connection(*self.target)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            if self.refusing:
                self.reset_one(writer)
                return
            back_reader, back_writer = await self.connected()
            self._writers.add(back_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back_writer))
                group.create_task(self._pump(back_reader, writer))
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()

    def reset_one(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._open.wait()
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                writer.write(data)
                await writer.drain()
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._writers.discard(writer)
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()
