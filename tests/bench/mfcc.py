"""What voices can be told by without a network: means and spreads of mel cepstra. The baseline of the bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from asr.contract import Samples
from asr.speakers.contract import Embeddings, EncoderInfo
from asr.speakers.embedded import EMBEDDED
from asr.speakers.mel import BANDS, mel_spectra

CEPSTRA = 19  # without the first, which is how loud it is
_COSINES = np.cos(np.pi / BANDS * (np.arange(BANDS) + 0.5)[:, None] * np.arange(1, CEPSTRA + 1)).astype(np.float32)


class MfccEncoder:
    """``usual``: windows by which it knows the mean and the spread of each number, which it then leaves out."""

    def __init__(self, usual: Sequence[Samples], *, cut: float = 0.0, new_speaker: float = 0.0) -> None:
        self.info: EncoderInfo = replace(
            EMBEDDED, name="mfcc", dim=2 * CEPSTRA, cut=cut, own=0.01, new_speaker=new_speaker, known=0.9
        )
        raw = np.array([_raw(window) for window in usual])
        self._mean, self._spread = raw.mean(axis=0), raw.std(axis=0)

    def embed(self, windows: Sequence[Samples]) -> Embeddings:
        rows = np.array([(_raw(window) - self._mean) / self._spread for window in windows]).reshape(-1, 2 * CEPSTRA)
        unit: Embeddings = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float32)
        return unit


def _raw(window: Samples) -> npt.NDArray[np.float32]:
    cepstra = np.log(mel_spectra([window])[0][:, 0] + np.float32(1e-6)) @ _COSINES
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0)])
