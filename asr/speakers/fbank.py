"""Log mel spectra as Kaldi makes them ("fbank"): 80 bands, frames of 25 ms every 10 ms, none beyond either end.

Of each frame: its mean is taken away, what is high is raised (each sample less 0.97 of the one before), a window laid
over it, and its power summed in triangles that are even in mel (Povey et al. 2011, "The Kaldi Speech Recognition
Toolkit"; compute-fbank-feats with --num-mel-bins=80 --dither=0 --snip-edges=true).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from protocol.blocks import SAMPLE_RATE_HZ

BANDS = 80
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
_FFT_SAMPLES = 512
_LOW_HZ = 20.0
_RAISED = 0.97
_LEAST = np.float32(np.finfo(np.float32).eps)

Array = npt.NDArray[np.float32]
Window = Literal["povey", "hamming"]


def frames_of(samples: int) -> int:
    """How many frames so many samples have."""
    return max(0, 1 + (samples - FRAME_SAMPLES) // HOP_SAMPLES)


def fbank(windows: Sequence[Samples], shape: Window, full_scale: float) -> Array:
    """Of s16 windows of one length, as (n, frames, 80), by samples whose loudest is ``full_scale`` (1, or 32768)."""
    sound = np.asarray(windows, np.float32) * np.float32(full_scale / 32768.0)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME_SAMPLES, axis=1)[:, ::HOP_SAMPLES]
    frames = frames - frames.mean(axis=2, keepdims=True, dtype=np.float32)
    raised = frames.copy()
    raised[:, :, 1:] -= np.float32(_RAISED) * frames[:, :, :-1]
    raised[:, :, 0] -= np.float32(_RAISED) * frames[:, :, 0]
    spectrum = np.fft.rfft(raised * _SHAPES[shape], _FFT_SAMPLES)[:, :, :-1]
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    logs: Array = np.log(np.maximum(power @ _FILTERS, _LEAST))
    return logs


def _mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(1127.0 * np.log(1.0 + np.asarray(hz) / 700.0))


def _filters() -> Array:
    edges = np.linspace(_mel(_LOW_HZ), _mel(SAMPLE_RATE_HZ / 2), BANDS + 2)
    bins = _mel(np.arange(_FFT_SAMPLES // 2) * (SAMPLE_RATE_HZ / _FFT_SAMPLES))[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return np.ascontiguousarray(triangles.astype(np.float32))  # (bins, bands)


_TURN = 2 * np.pi * np.arange(FRAME_SAMPLES) / (FRAME_SAMPLES - 1)
_SHAPES: dict[Window, Array] = {
    "povey": ((0.5 - 0.5 * np.cos(_TURN)) ** 0.85).astype(np.float32),
    "hamming": (0.54 - 0.46 * np.cos(_TURN)).astype(np.float32),
}
_FILTERS = _filters()
