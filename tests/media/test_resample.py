from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.resample import Resampler, mix_to_mono, resampled_length_samples, to_s16le

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000)


def tone(rate_hz: int, length: int, hz: float = 440.0) -> npt.NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(length) / rate_hz)).astype(np.float32)


def resampled(rate_hz: int, pieces: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.int16]:
    resampler = Resampler(rate_hz)
    pcm = b"".join(resampler.feed(piece) for piece in pieces) + resampler.flush()
    return np.frombuffer(pcm, "<i2")


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_tone_stays_that_tone_at_the_same_time(rate_hz: int) -> None:
    out = resampled(rate_hz, [tone(rate_hz, rate_hz)])
    assert len(out) == 16_000
    wanted = 32767 * tone(16_000, 16_000)
    assert np.abs(out[200:-200] - wanted[200:-200]).max() <= 2


@pytest.mark.parametrize("rate_hz", RATES)
def test_borders_of_pieces_leave_no_mark(rate_hz: int) -> None:
    sound = np.random.default_rng(1).uniform(-0.9, 0.9, rate_hz // 2).astype(np.float32)
    borders = np.cumsum([rate_hz // 50, 1, 7, 0, 333, rate_hz // 10])
    assert np.array_equal(resampled(rate_hz, np.split(sound, borders)), resampled(rate_hz, [sound]))


@settings(max_examples=30)
@given(rate_hz=st.sampled_from(RATES), lengths=st.lists(st.integers(0, 5000), max_size=6))
def test_the_length_is_exact_after_flush(rate_hz: int, lengths: list[int]) -> None:
    out = resampled(rate_hz, [np.zeros(length, np.float32) for length in lengths])
    assert len(out) == resampled_length_samples(sum(lengths), rate_hz)
    assert abs(len(out) - sum(lengths) * 16_000 / rate_hz) <= 0.5


@pytest.mark.parametrize("rate_hz", [11_025, 44_100, 48_000])
def test_nothing_drifts(rate_hz: int) -> None:
    resampler = Resampler(rate_hz)
    given_samples = 0
    second = np.zeros(rate_hz, np.float32)
    for number in range(1, 301):
        given_samples += len(resampler.feed(second)) // 2
        assert 0 <= number * 16_000 - given_samples <= 40


def test_full_scale_is_clipped_and_16_bits_come_through_unchanged() -> None:
    assert (
        to_s16le(np.array([2.0, -2.0, 1.0, -1.0], np.float32))
        == np.array([32767, -32768, 32767, -32768], "<i2").tobytes()
    )
    every = np.arange(-32768, 32768, dtype="<i2")
    assert to_s16le(every.astype(np.float32) / np.float32(32768)) == every.tobytes()


def test_mono_is_the_mean_and_what_is_no_number_is_silence() -> None:
    stereo = np.array([[0.5, -0.5], [1.0, 0.0], [np.nan, 0.5], [np.inf, np.inf], [3e38, 3e38]], np.float32)
    assert mix_to_mono(stereo).tolist() == [0.0, 0.5, 0.25, 1.0, 1.0]
