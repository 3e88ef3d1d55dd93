"""The receiver by itself, fed as the router of the DTLS transport feeds it."""

from __future__ import annotations

import asyncio

from aiortc.rtp import RtpPacket

from media.webrtc.receiver import SSRC_MAX, OpusReceiver
from protocol.blocks import Block
from tests.fakes.virtual_time import in_virtual_time
from tests.media.opus_sound import sweep_packets


def rtp(sequence: int, payload: bytes, *, ssrc: int = 1) -> RtpPacket:
    packet = RtpPacket(payload_type=111, sequence_number=sequence, timestamp=sequence * 960, ssrc=ssrc)
    packet.payload = payload
    return packet


class Heard:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.excess = 0
        self.changed = asyncio.Event()
        self.dropped: list[str] = []
        self.receiver = OpusReceiver(self.on_blocks, self.on_excess, self.dropped.append)

    def on_blocks(self, blocks: list[Block]) -> None:
        for block in blocks:
            assert block.start_samples == (self.blocks[-1].end_samples if self.blocks else 0)
            self.blocks.append(block)
        self.changed.set()

    def on_excess(self) -> None:
        self.excess += 1


@in_virtual_time
async def test_a_hole_is_given_up_without_another_packet() -> None:
    heard = Heard()
    packets = sweep_packets(0.2)
    for sequence in (0, 1, 3):
        await heard.receiver._handle_rtp_packet(rtp(sequence, packets[sequence]), 0)
    assert heard.blocks[-1].end_samples == 640
    heard.changed.clear()
    async with asyncio.timeout(1):
        await heard.changed.wait()
    assert heard.blocks[-1].end_samples == 4 * 320


async def test_another_ssrc_is_followed_and_the_one_left_is_not_heard_again() -> None:
    heard = Heard()
    packets = sweep_packets(0.2)
    await heard.receiver._handle_rtp_packet(rtp(0, packets[0], ssrc=1), 0)
    await heard.receiver._handle_rtp_packet(rtp(9_000, packets[1], ssrc=2), 0)
    end_samples = heard.blocks[-1].end_samples
    assert end_samples >= 640
    await heard.receiver._handle_rtp_packet(rtp(1, packets[2], ssrc=1), 0)
    assert heard.blocks[-1].end_samples == end_samples


async def test_ssrcs_without_end_are_not_followed() -> None:
    heard = Heard()
    payload = sweep_packets(0.2)[0]
    for ssrc in range(10 * SSRC_MAX):
        await heard.receiver._handle_rtp_packet(rtp(0, payload, ssrc=ssrc), 0)
    assert heard.excess > 0
    assert len(heard.receiver._left_ssrcs) <= SSRC_MAX
    assert heard.receiver.timeline.stats.packets <= SSRC_MAX + 1


async def test_sources_without_end_do_not_reach_srtp_which_forgets_none() -> None:
    """Of other payload types, and of reports: 0.2 to 0.3 kB each were measured."""
    heard = Heard()
    receiver = heard.receiver
    packets = [b"\x80\x60" + bytes(6) + ssrc.to_bytes(4) + b"x" for ssrc in range(2 * SSRC_MAX)]
    assert [receiver.on_rtp(packet) for packet in packets] == [False] * SSRC_MAX + [True] * SSRC_MAX
    assert not receiver.on_rtp(packets[0]), "those that went on go on"
    assert heard.dropped == ["sources_full"] * SSRC_MAX
    receiver = Heard().receiver
    reports = [b"\x80\xc8" + bytes(2) + ssrc.to_bytes(4) + bytes(20) for ssrc in range(2 * SSRC_MAX)]
    assert [receiver.on_rtp(report) for report in reports] == [False] * SSRC_MAX + [True] * SSRC_MAX
    assert not receiver.on_rtp(reports[0][:-1] + b"x")


async def test_the_end_gives_away_what_was_held() -> None:
    heard = Heard()
    packets = sweep_packets(0.2)
    for sequence in (0, 2):
        await heard.receiver._handle_rtp_packet(rtp(sequence, packets[sequence]), 0)
    heard.receiver._handle_disconnect()
    assert heard.blocks[-1].end_samples == 3 * 320
