"""Packets that are longer than their timestamps are apart: what was heard is dropped, what is new is not."""

from __future__ import annotations

import random

import pytest

from media.opus import STEP_SAMPLES
from media.timeline import OpusTimeline
from protocol.blocks import Block
from tests.media.test_timeline import (
    PACKET_S,
    PACKET_SAMPLES,
    PACKET_TICKS,
    SILK_60_MS,
    SILK_TWICE_60_MS,
    Marking,
    joined,
)


@pytest.mark.parametrize("kind", [SILK_60_MS, SILK_TWICE_60_MS])
def test_packets_that_bring_the_same_time_again_are_not_strung_together(kind: int) -> None:
    timeline = OpusTimeline(Marking())
    dice = random.Random(1)
    blocks: list[Block] = []
    for index in range(400):
        now_s = index * PACKET_S + dice.uniform(0, 0.008)
        blocks += timeline.push(index, index * PACKET_TICKS, bytes([kind, index % 200 + 1, 0]), now_s)
        assert timeline.end_samples <= index * PACKET_SAMPLES + 1920 + 320 + STEP_SAMPLES
    assert len(joined(blocks)) >= 400 * PACKET_SAMPLES


def test_new_sound_whose_timestamps_are_too_close_is_heard() -> None:
    timeline = OpusTimeline(Marking())
    blocks: list[Block] = []
    for index in range(100):
        blocks += timeline.push(index, index * PACKET_TICKS, bytes([SILK_60_MS, index + 1]), index * 0.060)
    assert set(range(1, 101)) <= set(joined(blocks).tolist())
    assert timeline.stats.refused == 0
