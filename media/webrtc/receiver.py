"""Our receiver of Opus, put where aiortc's own would sit: in the router of the DTLS transport.

aiortc's receiver starts a thread per track, decodes to 48 kHz stereo, stalls for 280 ms after one lost packet and
stays late from then on. The router only asks for three methods, so ``take_over`` replaces ``receive`` and ``stop`` of
the stock receiver by ours; the stock one never starts. Private names used: ``_register_rtp_receiver``,
``_unregister_rtp_receiver`` and ``_send_rtp`` of ``RTCDtlsTransport``, ``_ssrc`` of ``RTCRtpSender``.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCRtpTransceiver
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket

from media.opus import open_decoder
from media.timeline import OpusTimeline
from protocol.blocks import Block

CLOCK_RATE_HZ = 48_000
SSRC_MAX = 64
"""A browser has one, and another after it replaced its device. More is an attack on the tables of SRTP."""


class OpusReceiver:
    """RTP of one audio section to blocks, and receiver reports back (RFC 3550 section 6.4.2).

    ``on_blocks`` gets what is heard, on the loop. ``on_excess`` is called once when the sender uses too many SSRCs.
    """

    def __init__(self, on_blocks: Callable[[list[Block]], None], on_excess: Callable[[], None]) -> None:
        self.timeline = OpusTimeline(open_decoder())
        self.packet_s: float | None = None
        self._on_blocks = on_blocks
        self._on_excess = on_excess
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._sender: Any = None
        self._receiver: Any = None
        self._ssrc: int | None = None
        self._left_ssrcs: set[int] = set()
        self._statistics: StreamStatistics | None = None
        self._last_report = 0
        self._last_report_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._reports: asyncio.Task[None] | None = None

    def take_over(self, transceiver: RTCRtpTransceiver) -> None:
        """Stand in for the transceiver's receiver; must be called before the connection is up."""
        self._receiver = transceiver.receiver
        self._sender = transceiver.sender
        transceiver.receiver.receive = self.receive  # type: ignore[method-assign]
        transceiver.receiver.stop = self.stop  # type: ignore[method-assign]

    async def receive(self, parameters: Any) -> None:
        if self._transport is None:
            self._transport = self._receiver.transport
            self._transport._register_rtp_receiver(self, parameters)
            self._reports = asyncio.create_task(self._report(), name="rtcp receiver reports")

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport._unregister_rtp_receiver(self)
        self.end()
        if self._reports is not None:
            self._reports.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reports

    def end(self) -> None:
        """Give away what is still held back. No sound comes after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        blocks = self.timeline.flush()
        if blocks:
            self._on_blocks(blocks)

    # What the router calls.

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        now_s = self._loop.time()
        blocks: list[Block] = []
        if packet.ssrc != self._ssrc:
            if packet.ssrc in self._left_ssrcs:
                return
            if len(self._left_ssrcs) >= SSRC_MAX:
                self._on_excess()
                return
            if self._ssrc is not None:
                self._left_ssrcs.add(self._ssrc)
                blocks = self.timeline.restart()
            self._ssrc = packet.ssrc
            self._statistics = StreamStatistics(CLOCK_RATE_HZ)
        assert self._statistics is not None
        self._statistics.add(packet)
        self.packet_s = now_s
        blocks += self.timeline.push(packet.sequence_number, packet.timestamp, packet.payload, now_s)
        if blocks:
            self._on_blocks(blocks)
        self._arm()

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            self._last_report = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
            self._last_report_s = time.monotonic()

    def _handle_disconnect(self) -> None:
        self.end()

    def _arm(self) -> None:
        due_s = self.timeline.deadline_s
        if due_s is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._timer = self._loop.call_at(due_s, self._due)

    def _due(self) -> None:
        self._timer = None
        blocks = self.timeline.poll(self._loop.time())
        if blocks:
            self._on_blocks(blocks)
        self._arm()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(0.5 + random.random())
            stream = self._statistics
            if stream is None or self._ssrc is None:
                continue
            since_s = time.monotonic() - self._last_report_s
            known = self._last_report and since_s < 65536
            info = RtcpReceiverInfo(
                ssrc=self._ssrc,
                fraction_lost=stream.fraction_lost,
                packets_lost=stream.packets_lost,
                highest_sequence=stream.max_seq or 0,
                jitter=min(stream.jitter, 0xFFFFFFFF),
                lsr=self._last_report if known else 0,
                dlsr=int(since_s * 65536) if known else 0,
            )
            with contextlib.suppress(ConnectionError):
                await self._transport._send_rtp(bytes(RtcpRrPacket(ssrc=self._sender._ssrc, reports=[info])))
