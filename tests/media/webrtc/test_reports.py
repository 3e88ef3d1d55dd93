"""Reception counted by RFC 3550's own examples and by aiortc's reader of reports; the clock is a number."""

from __future__ import annotations

import random

import pytest
from aiortc.rtp import RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from media.webrtc.reports import MISORDER_MAX_PACKETS, Reception, sender_report

RATE_HZ = 48_000


def reception(sequences: list[int], *, step_s: float = 0.02) -> Reception:
    made = Reception(7, RATE_HZ, 0.0)
    for number, sequence in enumerate(sequences):
        made.add(sequence & 0xFFFF, number * 960, number * step_s)
    return made


def read(report: bytes) -> RtcpReceiverInfo:
    (packet,) = RtcpPacket.parse(report)
    assert isinstance(packet, RtcpRrPacket)
    assert packet.ssrc == 99
    (info,) = packet.reports
    assert info.ssrc == 7
    return info


def test_nothing_lost() -> None:
    info = read(reception(list(range(100, 150))).report(99, 1.0))
    assert (info.fraction_lost, info.packets_lost, info.highest_sequence, info.lsr, info.dlsr) == (0, 0, 149, 0, 0)


def test_numbers_wrap() -> None:
    made = reception(list(range(65_500, 65_600)))
    assert made.expected == 100
    assert read(made.report(99, 1.0)).highest_sequence == 65_599


def test_a_fraction_is_of_the_time_since_the_last_report() -> None:
    made = reception([sequence for sequence in range(100) if sequence % 4])
    assert (read(made.report(99, 1.0)).fraction_lost, made.lost) == (24 * 256 // 99, 24)
    for sequence in range(100, 200):
        made.add(sequence, 0, 2.0)
    info = read(made.report(99, 2.0))
    assert (info.fraction_lost, info.packets_lost) == (0, 24)


def test_packets_that_come_twice_are_less_than_none_lost() -> None:
    made = reception([sequence for sequence in range(50) for _ in range(2)])
    assert read(made.report(99, 1.0)).packets_lost == -50
    assert read(made.report(99, 2.0)).fraction_lost == 0


def test_late_ones_take_their_loss_back() -> None:
    assert reception([0, 1, 3, 4, 2, 5]).lost == 0


def test_one_from_far_away_is_noise_and_two_are_a_new_beginning() -> None:
    made = reception([*range(50), 30_000, *range(50, 60)])
    assert (made.expected, made.received) == (60, 60)
    made = reception([*range(50), *range(30_000, 30_010)])
    assert (made.expected, made.received, made.lost) == (9, 9, 0)
    # Just behind is late, no new beginning.
    assert reception([1_000, 1_000 - MISORDER_MAX_PACKETS + 1]).received == 2


def test_jitter_is_that_of_the_rfc() -> None:
    # Even arrival has none; a mean difference of 10 ms tends to 480 ticks.
    assert reception(list(range(100))).jitter == 0
    made = Reception(7, RATE_HZ, 0.0)
    for number in range(2_000):
        made.add(number, number * 960, number * 0.020 + (0.010 if number % 2 else 0.0))
    assert made.jitter == pytest.approx(480, rel=0.05)


def test_the_age_of_the_senders_report() -> None:
    made = reception(list(range(10)))
    made.heard_sender_report(0x1234_5678_9ABC_DEF0, 10.0)
    info = read(made.report(99, 10.5))
    assert (info.lsr, info.dlsr) == (0x5678_9ABC, 32_768)
    # Of one long ago nothing is said.
    info = read(made.report(99, 10.0 + 70_000.0))
    assert (info.lsr, info.dlsr) == (0, 0)


def test_reports_are_due_about_once_a_second() -> None:
    random.seed(1)
    made = reception([0])
    assert 0.5 <= made.report_due_s <= 1.5
    made.report(99, 5.0)
    assert 5.5 <= made.report_due_s <= 6.5


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF), st.floats(0, 1e6)), max_size=50),
    st.integers(0, 0xFFFF_FFFF_FFFF_FFFF),
)
def test_any_numbers_give_a_report_that_can_be_read(packets: list[tuple[int, int, float]], ntp: int) -> None:
    made = Reception(7, RATE_HZ, 0.0)
    now_s = 0.0
    for sequence, timestamp, wait_s in packets:
        now_s += wait_s
        made.add(sequence, timestamp, now_s)
        made.heard_sender_report(ntp, now_s)
    info = read(made.report(99, now_s))
    assert 0 <= info.fraction_lost <= 255


@pytest.mark.parametrize("cname", ["", "a", "abc", "x" * 300])
def test_a_sender_report_is_read_as_it_was_meant(cname: str) -> None:
    data = sender_report(7, 1_700_000_000.25, 0xFFFFFFFF, (1 << 32) + 5, 6, cname)
    report, description = RtcpPacket.parse(data)
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(description, RtcpSdesPacket)
    info = report.sender_info
    assert (report.ssrc, info.rtp_timestamp, info.packet_count, info.octet_count) == (7, 0xFFFFFFFF, 5, 6)
    assert info.ntp_timestamp / (1 << 32) - 2_208_988_800 == pytest.approx(1_700_000_000.25, abs=1e-3)
    assert description.chunks[0].items == [(1, cname.encode()[:255])]
