"""The receiving half of the bench of WebRTC reception: ``python -m tests.bench.receive_server WAY CORE``.

A process of its own, told what to do by lines of JSON on its standard input, one answer each: ``{"offer": sdp}`` opens
a peer, in a room if there is a ``room`` as well, where it is heard by the others and hears them; ``{"mark": true}``
tells what was spent and heard so far and begins the event loop's lags anew, ``{"heard": n}`` tells when the sound of
peer n came. Sound ends as 16 kHz mono PCM and goes nowhere but to the room: there is no recognition.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import resource
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aioice.ice
import structlog
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from media.webrtc.peer import WebRtcPeer
from media.webrtc.peer_contract import PeerSettings
from media.webrtc.udp_ports import UdpPorts, UdpSettings
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.states import SessionState
from server.metrics import Metrics
from server.room_sounds import RoomMember, RoomSounds
from tests.bench.figures import percentile

WAYS = ("stock", "router", "direct")
TICK_S = 0.010
PACKET_SAMPLES = 320


class Heard(ABC):
    """One peer. ``times``: when sound came, by ``time.monotonic``, and where on the sender's clock it ends, in s."""

    def __init__(self) -> None:
        self.samples = 0
        self.times: list[tuple[float, float]] = []

    @property
    def came_samples(self) -> int:
        """Of ``samples`` those that came, and were not made up for others that did not."""
        return self.samples

    @abstractmethod
    async def answer(self, sdp: str) -> str: ...

    @abstractmethod
    async def close(self) -> None: ...


class OurPeer(Heard):
    """As the server has it, all at one UDP port, with a listener that counts."""

    def __init__(self, ports: UdpPorts, *, direct: bool, sounds: RoomSounds, room: str | None, key: str) -> None:
        super().__init__()
        settings = PeerSettings(connect_deadline_s=60.0, loopback=True, direct_tap=direct)
        self._peer = WebRtcPeer(settings, self, ports=ports, speaks=room is not None)
        self._member = RoomMember(sounds, room, key, self._peer.speak, lambda: None)

    async def answer(self, sdp: str) -> str:
        return (await self._peer.answer(sdp, "offer"))[0]

    async def close(self) -> None:
        await self._peer.close()

    @property
    def came_samples(self) -> int:
        return self.samples - self._peer.stats.lost * PACKET_SAMPLES

    def on_block(self, block: Block) -> None:
        self._member.hear(block)
        self.samples += block.length_samples
        self.times.append((time.monotonic(), block.end_samples / SAMPLE_RATE_HZ))

    def on_message(self, text: str) -> None: ...

    def on_channel_open(self) -> None: ...

    def on_state(self, state: SessionState, reason: str) -> None:
        if state is SessionState.LIVE:
            self._member.join()
        else:
            self._member.leave()


class StockPeer(Heard):
    """aiortc's own receiver, its sound resampled to what a recogniser takes."""

    def __init__(self) -> None:
        super().__init__()
        self._pc = RTCPeerConnection(RTCConfiguration([], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._pc.on("track", self._on_track)
        self._task: asyncio.Task[None] | None = None

    async def answer(self, sdp: str) -> str:
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._pc.setLocalDescription()
        return str(self._pc.localDescription.sdp)

    async def close(self) -> None:
        await self._pc.close()
        if self._task is not None:
            await self._task

    def _on_track(self, track: Any) -> None:
        self._task = asyncio.create_task(self._hear(track))

    async def _hear(self, track: Any) -> None:
        import av

        resampler: Any = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            end_s = (frame.pts + frame.samples) / frame.sample_rate
            for part in resampler.resample(frame):
                self.samples += len(part.to_ndarray()[0])
            self.times.append((time.monotonic(), end_s))


class Lags:
    """How late a timer of 10 ms is."""

    def __init__(self) -> None:
        self._lags_ms: list[float] = []
        self._due_s = 0.0

    def start(self) -> None:
        self._due_s = asyncio.get_running_loop().time() + TICK_S
        asyncio.get_running_loop().call_at(self._due_s, self._tick)

    def taken(self) -> dict[str, float]:
        lags, self._lags_ms = self._lags_ms, []
        return {"lag_p50_ms": percentile(lags, 50), "lag_p99_ms": percentile(lags, 99)} if lags else {}

    def _tick(self) -> None:
        self._lags_ms.append((asyncio.get_running_loop().time() - self._due_s) * 1000)
        self.start()


def resident_mb() -> float:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)
    except OSError:
        return float("nan")


async def serve(way: str) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    peers: list[Heard] = []
    metrics = Metrics()
    sounds = RoomSounds(metrics)
    ports = UdpPorts.open(UdpSettings(loopback=True))
    lags = Lags()
    lags.start()
    while line := await reader.readline():
        wanted = json.loads(line)
        if "offer" in wanted:
            peers.append(
                StockPeer()
                if way == "stock"
                else OurPeer(
                    ports,
                    direct=way == "direct",
                    sounds=sounds,
                    room=wanted.get("room"),
                    key=str(len(peers)),
                )
            )
            answer: dict[str, Any] = {"answer": await peers[-1].answer(wanted["offer"])}
        elif "heard" in wanted:
            answer = {"times": peers[wanted["heard"]].times, "samples": peers[wanted["heard"]].samples}
        else:
            answer = {
                "cpu_s": time.process_time(),
                "at_s": time.monotonic(),
                "threads": threading.active_count(),
                "came_samples": sum(peer.came_samples for peer in peers),
                "resident_mb": resident_mb(),
                "ticks_missed": metrics.registry.get_sample_value("earshot_room_ticks_missed_total"),
                **lags.taken(),
            }
        print(json.dumps(answer), flush=True)
    # The sender is gone; what is held back comes out now, and nobody asks for it.
    await asyncio.gather(*(peer.close() for peer in peers))
    await sounds.stop()
    ports.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.receive_server")
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("core", type=int, nargs="?")
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    # Standard output is for answers.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # Only loopback: what a machine's other addresses cost at the beginning says nothing of sound. Ours adds it itself.
    hosts = ["127.0.0.1"] if options.way == "stock" else []
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: hosts
    gc.freeze()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(options.way))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The server's own choice."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
