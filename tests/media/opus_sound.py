"""Opus packets of made sound, for tests."""

from __future__ import annotations

import functools
from typing import Any

import av
import numpy as np


@functools.cache
def sweep_packets(length_s: float, *, packet_ms: int = 20) -> tuple[bytes, ...]:
    """A slow sweep from 200 Hz to 2 kHz, mono, as packets."""
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate = 48_000
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = 32_000
    codec.options = {"application": "voip", "frame_duration": str(packet_ms)}
    time_s = np.arange(int(length_s * 48_000)) / 48_000
    frequency = 200 + 1_800 * time_s / length_s
    sound = (8_000 * np.sin(2 * np.pi * np.cumsum(frequency) / 48_000)).astype("<i2")
    step = 48 * packet_ms
    packets: list[bytes] = []
    for start in range(0, len(sound) - step + 1, step):
        frame = av.AudioFrame.from_ndarray(sound[None, start : start + step], format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = start
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return tuple(packets)
