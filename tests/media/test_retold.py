"""Recordings written anew."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from media.decode import DecodeLimits, decode_file
from media.retold import one_channel, with_header
from protocol.errors import AudioFormatError
from protocol.wire.stream import Encoding

LIMITS = DecodeLimits(bytes_max=1 << 20, duration_max_s=60)
LEFT = (np.sin(np.arange(16_000) / 20) * 9000).astype("<i2")
RIGHT = (np.sin(np.arange(16_000) / 7) * 9000).astype("<i2")


def sound_of(path: Path) -> bytes:
    return b"".join(block.pcm for block in decode_file(path, LIMITS))


def test_one_channel_of_several_is_that_channel_alone(tmp_path: Path) -> None:
    both = tmp_path / "both.wav"
    with wave.open(str(both), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.stack([LEFT, RIGHT], axis=1).tobytes())
    for channel, wanted in enumerate((LEFT, RIGHT)):
        one_channel(both, tmp_path / "one.wav", channel, LIMITS)
        assert sound_of(tmp_path / "one.wav") == wanted.tobytes()


def test_raw_samples_with_a_header_are_a_file_as_any(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "raw.wav"
    raw.write_bytes(LEFT.tobytes())
    with_header(raw, out, Encoding.PCM_S16LE, 16_000, 1)
    assert sound_of(out) == LEFT.tobytes()
    raw.write_bytes(b"\xff" * 8_000)  # silence
    with_header(raw, out, Encoding.MULAW, 8_000, 1)
    assert sound_of(out) == bytes(32_000)
    with pytest.raises(AudioFormatError):
        with_header(raw, out, Encoding.OPUS, 48_000, 1)
