from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.contract import Samples
from asr.mel import HOP_SAMPLES, Features, GrowingMel
from tests.fakes.spoken_sample import spoken_sample

FILTERS = {mels: FeatureExtractor(feature_size=mels).mel_filters for mels in (80, 128)}


def sound(length_samples: int, seed: int = 0) -> Samples:
    random = np.random.default_rng(seed)
    loudness = np.repeat(random.random(length_samples // 1000 + 1) ** 3, 1000)[:length_samples]
    return (random.standard_normal(length_samples) * loudness * 3000).astype(np.int16)


def reference(samples: Samples, mels: int) -> Features:
    features: Features = FeatureExtractor(feature_size=mels)(samples.astype(np.float32) / 32768)
    return features[..., :-1]


def at_once(samples: Samples, mels: int = 80) -> Features:
    mel = GrowingMel(FILTERS[mels])
    mel.hear(samples, 0)
    return mel.window(0)[0]


def assert_same(ours: Features, theirs: Features) -> None:
    """But for the last bits: on some processors a product of matrices depends on how many rows they have."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("length_samples", [300, 401, 4800, 16_000, 48_123, 480_000])
def test_the_features_are_those_of_faster_whisper(mels: int, length_samples: int) -> None:
    samples = sound(length_samples)
    ours, theirs = at_once(samples, mels), reference(samples, mels)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_the_features_of_speech_are_those_of_faster_whisper() -> None:
    samples = spoken_sample().samples[:160_000]
    np.testing.assert_allclose(at_once(samples), reference(samples, 80), atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=12), st.booleans(), st.sampled_from([80, 128]))
def test_how_the_sound_was_cut_does_not_matter(cuts: list[int], look: bool, mels: int) -> None:
    samples = sound(sum(cuts), seed=len(cuts))
    mel = GrowingMel(FILTERS[mels])
    at = 0
    for cut in cuts:
        mel.hear(samples[at : at + cut], 7 + at)
        at += cut
        if look:
            assert_same(mel.window(7)[0], at_once(samples[:at], mels))
    assert_same(mel.window(7)[0], at_once(samples, mels))


def test_frames_are_provisional_until_all_their_samples_are_there() -> None:
    samples = sound(32_000)
    mel = GrowingMel(FILTERS[80])
    mel.hear(samples[:16_000], 0)
    early, _ = mel.window(0)
    mel.hear(samples, 0)  # the old part again, as windows do
    late, _ = mel.window(0)
    assert not np.allclose(early[:, -1], late[:, 99])  # it looked into a silence that is none
    assert_same(late, at_once(samples))


@pytest.mark.parametrize("from_samples", [0, 1, 159, 160, 8000, 15_999, 31_999, 32_000])
def test_a_window_begins_on_the_grid_and_is_clamped_by_its_own_loudest(from_samples: int) -> None:
    samples = sound(32_000)
    samples[:4000] *= 8  # loud, and outside of later windows
    mel = GrowingMel(FILTERS[80])
    mel.hear(samples, 1000)
    features, start_samples = mel.window(1000 + from_samples)
    assert start_samples == 1000 + from_samples // HOP_SAMPLES * HOP_SAMPLES
    assert features.shape == (80, 200 - from_samples // HOP_SAMPLES)
    if features.size and from_samples >= 8000:
        whole = reference(samples[start_samples - 1000 :], 80)
        np.testing.assert_allclose(features[:, 2:], whole[:, 2:], atol=2e-6)  # two frames mirror what is cut away


def test_behind_a_gap_a_new_sound_begins() -> None:
    mel = GrowingMel(FILTERS[80])
    mel.hear(sound(16_000, 1), 0)
    mel.hear(sound(16_000, 2), 50_000)
    features, start_samples = mel.window(50_000)
    assert start_samples == 50_000
    assert_same(features, at_once(sound(16_000, 2)))


def test_no_sound_has_no_frames() -> None:
    assert at_once(sound(0)).shape == (80, 0)
    assert at_once(sound(159)).shape == (80, 0)
