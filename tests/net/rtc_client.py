"""A WebRTC client such as a browser is, by aiortc: streams given sound, collects texts of the channel ``events``."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from tests.net.ice_addresses import IceAddresses

Exchange = Callable[[str, str], Awaitable[tuple[str, str]]]
FRAME_SAMPLES = 320


class SoundTrack(MediaStreamTrack):
    """16 kHz mono s16 sound as a live track, ``speed`` times as fast as time; silence after it when ``endless``.

    aiortc's encoder takes it to 48 kHz. ``begin`` must be set before the first frame goes out.
    """

    kind = "audio"

    def __init__(self, pcm: bytes, *, speed: float = 1.0, endless: bool = True) -> None:
        super().__init__()
        self.begin = asyncio.Event()
        self.ended = asyncio.Event()
        self.muted = False
        self.sent_samples = 0
        self._pcm = pcm
        self._speed = speed
        self._endless = endless
        self.began_s = 0.0

    async def recv(self) -> Any:
        await self.begin.wait()
        loop = asyncio.get_running_loop()
        if not self.sent_samples:
            self.began_s = loop.time()
        start = self.sent_samples
        piece = self._pcm[start * BYTES_PER_SAMPLE : (start + FRAME_SAMPLES) * BYTES_PER_SAMPLE]
        if not piece:
            self.ended.set()
            if not self._endless:
                self.stop()
                raise MediaStreamError
        due_s = self.began_s + start / SAMPLE_RATE_HZ / self._speed
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(piece.ljust(FRAME_SAMPLES * BYTES_PER_SAMPLE, b"\0"))
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = start
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE_HZ)
        self.sent_samples += FRAME_SAMPLES
        return frame


class RtcClient:
    """Use as an async context manager, then ``connect`` (our offer) or ``answer`` (theirs).

    ``loopback`` adds 127.0.0.1 to the candidates, which aiortc leaves out; without it only the machine's own. With
    ``addresses`` only these.
    """

    def __init__(
        self,
        pcm: bytes = b"",
        *,
        speed: float = 1.0,
        loopback: bool = True,
        endless: bool = True,
        addresses: Sequence[str] | None = None,
        label: str = "events",
    ) -> None:
        self.track = SoundTrack(pcm, speed=speed, endless=endless)
        self.messages: list[str] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.pc = RTCPeerConnection(RTCConfiguration([], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.channel: RTCDataChannel | None = None
        self._loopback = loopback
        self._label = label
        self._changed = asyncio.Condition()
        self._addresses = addresses
        self.ice: list[IceAddresses] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self.channel_may_open = asyncio.Event()
        self.channel_may_open.set()
        self._describing: asyncio.Task[None] | None = None
        self.pc.on("connectionstatechange", self._on_state)
        self.pc.on("datachannel", self._take)

    async def __aenter__(self) -> RtcClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self, exchange: Exchange, *, timeout_s: float = 60.0) -> None:
        """Offer, let ``exchange`` fetch the answer, wait until connected and the channel is open; sound starts then."""
        self.pc.addTrack(self.track)
        self._take(self.pc.createDataChannel(self._label))
        self._hold_channel()
        self._set_addresses()
        await self._describe()
        sdp, type_ = await exchange(self.pc.localDescription.sdp, self.pc.localDescription.type)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, type_))
        await self.wait_connected(timeout_s)

    async def answer(self, sdp: str, type_: str) -> tuple[str, str]:
        """The answer to the server's offer; then give it to the server, and ``wait_connected``."""
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, type_))
        self.pc.addTrack(self.track)
        self._set_addresses()
        await self._describe()
        return self.pc.localDescription.sdp, self.pc.localDescription.type

    async def wait_connected(self, timeout_s: float = 60.0) -> None:
        async with asyncio.timeout(timeout_s):
            await self._connected.wait()
            await self.opened.wait()
        self.track.begin.set()

    async def sent(self) -> None:
        """Until all the sound given has been sent."""
        await self.track.ended.wait()

    def send(self, text: str) -> None:
        assert self.channel is not None
        self.channel.send(text)

    async def wait_message(self, wanted: Callable[[str], bool], *, timeout_s: float = 60.0) -> str:
        """The first text, past or to come, for which ``wanted`` is true."""
        async with asyncio.timeout(timeout_s), self._changed:
            while True:
                for message in self.messages:
                    if wanted(message):
                        return message
                await self._changed.wait()

    def vanish(self) -> None:
        """Be gone without a word, as a device whose battery is empty. Still to be closed, which nobody hears."""

        def nothing(*_: object) -> None:
            pass

        async def nothing_sent(*_: object) -> None:
            pass

        for transport in {each.receiver.transport.transport for each in self.pc.getTransceivers()}:
            for protocol in transport._connection._protocols:
                vars(protocol).update(send_data=nothing_sent, send_stun=nothing, datagram_received=nothing)

    async def close(self) -> None:
        self.track.begin.set()
        self.track.stop()
        if self._describing is not None:
            await asyncio.wait({self._describing})
        await self.pc.close()
        while self._tasks:
            await asyncio.gather(*self._tasks)
        for ice in self.ice:
            await ice.settled()

    async def _describe(self) -> None:
        # On its own, because sockets that are being opened would leak when the caller is cancelled.
        self._describing = asyncio.create_task(self.pc.setLocalDescription(), name="gather candidates")
        await asyncio.shield(self._describing)

    def _set_addresses(self) -> None:
        transports = {t.receiver.transport.transport for t in self.pc.getTransceivers()}
        if self.pc.sctp is not None:
            transports.add(self.pc.sctp.transport.transport)
        self.ice = [
            IceAddresses(transport._connection, loopback=self._loopback, only=self._addresses)
            for transport in transports
        ]

    def _hold_channel(self) -> None:
        sctp = self.pc.sctp
        assert sctp is not None
        start = sctp.start

        async def start_when_allowed(*arguments: Any) -> None:
            await self.channel_may_open.wait()
            await start(*arguments)

        vars(sctp).update(start=start_when_allowed)

    def _take(self, channel: RTCDataChannel) -> None:
        self.channel = channel
        channel.on("message", self._on_message)
        if channel.readyState == "open":
            self.opened.set()
        else:
            channel.on("open", self.opened.set)

    def _on_state(self) -> None:
        if self.pc.connectionState == "connected":
            self._connected.set()
        elif self.pc.connectionState in ("closed", "failed"):
            self.closed.set()

    def _on_message(self, message: object) -> None:
        if isinstance(message, str):
            self.messages.append(message)
            task = asyncio.ensure_future(self._wake())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()
