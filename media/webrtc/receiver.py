"""Our receiver of Opus, put where aiortc's own would sit: in the router of the DTLS transport, or before it.

aiortc's receiver starts a thread per track, decodes to 48 kHz stereo, stalls for 280 ms after one lost packet and
stays late from then on. The router only asks for three methods, so ``take_over`` replaces ``receive`` and ``stop`` of
the stock receiver by ours; the stock one never starts. With the direct tap (``media.webrtc.tap``) packets do not even
come by the router, only RTCP does. The private names of aiortc's that it takes are in ``upstream``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiortc import RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpDecodingParameters, RTCRtpReceiveParameters
from aiortc.rtp import RtcpSrPacket

from media.opus import open_decoder
from media.timeline import OpusTimeline
from media.webrtc.reports import Reception
from media.webrtc.tap import DtlsTransport, Tap, can_tap
from media.webrtc.udp_mux import Reason
from protocol.blocks import Block

CLOCK_RATE_HZ = 48_000
SSRC_MAX = 64
"""A browser has one, and another after it replaced its device. More is an attack on the tables of SRTP, which keeps
something of each source for ever, of whatever payload type and of reports, too."""


class OpusReceiver:
    """RTP of one audio section to blocks, and receiver reports back (RFC 3550 section 6.4.2).

    ``on_blocks`` gets what is heard, on the loop. ``on_excess`` is called once when the sender uses too many SSRCs.
    ``drop`` counts the datagrams that ``on_rtp`` took and that were no sound.
    ``tap`` is there while packets are taken directly. ``packet_s``: when the last one came that bore the peer's keys.
    """

    def __init__(
        self, on_blocks: Callable[[list[Block]], None], on_excess: Callable[[], None], drop: Callable[[Reason], None]
    ) -> None:
        self.timeline = OpusTimeline(open_decoder())
        self.packet_s: float | None = None
        self.tap: Tap | None = None
        self._on_blocks = on_blocks
        self._on_excess = on_excess
        self._drop = drop
        self._loop = asyncio.get_running_loop()
        self._direct = False
        self._ended = False
        self._transport: DtlsTransport | None = None
        self._parameters: RTCRtpReceiveParameters | None = None
        self._sender: Any = None
        self._receiver: Any = None
        self._reception: Reception | None = None
        self._left_ssrcs: set[int] = set()
        self._passed_on: set[bytes] = set()  # sources of what aiortc was given to look at
        self._timer: asyncio.TimerHandle | None = None
        self._reporting: asyncio.Task[None] | None = None

    def take_over(self, transceiver: RTCRtpTransceiver, *, direct: bool) -> None:
        """Stand in for the transceiver's receiver; must be called before the connection is up.

        ``direct``: take packets by ``on_rtp``, if this aiortc lets us.
        """
        self._direct = direct
        self._receiver = transceiver.receiver
        self._sender = transceiver.sender
        transceiver.receiver.receive = self.receive  # type: ignore[method-assign]
        transceiver.receiver.stop = self.stop  # type: ignore[method-assign]

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        if self._transport is None:
            transport: DtlsTransport = self._receiver.transport
            self._transport, self._parameters = transport, parameters
            transport._register_rtp_receiver(self, parameters)
            if self._direct and can_tap(transport):
                self.tap = Tap(transport, set(_payload_types(parameters)), self._take, lambda: self._drop("forged"))

    async def stop(self) -> None:
        self.tap = None
        if self._transport is not None:
            self._transport._unregister_rtp_receiver(self)
        self.end()
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait({self._reporting})

    def end(self) -> None:
        """Give away what is still held back. No sound comes after this."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        blocks = self.timeline.flush()
        if blocks:
            self._on_blocks(blocks)

    def on_rtp(self, data: bytes) -> bool:
        """RTP or RTCP as it came in from a trusted address. False when it is aiortc's to look at."""
        tap = self.tap
        return (tap is not None and tap.on_rtp(data)) or not self._may_pass(data)

    def _may_pass(self, data: bytes) -> bool:
        """Whether it is of one of the first ``SSRC_MAX`` sources that went on to aiortc."""
        is_report = b"\xc0" <= data[1:2] <= b"\xdf"  # RFC 5761 section 4
        source = data[4:8] if is_report else data[8:12]
        if source not in self._passed_on:
            if len(self._passed_on) >= SSRC_MAX:
                self._drop("sources_full")
                return False
            self._passed_on.add(source)
        return True

    # What the router calls.

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        self._take(packet.sequence_number, packet.timestamp, packet.ssrc, packet.payload)

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        reception = self._reception
        if reception is not None and isinstance(packet, RtcpSrPacket) and packet.ssrc == reception.ssrc:
            reception.heard_sender_report(packet.sender_info.ntp_timestamp, self._loop.time())

    def _handle_disconnect(self) -> None:
        self.end()

    # The way of one packet.

    def _take(self, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> None:
        now_s = self.packet_s = self._loop.time()
        if self._ended:
            return
        reception = self._reception
        if reception is None or ssrc != reception.ssrc:
            reception = self._follow(ssrc, now_s)
            if reception is None:
                return
        reception.add(sequence, timestamp, now_s)
        blocks = self.timeline.push(sequence, timestamp, payload, now_s)
        if blocks:
            self._on_blocks(blocks)
        if self._timer is not None or self.timeline.holds:
            self._arm()
        if now_s >= reception.report_due_s:
            self._report(reception, now_s)

    def _follow(self, ssrc: int, now_s: float) -> Reception | None:
        """A source not heard so far takes the place of the one before; None for one that was left, or one too many."""
        if ssrc in self._left_ssrcs:
            return None
        if len(self._left_ssrcs) >= SSRC_MAX:
            self._on_excess()
            return None
        if self._reception is not None:
            self._left_ssrcs.add(self._reception.ssrc)
            blocks = self.timeline.restart()
            if blocks:
                self._on_blocks(blocks)
        self._reception = Reception(ssrc, CLOCK_RATE_HZ, now_s)
        self._route_reports_of(ssrc)
        return self._reception

    def _route_reports_of(self, ssrc: int) -> None:
        """The router learns from RTP whose sender reports are ours; what was tapped it has not seen."""
        if self.tap is not None and self._transport is not None and self._parameters is not None:
            known = _payload_types(self._parameters)
            encodings = [RTCRtpDecodingParameters(ssrc=ssrc, payloadType=payload_type) for payload_type in known]
            self._transport._register_rtp_receiver(self, replace(self._parameters, encodings=encodings))

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

    def _report(self, reception: Reception, now_s: float) -> None:
        if self._transport is None or (self._reporting is not None and not self._reporting.done()):
            return
        report = reception.report(self._sender._ssrc, now_s)
        self._reporting = self._loop.create_task(self._send(self._transport, report), name="rtcp receiver report")

    async def _send(self, transport: DtlsTransport, report: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await transport._send_rtp(report)


def _payload_types(parameters: RTCRtpReceiveParameters) -> list[int]:
    return [codec.payloadType for codec in parameters.codecs if codec.payloadType is not None]
