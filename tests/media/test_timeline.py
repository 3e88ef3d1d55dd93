from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.opus import STEP_SAMPLES, Decoder16k
from media.patience import HOLD_MAX_PACKETS, HOLD_S
from media.timeline import JUMP_MAX_SAMPLES, RATE_MAX, SLACK_SAMPLES, OpusTimeline
from protocol.blocks import Block
from protocol.errors import AudioFormatError
from tests.media.opus_sound import sweep_packets

PACKET_S = 0.020
PACKET_TICKS = 960
PACKET_SAMPLES = 320
CELT_20_MS = 0xF8
SILK_60_MS = 0x18
"""First bytes of packets of one frame."""
SILK_TWICE_60_MS = 0x19


class Marking:
    """A decoder whose samples say what they are: the packet's second byte, -1 where concealed, -2 where recovered."""

    def decode(self, packet: bytes) -> bytes:
        if packet[1:2] == b"\xff":
            raise AudioFormatError("broken")
        length = {CELT_20_MS: 320, SILK_60_MS: 960, SILK_TWICE_60_MS: 1920}[packet[0]]
        return np.full(length, packet[1], "<i2").tobytes()

    def conceal(self, samples: int) -> bytes:
        assert samples % STEP_SAMPLES == 0
        return np.full(samples, -1, "<i2").tobytes()

    def recover(self, packet: bytes, samples: int) -> bytes:
        assert samples % STEP_SAMPLES == 0
        return np.full(samples, -2, "<i2").tobytes()


def payload(index: int) -> bytes:
    return bytes([CELT_20_MS, index % 200 + 1])


def joined(blocks: Iterable[Block]) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The blocks as one sound, checked to follow each other without gap or overlap."""
    end_samples = 0
    parts = []
    for block in blocks:
        assert block.start_samples == end_samples
        assert block.pcm
        end_samples = block.end_samples
        parts.append(block.pcm)
    return np.frombuffer(b"".join(parts), "<i2")


def run(
    order: Iterable[int], *, first: int = 0, base_ticks: int = 0, timeline: OpusTimeline | None = None
) -> tuple[OpusTimeline, list[Block]]:
    """Packets of the indices given, in that order, one each 20 ms, with polls in between and a flush at the end."""
    timeline = timeline or OpusTimeline(Marking())
    blocks: list[Block] = []
    for step, index in enumerate(order):
        now_s = step * PACKET_S
        blocks += timeline.poll(now_s)
        blocks += timeline.push(first + index, base_ticks + index * PACKET_TICKS, payload(index), now_s)
    return timeline, blocks + timeline.flush()


def test_in_order_is_delivered_at_once() -> None:
    timeline = OpusTimeline(Marking())
    for index in range(100):
        (block,) = timeline.push(index, index * PACKET_TICKS, payload(index), index * PACKET_S)
        assert block.start_samples == index * PACKET_SAMPLES
        assert timeline.deadline_s is None


def test_blocks_bring_the_packets_they_were_made_of_and_none_where_nothing_came() -> None:
    _, blocks = run([*range(10), *range(30, 40)])
    assert [packet for block in blocks for packet in block.packets or ()] == [
        payload(index) for index in (*range(10), *range(30, 40))
    ]
    for block in blocks:
        assert block.packets is not None
        assert bool(block.packets) == (block.pcm[0] not in (0, 0xFF))
    timeline = OpusTimeline(Marking())
    timeline.push(0, 0, payload(0), 0.0)
    [broken] = timeline.push(1, PACKET_TICKS, bytes([CELT_20_MS, 0xFF]), 0.02)
    assert broken.packets == ()


@given(st.integers(0, 1 << 30), st.sampled_from([0, 1]))
def test_timestamps_that_a_sender_rounds_cut_no_packet_and_add_nothing_up(seed: int, drift_ticks: int) -> None:
    dice = random.Random(seed)
    timeline = OpusTimeline(Marking())
    blocks: list[Block] = []
    for index in range(400):
        exact = index * (PACKET_TICKS + drift_ticks) + 7
        blocks += timeline.push(index, exact + dice.choice((-1, 0, 1)), payload(index), index * PACKET_S)
        assert abs(timeline.end_samples - PACKET_SAMPLES - (exact - 7) / 3) <= STEP_SAMPLES + 1
    joined(blocks)
    assert [packet for block in blocks for packet in block.packets or ()] == [payload(index) for index in range(400)]
    assert {block.length_samples for block in blocks} <= {PACKET_SAMPLES, STEP_SAMPLES}


def test_a_packet_that_begins_within_the_one_before_is_not_cut_until_sound_is_20_ms_late() -> None:
    timeline = OpusTimeline(Marking())
    blocks: list[Block] = []
    # As GStreamer does it: 648 ticks from the first packet to the second; and a pause, after which all is in place.
    for index in range(20):
        ticks = index * PACKET_TICKS - (312 if index else 0) + (48_000 if index > 10 else 0)
        blocks += timeline.push(index, ticks, payload(index), index * PACKET_S + (1.0 if index > 10 else 0.0))
    joined(blocks)
    spoken = [block for block in blocks if block.packets]
    assert [block.start_samples for block in spoken[:11]] == [index * PACKET_SAMPLES for index in range(11)]
    assert abs(spoken[11].start_samples - (11 * PACKET_SAMPLES + 16_000 - 104)) <= STEP_SAMPLES / 2
    assert len(spoken) == 20
    # Timestamps that go on too slowly: late by 20 ms and no more, then all of it is cut.
    timeline = OpusTimeline(Marking())
    blocks = []
    for index in range(100):
        blocks += timeline.push(index, index * 2_780, bytes([SILK_60_MS, index + 1]), index * 0.060)
        assert timeline.end_samples - 960 - index * 2_780 / 3 <= 320 + STEP_SAMPLES
    joined(blocks)
    assert all(block.packets for block in blocks[:9])
    assert not all(block.packets for block in blocks[12:])


def test_what_the_wall_places_leaves_gaps_of_whole_steps() -> None:
    timeline = OpusTimeline(Marking())
    timeline.push(0, 0, payload(0), 0.0)
    before = 0
    for index in range(1, 30):
        timeline.restart()
        blocks = timeline.push(index * 999, index * 12_345, payload(index), index * 0.1234567)
        assert [block.length_samples % STEP_SAMPLES for block in blocks] == [0] * len(blocks)
        assert abs(blocks[-1].start_samples - before - 0.1234567 * 16_000) <= STEP_SAMPLES / 2 + 1
        before = blocks[-1].start_samples


def test_numbers_wrap() -> None:
    timeline, blocks = run(range(300), first=65_400, base_ticks=(1 << 32) - 50 * PACKET_TICKS)
    assert len(joined(blocks)) == 300 * PACKET_SAMPLES
    assert (timeline.stats.lost, timeline.stats.resyncs) == (0, 0)


def test_a_lost_packet_is_waited_for_60_ms_and_then_recovered() -> None:
    timeline = OpusTimeline(Marking())
    timeline.push(0, 0, payload(0), 0.0)
    assert timeline.push(2, 2 * PACKET_TICKS, payload(2), 0.040) == []
    assert timeline.deadline_s == pytest.approx(0.040 + HOLD_S)
    assert timeline.poll(0.099) == []
    sound = np.concatenate([np.frombuffer(block.pcm, "<i2") for block in timeline.poll(0.1001)])
    assert list(np.unique(sound[:320])) == [-2]
    assert list(np.unique(sound[320:])) == [3]
    assert timeline.stats.lost == 1
    # Delay is back to nothing with the very next packet.
    assert len(timeline.push(3, 3 * PACKET_TICKS, payload(3), 0.1002)) == 1


def test_three_newer_packets_end_the_wait() -> None:
    timeline = OpusTimeline(Marking())
    timeline.push(0, 0, payload(0), 0.0)
    assert timeline.push(2, 2 * PACKET_TICKS, payload(2), 0.001) == []
    assert timeline.push(3, 3 * PACKET_TICKS, payload(3), 0.002) == []
    blocks = timeline.push(4, 4 * PACKET_TICKS, payload(4), 0.003)
    assert blocks[-1].end_samples == 5 * PACKET_SAMPLES


def patient(copies_of: Iterable[int]) -> OpusTimeline:
    """A timeline that gave up packet 1 after 60 ms, and 80 ms after packet 2 got these; packet 3 came, 4 is missing."""
    timeline = OpusTimeline(Marking())
    timeline.push(0, 0, payload(0), 0.0)
    timeline.push(2, 2 * PACKET_TICKS, payload(2), 0.040)
    assert timeline.poll(0.1001)
    timeline.push(3, 3 * PACKET_TICKS, payload(3), 0.110)
    for index in copies_of:
        assert timeline.push(index, index * PACKET_TICKS, payload(index), 0.120) == []
    return timeline


def test_after_a_packet_came_too_late_the_next_one_is_waited_for_long_enough() -> None:
    timeline = patient([1])
    for index in range(5, 9):  # as many as the short hold would not keep
        assert timeline.push(index, index * PACKET_TICKS, payload(index), 0.130 + index / 1e6) == []
    assert timeline.deadline_s == pytest.approx(0.130 + 0.100, abs=1e-4)
    assert timeline.poll(0.220) == []
    blocks = timeline.push(4, 4 * PACKET_TICKS, payload(4), 0.221)
    assert [block.pcm[0] for block in blocks] == [payload(index)[1] for index in range(4, 9)]
    # In order, nothing waits, however long the hold.
    assert len(timeline.push(9, 9 * PACKET_TICKS, payload(9), 0.222)) == 1
    assert timeline.stats.lost == timeline.stats.late == 1


def test_what_is_really_lost_costs_the_longer_hold_and_no_more() -> None:
    timeline = patient([1])
    for index in range(5, 9):
        assert timeline.push(index, index * PACKET_TICKS, payload(index), 0.130) == []
    blocks = timeline.poll(0.2301)
    assert blocks[-1].end_samples == 9 * PACKET_SAMPLES
    assert timeline.deadline_s is None


def test_no_more_than_40_packets_wait_however_long_the_hold() -> None:
    timeline = patient([1])
    for index in range(5, 44):
        assert timeline.push(index, index * PACKET_TICKS, payload(index), 0.130) == []
    assert timeline.push(44, 44 * PACKET_TICKS, payload(44), 0.130)[-1].end_samples == 45 * PACKET_SAMPLES


@pytest.mark.parametrize("copies_of", [[], [0], [2], [3, 3, 0]])
def test_copies_of_what_was_heard_prolong_nothing(copies_of: list[int]) -> None:
    timeline = patient(copies_of)
    timeline.push(5, 5 * PACKET_TICKS, payload(5), 0.130)
    assert timeline.deadline_s == pytest.approx(0.130 + HOLD_S)
    timeline.push(6, 6 * PACKET_TICKS, payload(6), 0.131)
    assert timeline.push(7, 7 * PACKET_TICKS, payload(7), 0.132)
    assert timeline.stats.late == len(copies_of)


def test_numbers_given_to_other_packets_after_a_new_beginning_prolong_nothing() -> None:
    timeline = patient([])
    timeline.restart()
    timeline.push(2, 0, payload(2), 0.111)
    timeline.push(1, 0, payload(1), 0.112)
    timeline.push(4, 2 * PACKET_TICKS, payload(4), 0.113)
    assert timeline.deadline_s == pytest.approx(0.113 + HOLD_S)


def test_a_burst_is_concealed_for_100_ms_and_then_silent() -> None:
    _, blocks = run([*range(10), *range(60, 70)])
    sound = joined(blocks)
    assert len(sound) == 70 * PACKET_SAMPLES
    hole = sound[10 * PACKET_SAMPLES : 60 * PACKET_SAMPLES]
    assert set(hole[:1_600]) == {-1}
    assert set(hole[1_600:]) == {0}


def test_a_packet_too_late_and_a_packet_twice_are_dropped() -> None:
    timeline, blocks = run([0, 1, 1, 3, 4, 5, 6, 2, 7, 7])
    assert len(joined(blocks)) == 8 * PACKET_SAMPLES
    assert timeline.stats.late == 3


def test_silence_that_was_not_sent_is_filled_in_and_not_called_lost() -> None:
    timeline = OpusTimeline(Marking())
    blocks = timeline.push(0, 0, payload(0), 0.0)
    blocks += timeline.push(1, 21 * PACKET_TICKS, payload(1), 0.420)
    sound = joined(blocks)
    assert len(sound) == 22 * PACKET_SAMPLES
    assert set(sound[320 : 21 * 320]) == {0}
    assert timeline.stats.lost == 0


def test_a_pause_beyond_30_s_is_placed_by_the_wall_and_left_a_hole() -> None:
    timeline = OpusTimeline(Marking())
    timeline.push(0, 0, payload(0), 0.0)
    (block,) = timeline.push(1, 3600 * 48_000, payload(1), 3600.0)
    assert block.start_samples == pytest.approx(3600 * 16_000, abs=PACKET_SAMPLES)


def test_hours_do_not_drift() -> None:
    # 2 hours in packets of 60 ms, timestamps wrapping as they do.
    timeline = OpusTimeline(Marking())
    end_samples = 0
    for index in range(2 * 3600 * 1000 // 60):
        ticks = (4_000_000_001 + index * 2880) & 0xFFFFFFFF
        for block in timeline.push(index & 0xFFFF, ticks, bytes([SILK_60_MS, index % 200 + 1]), index * 0.060):
            assert block.start_samples == end_samples
            end_samples = block.end_samples
    assert end_samples == 2 * 3600 * 16_000


def test_a_sender_that_begins_anew_is_followed_by_the_wall_clock() -> None:
    timeline = OpusTimeline(Marking())
    blocks: list[Block] = []
    for index in range(50):
        blocks += timeline.push(index, index * PACKET_TICKS, payload(index), index * PACKET_S)
    for index in range(50):
        now_s = 2.0 + index * PACKET_S
        blocks += timeline.push(30_000 + index, 77_777 + index * PACKET_TICKS, payload(index), now_s)
    sound = joined(blocks)
    assert timeline.stats.resyncs == 1
    assert abs(len(sound) - 3 * 16_000) <= PACKET_SAMPLES
    assert timeline.stats.late == 0, "the packets that told of the new beginning were kept"


def test_another_source_goes_on_where_the_wall_says() -> None:
    timeline = OpusTimeline(Marking())
    blocks = timeline.push(9, 9, payload(1), 0.0)
    blocks += timeline.restart()
    blocks += timeline.push(40_000, 123, payload(2), 1.0)
    assert len(joined(blocks)) == 16_000 + PACKET_SAMPLES


def test_a_broken_packet_is_silence_of_its_length() -> None:
    timeline = OpusTimeline(Marking())
    blocks = timeline.push(0, 0, payload(0), 0.0)
    blocks += timeline.push(1, PACKET_TICKS, bytes([CELT_20_MS, 0xFF]), 0.02)
    blocks += timeline.push(2, 2 * PACKET_TICKS, b"", 0.04)
    blocks += timeline.push(3, 3 * PACKET_TICKS, payload(3), 0.06)
    assert len(joined(blocks)) == 4 * PACKET_SAMPLES
    assert timeline.stats.broken == 2


def test_timestamps_cannot_outrun_the_wall() -> None:
    timeline = OpusTimeline(Marking())
    blocks: list[Block] = []
    for index in range(5_000):
        now_s = index * 0.001
        blocks += timeline.push(index, index * 29 * 48_000, payload(index), now_s)
    joined(blocks)
    assert timeline.end_samples <= 5 * 16_000 * RATE_MAX + SLACK_SAMPLES


def test_packets_in_the_past_cannot_stretch_time() -> None:
    timeline = OpusTimeline(Marking())
    for index in range(20_000):
        timeline.push(index & 0xFFFF, 0, bytes([SILK_60_MS, 1]), index * 0.0001)
    assert timeline.end_samples <= 2 * 16_000 * RATE_MAX + SLACK_SAMPLES
    assert timeline.stats.refused > 0


@given(st.integers(0, 1 << 30), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_reordering_within_the_window_changes_nothing(seed: int, first: int, base_ticks: int) -> None:
    order = list(range(60))
    dice = random.Random(seed)
    index = 1
    while index < len(order) - 1:
        if dice.random() < 0.3:
            order[index], order[index + 1] = order[index + 1], order[index]
            index += 1
        index += 1
    timeline, blocks = run(order, first=first, base_ticks=base_ticks)
    _, plain = run(range(60), first=first, base_ticks=base_ticks)
    assert joined(blocks).tobytes() == joined(plain).tobytes()
    assert timeline.stats.lost == timeline.stats.late == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF) | st.integers(0, 40),
            st.integers(0, 0xFFFFFFFF) | st.integers(0, 40).map(lambda index: index * PACKET_TICKS),
            st.binary(max_size=8) | st.just(payload(1)),
            st.floats(0, 40),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_any_packets_give_blocks_in_order(packets: list[tuple[int, int, bytes, float, bool]]) -> None:
    timeline = OpusTimeline(Decoder16k())
    now_s = 0.0
    end_samples = 0

    def check(blocks: list[Block]) -> None:
        nonlocal end_samples
        for block in blocks:
            assert block.start_samples >= end_samples
            assert 0 < block.length_samples <= JUMP_MAX_SAMPLES
            end_samples = block.end_samples

    for sequence, timestamp, data, wait_s, begins_anew in packets:
        now_s += wait_s
        check(timeline.poll(now_s))
        if begins_anew and wait_s > 39:
            check(timeline.restart())
        check(timeline.push(sequence, timestamp, data, now_s))
        assert len(timeline._held) < HOLD_MAX_PACKETS
        assert len(timeline._suspects) <= 5
        assert end_samples <= now_s * 16_000 * RATE_MAX + SLACK_SAMPLES
    check(timeline.flush())
    assert timeline.deadline_s is None


def test_the_decoder_finds_back_after_a_loss() -> None:
    packets = sweep_packets(2.0)

    def sound(lost: int | None) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        timeline = OpusTimeline(Decoder16k())
        blocks: list[Block] = []
        for index, packet in enumerate(packets):
            if index != lost:
                blocks += timeline.poll(index * PACKET_S)
                blocks += timeline.push(index, index * PACKET_TICKS, packet, index * PACKET_S)
        return joined(blocks + timeline.flush())

    whole, holed = sound(None), sound(40)
    assert len(whole) == len(holed)
    later = 50 * PACKET_SAMPLES
    assert np.corrcoef(whole[later:].astype(float), holed[later:].astype(float))[0, 1] > 0.999


def test_a_packet_from_just_before_a_first_one_without_sound_begins_the_track() -> None:
    timeline = OpusTimeline(Decoder16k())
    packets = [(0, 15630, b""), (1, 15157, b"\x00")]
    blocks = [block for packet in packets for block in timeline.push(*packet, 0.0)]
    assert [block.start_samples for block in blocks] == [0]
