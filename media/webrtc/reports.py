"""What a receiver counts of one source, and the report on it (RFC 3550 sections 6.4 and A.1 to A.8); what a sender
reports of itself. Pure.

The clock is passed in, in seconds from any beginning. A report is due about once a second and goes out with the packet
that comes next: where nothing comes there is nothing to report on (section 6.4.2), so no timer is needed.
"""

from __future__ import annotations

import random
import struct

DROPOUT_MAX_PACKETS = 3000
MISORDER_MAX_PACKETS = 100
REPORT_FIRST_S = 0.5
REPORT_EVERY_S = 1.0
SENDER_REPORT_FORGOTTEN_S = 65_536.0
"""Its age is told in 32 bits of 1/65536 s."""
_REPORT = struct.Struct("!BBHIIIIIII")
_RECEIVER_REPORT = 201
_SENDER = struct.Struct("!BBHIQIII")
_SENDER_REPORT, _DESCRIPTION, _CNAME = 200, 202, 1
_SINCE_1900_S = 2_208_988_800


class Reception:
    """Counters of one synchronisation source, from its first packet on."""

    def __init__(self, ssrc: int, clock_rate_hz: int, now_s: float) -> None:
        self.ssrc = ssrc
        self.received = 0
        self.report_due_s = now_s + REPORT_FIRST_S + random.random() * REPORT_EVERY_S
        self._clock_rate_hz = clock_rate_hz
        self._base = -1
        self._highest = 0
        self._cycles = 0
        self._bad = -1
        self._transit = 0
        self._jitter_16ths = 0
        self._expected_before = 0
        self._received_before = 0
        self._sender_report = 0
        self._sender_report_s = float("-inf")

    def add(self, sequence: int, timestamp: int, now_s: float) -> None:
        """A packet of this source came."""
        if self._base < 0:
            self._begin(sequence)
        else:
            step = (sequence - self._highest) & 0xFFFF
            if step < DROPOUT_MAX_PACKETS:
                if sequence < self._highest:
                    self._cycles += 0x10000
                self._highest = sequence
            elif step <= 0x10000 - MISORDER_MAX_PACKETS:
                # Far away: the first is taken for noise; two in a row, and the sender began anew (A.1).
                if sequence != self._bad:
                    self._bad = (sequence + 1) & 0xFFFF
                    return
                self._begin(sequence)
        self.received += 1
        transit = (int(now_s * self._clock_rate_hz) - timestamp) & 0xFFFFFFFF
        if self.received > 1:
            moved = (transit - self._transit) & 0xFFFFFFFF
            if moved & 0x80000000:
                moved = 0x100000000 - moved
            self._jitter_16ths += moved - ((self._jitter_16ths + 8) >> 4)
        self._transit = transit

    def _begin(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._cycles = self.received = self._expected_before = self._received_before = 0
        self._bad = -1

    def heard_sender_report(self, ntp_timestamp: int, now_s: float) -> None:
        """The sender told its clock, in 64 bits. Our reports say how long ago: so it knows the way there and back."""
        self._sender_report = (ntp_timestamp >> 16) & 0xFFFFFFFF
        self._sender_report_s = now_s

    @property
    def expected(self) -> int:
        """Packets that the sender has sent, by their numbers."""
        return self._cycles + self._highest - self._base + 1 if self._base >= 0 else 0

    @property
    def lost(self) -> int:
        """Packets that did not come; below zero when some came twice. As a report can say it, in 24 bits."""
        return max(-0x800000, min(self.expected - self.received, 0x7FFFFF))

    @property
    def jitter(self) -> int:
        """How unevenly packets come, in ticks of the clock rate (section A.8)."""
        return min(self._jitter_16ths >> 4, 0xFFFFFFFF)

    def report(self, reporter_ssrc: int, now_s: float) -> bytes:
        """A receiver report by ``reporter_ssrc``, on what came since the last one; the next is due about 1 s later."""
        self.report_due_s = now_s + (0.5 + random.random()) * REPORT_EVERY_S
        expected, received = self.expected - self._expected_before, self.received - self._received_before
        self._expected_before, self._received_before = self.expected, self.received
        lost = expected - received
        fraction = min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
        age_s = now_s - self._sender_report_s
        known = 0 <= age_s < SENDER_REPORT_FORGOTTEN_S
        return _REPORT.pack(
            *(0x81, _RECEIVER_REPORT, _REPORT.size // 4 - 1, reporter_ssrc, self.ssrc),
            (fraction << 24) | (self.lost & 0xFFFFFF),
            (self._cycles + self._highest) & 0xFFFFFFFF,
            self.jitter,
            self._sender_report if known else 0,
            int(age_s * 65_536) if known else 0,
        )


def sender_report(ssrc: int, now_s: float, timestamp: int, packets: int, sent_bytes: int, cname: str) -> bytes:
    """A sender report without report blocks, and who the source is, as each must say (sections 6.4.1 and 6.5).

    ``now_s`` is the wall clock's; ``timestamp`` what RTP says of the same moment.
    """
    ntp = round((now_s + _SINCE_1900_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
    report = _SENDER.pack(
        *(0x80, _SENDER_REPORT, _SENDER.size // 4 - 1, ssrc, ntp, timestamp),
        *(packets & 0xFFFFFFFF, sent_bytes & 0xFFFFFFFF),
    )
    name = cname.encode()[:255]
    item = bytes((_CNAME, len(name))) + name
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list
    return report + struct.pack("!BBHI", 0x81, _DESCRIPTION, 1 + len(item) // 4, ssrc) + item
