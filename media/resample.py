"""Any sample rate to 16 kHz, in pieces, with swresample through PyAV."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ

# float32 full scale is 1.0; the largest s16 is one step below it.
_FULL_SCALE = 32768.0


def resampled_length_samples(length: int, rate_hz: int) -> int:
    """How long ``length`` samples at ``rate_hz`` are at 16 kHz: rounded, half up."""
    return (2 * length * SAMPLE_RATE_HZ + rate_hz) // (2 * rate_hz)


class Resampler:
    """Mono float32 at ``rate_hz`` in, 16 kHz s16le out; the pieces' borders leave no mark on the sound.

    Output sample n is at the same time as input sample ``n * rate_hz / 16000``. The filter looks 1 to 2 ms ahead, so
    that much is held back; ``flush`` gives it, and then the length of all output is that of all input, rounded.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._taken = 0  # input samples
        self._given_samples = 0
        self._filter = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)

    def feed(self, mono: npt.NDArray[np.float32]) -> bytes:
        """Shape ``(n,)``, full scale ±1; what is louder is clipped."""
        if not len(mono):
            return b""
        if self._rate_hz == SAMPLE_RATE_HZ:
            return to_s16le(mono)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono)[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.time_base = Fraction(1, self._rate_hz)
        frame.pts = self._taken
        self._taken += len(mono)
        pcm = _pcm(self._filter.resample(frame))
        self._given_samples += len(pcm) // BYTES_PER_SAMPLE
        return pcm

    def flush(self) -> bytes:
        """The rest. Nothing may be fed afterwards."""
        if not self._taken:
            return b""
        rest_samples = resampled_length_samples(self._taken, self._rate_hz) - self._given_samples
        rest_bytes = max(0, rest_samples) * BYTES_PER_SAMPLE
        return _pcm(self._filter.resample(None))[:rest_bytes].ljust(rest_bytes, b"\0")


def to_s16le(mono: npt.NDArray[np.float32]) -> bytes:
    """float32 of full scale ±1 as s16le, clipped."""
    samples: npt.NDArray[np.int16] = np.clip(np.rint(mono * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
    return samples.tobytes()


def mix_to_mono(
    channels: npt.NDArray[np.float32], weights: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Shape ``(n, channels)`` to ``(n,)``: the (weighted) mean, so that nothing clips. What is no number is silence."""
    if not np.isfinite(channels).all():
        channels = np.nan_to_num(channels, nan=0.0, posinf=1.0, neginf=-1.0)
    # Clipped first: a mean of samples near the largest float would overflow.
    channels = np.clip(channels, -1.0, 1.0)
    mono: npt.NDArray[np.float32] = (
        channels.mean(axis=1, dtype=np.float32) if weights is None else channels @ (weights / weights.sum())
    )
    return mono


def _pcm(frames: list[av.AudioFrame]) -> bytes:
    return b"".join(frame.to_ndarray().astype("<i2", copy=False).tobytes() for frame in frames)
