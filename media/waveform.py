"""How loud a recording is over time, for drawing; measured once and kept when it has ended."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from media.wav import SoundReader
from protocol.blocks import SAMPLE_RATE_HZ

_FULL_SCALE = 32768.0
_BLOCK_SAMPLES = 30 * SAMPLE_RATE_HZ

STEP_SAMPLES = SAMPLE_RATE_HZ // 100
"""A kept waveform has a peak for each 10 ms: 200 bytes a second, where the sound has 2000 to 32000."""
STEPS_PER_SHARE_MIN = 4  # fewer, and a picture would show where the steps end
# Mark, length in samples, checksum of the peaks behind it.
_HEAD = struct.Struct("<4sQI")
_MARK = b"EPK1"


class Waveform:
    """Peaks of a recording in steps of 10 ms."""

    def __init__(self, length_samples: int, steps: npt.NDArray[np.uint16]) -> None:
        self.length_samples = length_samples
        self._steps = steps

    @classmethod
    def measure(cls, recording: SoundReader) -> Waveform:
        """Blocking: reads, and where it is Opus decodes, the whole recording."""
        length_samples = recording.length_samples()
        parts = [
            _loudest(block.pcm)
            for block in recording.blocks(0, length_samples, _BLOCK_SAMPLES - _BLOCK_SAMPLES % STEP_SAMPLES)
        ]
        return cls(length_samples, np.concatenate(parts) if parts else np.zeros(0, np.uint16))

    @classmethod
    def load(cls, path: Path, length_samples: int) -> Waveform | None:
        """What was kept there of a recording of this length; None when there is none, or it is damaged. Blocking."""
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if len(data) < _HEAD.size:
            return None
        mark, told_samples, checksum = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        is_whole = len(body) == 2 * -(-length_samples // STEP_SAMPLES) and zlib.crc32(body) == checksum
        if mark != _MARK or told_samples != length_samples or not is_whole:
            return None
        return cls(length_samples, np.frombuffer(body, "<u2"))

    def save(self, path: Path) -> None:
        """Blocking. Raises ``OSError``, and leaves nothing half written."""
        body = self._steps.astype("<u2").tobytes()
        partial = path.with_name(f"{path.name}.part")
        try:
            partial.write_bytes(_HEAD.pack(_MARK, self.length_samples, zlib.crc32(body)) + body)
            partial.replace(path)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    def can_tell(self, count: int) -> bool:
        """Whether so many shares of it are long enough for its steps."""
        return len(self._steps) >= STEPS_PER_SHARE_MIN * count

    def peaks(self, count: int) -> list[float]:
        """As the function below, each share to the next 10 ms."""
        begins = np.arange(count) * len(self._steps) // count
        return _rounded(np.maximum.reduceat(self._steps, begins))


def peaks(recording: SoundReader, count: int) -> list[float]:
    """``count`` peaks of equal shares of the recording, 0 to 1; all 0 without sound. Blocking."""
    length_samples = recording.length_samples()
    if count <= 0:
        return []
    highest = np.zeros(count, dtype=np.int64)
    for block in recording.blocks(0, length_samples, _BLOCK_SAMPLES):
        samples = np.frombuffer(block.pcm, "<i2")
        # Sample s belongs to share s * count // length; so share k begins at k * length / count, rounded up.
        shares = np.arange(
            block.start_samples * count // length_samples, (block.end_samples - 1) * count // length_samples + 1
        )
        begins = np.maximum(-(-shares * length_samples // count) - block.start_samples, 0)
        has_samples = np.diff(begins, append=len(samples)) > 0
        shares, begins = shares[has_samples], begins[has_samples]
        # Not abs, which has no place for the most negative sample.
        loud = np.maximum(np.maximum.reduceat(samples, begins), -np.minimum.reduceat(samples, begins).astype(np.int64))
        highest[shares] = np.maximum(highest[shares], loud)
    return _rounded(highest)


def _loudest(pcm: bytes) -> npt.NDArray[np.uint16]:
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    return np.maximum.reduceat(samples, np.arange(0, len(samples), STEP_SAMPLES)).astype(np.uint16)


def _rounded(values: npt.NDArray[Any]) -> list[float]:
    return [round(float(value) / _FULL_SCALE, 4) for value in values]
