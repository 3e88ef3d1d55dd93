"""Mel spectra as the Resemblyzer encoder wants them: power, not its logarithm, 40 bands, a frame every 10 ms.

The bands are Slaney's (Auditory Toolbox, 1998; librosa's default): even below 1 kHz, a logarithm above, each of equal
area. Frames are centred, with silence before the beginning and after the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from protocol.blocks import SAMPLE_RATE_HZ

BANDS = 40
HOP_SAMPLES = 160
_FFT_SAMPLES = 400
_HALF_SAMPLES = _FFT_SAMPLES // 2
_BLOCK_FRAMES = 256  # so many at once: their spectra stay in the cache
_HANN = np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)
_KNEE_HZ = 1000.0
_KNEE_MEL = 15.0
_MEL_HZ = _KNEE_HZ / _KNEE_MEL
_LOG_STEP = np.log(6.4) / 27.0

Array = npt.NDArray[np.float32]


def mel_spectra(windows: Sequence[Samples]) -> tuple[Array, npt.NDArray[np.int32]]:
    """Of s16 windows, as (frames of the longest, n, 40), silent behind the end of a shorter one; and their frames (n,).

    A window of ``k`` samples has ``1 + k // 160`` frames.
    """
    counts = np.array([1 + len(window) // HOP_SAMPLES for window in windows], np.int32)
    spectra = np.zeros((int(counts.max(initial=0)), len(windows), BANDS), np.float32)
    for row, window in enumerate(windows):
        padded = np.zeros(len(window) + _FFT_SAMPLES, np.float32)
        np.divide(window, np.float32(32768.0), out=padded[_HALF_SAMPLES : _HALF_SAMPLES + len(window)])
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::HOP_SAMPLES]
        for at in range(0, int(counts[row]), _BLOCK_FRAMES):
            spectrum = np.fft.rfft(frames[at : at + _BLOCK_FRAMES] * _HANN)
            power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
            spectra[at : at + len(power), row] = power @ _FILTERS
    return spectra, counts


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < _KNEE_MEL, mel * _MEL_HZ, _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL)))


def _filters() -> Array:
    top_mel = _KNEE_MEL + np.log(SAMPLE_RATE_HZ / 2 / _KNEE_HZ) / _LOG_STEP
    edges_hz = _mel_to_hz(np.linspace(0.0, top_mel, BANDS + 2))
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, _FFT_SAMPLES // 2 + 1)[:, None]
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (high - low))
    return np.ascontiguousarray(triangles.astype(np.float32))  # (bins, bands)


_FILTERS = _filters()
