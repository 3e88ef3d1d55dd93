"""How loud a recording is over time, for drawing."""

from __future__ import annotations

import numpy as np

from media.recording import Recording
from protocol.blocks import SAMPLE_RATE_HZ

_FULL_SCALE = 32768.0
_BLOCK_SAMPLES = 30 * SAMPLE_RATE_HZ


def peaks(recording: Recording, count: int) -> list[float]:
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
    return [round(float(value) / _FULL_SCALE, 4) for value in highest]
