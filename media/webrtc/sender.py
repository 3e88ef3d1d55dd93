"""Our sender of Opus, put where aiortc's own would sit: packets that are made already go out at once.

aiortc's sender asks a track for its next frame, encodes it in a thread, and has two tasks for each peer. Whoever sends
the same to many needs none of it. ``take_over`` replaces ``send`` and ``stop`` of the stock sender by ours; the stock
one never starts. What is used of aiortc without its promise is listed in ``upstream``.

Packets have the time of the room they come from. Where there is silence nothing is sent, and time goes on; twice or
thrice a second one packet of silence says that we are there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Coroutine
from typing import Any

import pylibsrtp
import structlog
from aiortc import RTCRtpTransceiver
from aiortc.rtcrtpparameters import RTCRtpSendParameters

from media.ogg import silence_packet
from media.opus import packet_samples
from media.webrtc.reports import sender_report
from media.webrtc.rtp import render
from protocol.blocks import MS_SAMPLES

log = structlog.get_logger(__name__)

TICKS_PER_SAMPLE = 3  # RTP counts Opus at 48 kHz (RFC 7587 section 4.1)
SILENCE_EVERY_SAMPLES = 400 * MS_SAMPLES
"""As an Opus encoder itself does in a pause."""
REPORT_EVERY_S = 2.0
SILENCE = silence_packet(20 * MS_SAMPLES)


class OpusSender:
    """RTP of one audio section, and sender reports (RFC 3550 section 6.4.1) with it: there is no timer and no task."""

    def __init__(self) -> None:
        self.packets = 0
        self.sent_bytes = 0
        self._sender: Any = None
        self._transport: Any = None
        self._payload_type = 0
        self._cname = ""
        # Below half, so that it is long until it begins again from 0: an old SRTP library loses count there.
        self._sequence = random.randrange(0x8000)
        self._origin = random.randrange(1 << 32)
        self._end_samples: int | None = None  # of what was sent last
        self._is_silent = True
        self._report_due_s = 0.0

    @property
    def is_ready(self) -> bool:
        """The peer is connected and wants to hear."""
        return self._transport is not None

    def take_over(self, transceiver: RTCRtpTransceiver) -> None:
        """Stand in for the transceiver's sender; must be called before the connection is up."""
        self._sender = transceiver.sender
        transceiver.sender.send = self.send  # type: ignore[method-assign]
        transceiver.sender.stop = self.stop  # type: ignore[method-assign]

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """aiortc: the way is open."""
        known = [codec.payloadType for codec in parameters.codecs if codec.payloadType is not None]
        if known and self._transport is None:
            self._payload_type = known[0]
            self._cname = parameters.rtcp.cname or ""
            self._transport = self._sender.transport

    async def stop(self) -> None:
        """aiortc: it is not any more."""
        self._transport = None

    def speak(self, packet: bytes | None, at_samples: int) -> None:
        """What is to be heard at this time of the room: one packet, or None for silence. Never blocks.

        Before the peer is ready it hears nothing.
        """
        if self._transport is None:
            return
        begins = self._end_samples is None or at_samples > self._end_samples
        if not packet:
            since_samples = None if self._end_samples is None else at_samples - self._end_samples
            if self._is_silent and since_samples is not None and since_samples < SILENCE_EVERY_SAMPLES:
                return
            self._is_silent, packet = True, SILENCE
        else:
            begins = begins or self._is_silent
            self._is_silent = False
        self._end_samples = at_samples + packet_samples(packet)
        timestamp = (self._origin + at_samples * TICKS_PER_SAMPLE) & 0xFFFFFFFF
        ssrc = self._sender._ssrc
        if not self._put(render(self._payload_type, self._sequence, timestamp, ssrc, packet, marker=begins)):
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.sent_bytes += len(packet)
        now_s = time.monotonic()
        if now_s >= self._report_due_s:
            self._report_due_s = now_s + (0.5 + random.random()) * REPORT_EVERY_S
            self._put(sender_report(ssrc, time.time(), timestamp, self.packets, self.sent_bytes, self._cname))

    def _put(self, data: bytes) -> bool:
        """Nothing in aiortc's way out waits for anything, so it is walked through at once, without a task."""
        sending: Coroutine[Any, Any, None] = self._transport._send_rtp(data)
        try:
            sending.send(None)
        except StopIteration:
            return True
        except (ConnectionError, pylibsrtp.Error):  # closed this very moment
            return False
        finally:
            sending.close()
        log.error("sound cannot be sent with this aiortc: its way out waits")
        self._transport = None
        return False
