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
        loud = np.abs(np.frombuffer(block.pcm, "<i2").astype(np.int64))
        shares = (np.arange(block.start_samples, block.end_samples, dtype=np.int64) * count) // length_samples
        # Shares ascend, so each run of equal ones is reduced at once.
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(shares)) + 1))
        np.maximum.at(highest, shares[firsts], np.maximum.reduceat(loud, firsts))
    return [round(float(value) / _FULL_SCALE, 4) for value in highest]
