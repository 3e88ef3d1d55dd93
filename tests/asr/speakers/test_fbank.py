from __future__ import annotations

import math

import numpy as np
import pytest

from asr.contract import Samples
from asr.speakers.fbank import BANDS, FRAME_SAMPLES, HOP_SAMPLES, Array, Window, fbank, frames_of
from tests.fakes.spoken_sample import spoken_sample


def by_kaldis_definition(sound: Samples, shape: Window, full_scale: float) -> Array:
    """As ``feature-window.cc`` and ``mel-computations.cc`` do it, one frame and one band at a time, in doubles."""

    def mel(hz: float) -> float:
        return 1127.0 * math.log(1.0 + hz / 700.0)

    turn = 2 * np.pi * np.arange(400) / 399
    window = (0.5 - 0.5 * np.cos(turn)) ** 0.85 if shape == "povey" else 0.54 - 0.46 * np.cos(turn)
    step = (mel(8000) - mel(20)) / (BANDS + 1)
    rows = []
    for at in range(0, len(sound) - 399, 160):
        frame = sound[at : at + 400].astype(np.float64) * full_scale / 32768
        frame = frame - frame.mean()
        frame = np.append(frame[0] - 0.97 * frame[0], frame[1:] - 0.97 * frame[:-1]) * window
        power = np.abs(np.fft.fft(frame, 512)) ** 2
        bands = []
        for band in range(BANDS):
            left, centre, right = (mel(20) + (band + i) * step for i in range(3))
            energy = 0.0
            for i in range(256):
                here = mel(i * 16000 / 512)
                if left < here < right:
                    energy += power[i] * ((here - left) if here <= centre else (right - here)) / step
            bands.append(math.log(max(energy, 2.0**-23)))
        rows.append(bands)
    return np.array(rows, np.float32)


@pytest.mark.parametrize(("shape", "full_scale"), [("povey", 1.0), ("hamming", 32768.0)])
def test_it_is_kaldis(shape: Window, full_scale: float) -> None:
    sound = spoken_sample().samples[8000 : 8000 + 4000]
    expected = by_kaldis_definition(sound, shape, full_scale)
    (found,) = fbank([sound], shape, full_scale)
    assert found.shape == (frames_of(len(sound)), BANDS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)


def test_silence_is_at_the_floor_and_loud_sound_is_not_cut() -> None:
    silent, loud = np.zeros(1000, np.int16), np.where(np.arange(1000) % 2, 32767, -32768).astype(np.int16)
    features = fbank([silent, loud], "povey", 1.0)
    np.testing.assert_allclose(features[0], np.log(np.finfo(np.float32).eps), atol=1e-5)
    assert features[1].max() > 4


def test_frames_go_beyond_neither_end() -> None:
    counts = [
        frames_of(length) for length in (0, FRAME_SAMPLES - 1, FRAME_SAMPLES, FRAME_SAMPLES + HOP_SAMPLES, 19_200)
    ]
    assert counts == [0, 0, 1, 2, 118]
