"""Opus packets of made sound, for tests."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import av
import numpy as np

from media.opus import Decoder16k
from protocol.blocks import Block


@functools.cache
def sweep_packets(length_s: float, *, packet_ms: int = 20) -> tuple[bytes, ...]:
    """A slow sweep from 200 Hz to 2 kHz, mono, as packets."""
    time_s = np.arange(int(length_s * 48_000)) / 48_000
    frequency = 200 + 1_800 * time_s / length_s
    sound = 8_000 * np.sin(2 * np.pi * np.cumsum(frequency) / 48_000)
    return opus_packets(sound.astype("<i2").tobytes(), rate_hz=48_000, packet_ms=packet_ms)


@functools.cache
def syllables_packets(length_s: float, *, rate_hz: int = 48_000) -> tuple[bytes, ...]:
    """Like speech to a codec that predicts: a gliding pitch with overtones and breath, four syllables a second.

    At 16,000 Hz it is wideband, as browsers send what our answers ask for.
    """
    dice = np.random.default_rng(2)
    time_s = np.arange(int(length_s * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(130 + 40 * np.sin(2 * np.pi * 0.7 * time_s)) / 48_000
    voice = np.sum([np.sin(n * phase) / n for n in range(1, 20)], axis=0) + dice.normal(0, 0.3, len(time_s))
    sound = 3_000 * voice * np.clip(np.sin(2 * np.pi * 4 * time_s), 0, 1)
    return opus_packets(sound.astype("<i2").tobytes(), rate_hz=rate_hz)


def opus_packets(pcm: bytes, *, rate_hz: int = 16_000, packet_ms: int = 20) -> tuple[bytes, ...]:
    """Mono sound as packets; a rest too short for one is left out."""
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate = rate_hz
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = 32_000
    codec.options = {"application": "voip", "frame_duration": str(packet_ms)}
    sound = np.frombuffer(pcm, "<i2")
    step = rate_hz * packet_ms // 1000
    packets: list[bytes] = []
    for start in range(0, len(sound) - step + 1, step):
        frame = av.AudioFrame.from_ndarray(sound[None, start : start + step], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        frame.pts = start
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return tuple(packets)


def opus_blocks(packets: Iterable[bytes], start_samples: int = 0) -> list[Block]:
    """Each packet as a block of its sound, by one decoder, one after the other."""
    decoder = Decoder16k()
    blocks: list[Block] = []
    for packet in packets:
        blocks.append(Block(start_samples, decoder.decode(packet), (packet,)))
        start_samples = blocks[-1].end_samples
    return blocks
