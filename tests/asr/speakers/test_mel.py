from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from asr.speakers.mel import BANDS, HOP_SAMPLES, mel_spectra
from tests.fakes.spoken_sample import spoken_sample


def reference(samples: np.ndarray) -> np.ndarray:
    """The same by another's bands and a transform in double precision: (frames, 40)."""
    filters = FeatureExtractor.get_mel_filters(16_000, 400, n_mels=BANDS)
    padded = np.pad(samples.astype(np.float64) / 32768, 200)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    starts = range(0, len(samples) + 1, HOP_SAMPLES)
    power = np.array([np.abs(np.fft.rfft(padded[at : at + 400] * hann)) ** 2 for at in starts])
    mel: np.ndarray = power @ filters.T
    return mel


@pytest.mark.parametrize("length_samples", [1, 159, 160, 5000, 19_200, 50_000])
def test_it_is_the_power_in_slaneys_bands(length_samples: int) -> None:
    samples = spoken_sample().samples[15_000:][:length_samples]
    spectra, counts = mel_spectra([samples])
    assert counts.tolist() == [1 + length_samples // HOP_SAMPLES]
    np.testing.assert_allclose(spectra[:, 0], reference(samples), rtol=5e-7, atol=1e-6)


def test_a_shorter_window_is_silent_behind_its_end() -> None:
    samples = spoken_sample().samples[15_000:]
    long, short = samples[:8000], samples[8000:10_000]
    spectra, counts = mel_spectra([long, short])
    assert counts.tolist() == [51, 13]
    assert spectra.shape == (51, 2, BANDS)
    np.testing.assert_array_equal(spectra[:13, 1], mel_spectra([short])[0][:, 0])
    assert not spectra[13:, 1].any()


def test_no_window_no_frame() -> None:
    assert mel_spectra([])[0].shape == (0, 0, BANDS)
