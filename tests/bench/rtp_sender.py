"""Raw senders of Opus: aiortc connects them, then packets made before go out by the clock, protected and no more.

So the load costs little, and what it sends, when, and what of it is lost, is known to the packet.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import aioice.ice
from aiortc import MediaStreamTrack, RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.bench.receive_server import WAYS

PACKET_S = 0.020
PACKET_TICKS = 960
_HEADER = struct.Struct("!BBHII")
_SPIN_S = 0.0015
"""The event loop's timers are coarse; the last of a wait is slept away instead."""
CONNECT_DEADLINE_S = 30.0


class Silent(MediaStreamTrack):
    """A track to be negotiated with: aiortc's own sender waits for its first frame for ever."""

    kind = "audio"

    async def recv(self) -> Any:
        await asyncio.get_running_loop().create_future()


class Sender:
    """One peer. ``sent``: packets counted, those left out too; the first went out at ``began_s``."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent = 0
        self.began_s = 0.0
        self._track = Silent()
        self._pc = RTCPeerConnection(RTCConfiguration([], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._protect: Callable[[bytes], bytes] = lambda data: data
        self._send: Callable[[bytes], None] = lambda data: None

    async def offer(self) -> str:
        self._pc.addTrack(self._track)
        await self._pc.setLocalDescription()
        return str(self._pc.localDescription.sdp)

    async def connect(self, answer: str) -> None:
        connected = asyncio.Event()

        @self._pc.on("connectionstatechange")
        def changed() -> None:
            if self._pc.connectionState == "connected":
                connected.set()

        await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            await connected.wait()
        dtls: Any = self._pc.getSenders()[0].transport
        pair = dtls.transport._connection._nominated[1]
        self._protect = dtls._tx_srtp.protect
        self._send = lambda data: pair.protocol.transport.sendto(data, pair.remote_addr)

    def send(self, payload: bytes, *, lost: bool) -> None:
        if not self.sent:
            self.began_s = time.monotonic()
        if not lost:
            header = _HEADER.pack(0x80, 96, self.sent & 0xFFFF, self.sent * PACKET_TICKS & 0xFFFFFFFF, self.number + 1)
            self._send(self._protect(header + payload))
        self.sent += 1

    async def close(self) -> None:
        self._track.stop()
        await self._pc.close()


class Participant(Sender):
    """A sender that listens: ``heard`` are the packets that come back, and when, by ``time.monotonic``."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.heard: list[tuple[float, bytes]] = []

    async def offer(self) -> str:
        sdp = await super().offer()
        receiver: Any = self._pc.getTransceivers()[0].receiver
        # aiortc's own would decode, in a thread for each.
        receiver.receive, receiver.stop = self._receive, self._stop
        return sdp

    async def _receive(self, parameters: Any) -> None:
        dtls: Any = self._pc.getTransceivers()[0].receiver.transport
        dtls._register_rtp_receiver(self, parameters)

    async def _stop(self) -> None: ...

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        self.heard.append((time.monotonic(), packet.payload))

    async def _handle_rtcp_packet(self, packet: Any) -> None: ...

    def _handle_disconnect(self) -> None: ...


class Receiving:
    """The process under measure, and the senders to it. Use as an async context manager, then ``grow`` and ``send``."""

    def __init__(self, way: str, core: int | None, packets: Sequence[bytes]) -> None:
        assert way in WAYS
        self.senders: list[Sender] = []
        self._way = way
        self._core = core
        self._packets = packets
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        arguments = [self._way, *([] if self._core is None else [str(self._core)])]
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.receive_server", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        await asyncio.gather(*(sender.close() for sender in self.senders))
        self._process.stdin.close()
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def ask(self, **wanted: Any) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the receiving process ended; run it by hand to see why")
        return dict(json.loads(answer))

    async def grow(self, count: int, room: Callable[[int], str] | None = None) -> None:
        """Connect until there are so many; each in its ``room``, by its number, where they listen as well."""
        with _loopback_only():
            while len(self.senders) < count:
                number = len(self.senders)
                sender = Sender(number) if room is None else Participant(number)
                self.senders.append(sender)
                answer = await self.ask(offer=await sender.offer(), **({} if room is None else {"room": room(number)}))
                await sender.connect(answer["answer"])

    async def send(self, seconds: float, lost: Callable[[Sender], bool] = lambda sender: False) -> None:
        """Every sender's packets in real time, the senders evenly apart. ``lost`` says what never leaves."""
        began_s = time.monotonic()
        step_s = PACKET_S / len(self.senders)
        for turn in range(round(seconds / PACKET_S)):
            for place, sender in enumerate(self.senders):
                await _until(began_s + turn * PACKET_S + place * step_s)
                sender.send(self._packets[sender.sent % len(self._packets)], lost=lost(sender))
                if place % 8 == 0:
                    await asyncio.sleep(0)


async def _until(due_s: float) -> None:
    if (wait_s := due_s - time.monotonic()) > _SPIN_S:
        await asyncio.sleep(wait_s - _SPIN_S)
    _doze_until(due_s)


def _doze_until(due_s: float) -> None:
    """Holds the event loop up: nothing else on it is as much in a hurry."""
    if (wait_s := due_s - time.monotonic()) > 0:
        time.sleep(wait_s)


@contextmanager
def _loopback_only() -> Iterator[None]:
    before = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = before
