from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.speakers.contract import SpeechWindow
from asr.speakers.windows import GAP_SAMPLES, LEVEL, Levels, SpeechWindows
from tests.asr.speakers.voices import INFO, STEP

Span = tuple[int, int]


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    at, told = 0, []
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 200)), max_size=12)):
        told.append(((at + gap) * 512, (at + gap + length) * 512))
        at += gap + length
    return told


def at_once(voiced: list[Span]) -> list[SpeechWindow]:
    windows = SpeechWindows(INFO)
    return windows.take(voiced, 0) + windows.finish()


def as_it_comes(voiced: list[Span]) -> list[tuple[int, SpeechWindow]]:
    """Frame by frame, with how far was listened to when each came."""
    windows = SpeechWindows(INFO)
    told = []
    for through in range(512, voiced[-1][1] + GAP_SAMPLES + 512, 512) if voiced else ():
        so_far = [(start, min(end, through)) for start, end in voiced if start < through]
        told += [(through, window) for window in windows.take(so_far, through)]
    return told + [(0, window) for window in windows.finish()]


def test_a_long_stretch_is_cut_into_steps() -> None:
    (first, second, *_, last) = at_once([(1000, 1000 + 10 * STEP + 3000)])
    assert first == SpeechWindow(1000, 1000 + STEP, 1000, 20_200)
    assert second == SpeechWindow(1000 + STEP, 1000 + 2 * STEP, 1000, 20_200)
    assert (last.start_samples, last.end_samples) == (1000 + 9 * STEP, 1000 + 10 * STEP + 3000)
    assert (last.heard_from_samples, last.heard_to_samples) == (last.end_samples - 19_200, last.end_samples)


def test_a_short_word_is_one_step() -> None:
    assert at_once([(512, 5120)]) == [SpeechWindow(512, 5120, 512, 5120)]


def test_a_short_pause_does_not_end_the_voice() -> None:
    assert len(at_once([(0, 3000), (3000 + GAP_SAMPLES - 1, 9000)])) == 1
    assert len(at_once([(0, 3000), (3000 + GAP_SAMPLES, 9000)])) == 2


@given(spans())
def test_it_is_the_same_however_it_comes(voiced: list[Span]) -> None:
    assert [window for _, window in as_it_comes(voiced)] == at_once(voiced)


@given(spans())
def test_steps_cover_all_voice_and_no_window_leaves_it(voiced: list[Span]) -> None:
    told = at_once(voiced)
    for before, after in itertools.pairwise(told):
        assert before.end_samples <= after.start_samples
    for start, end in voiced:
        inside = [w for w in told if w.start_samples < end and w.end_samples > start]
        assert min(w.start_samples for w in inside) <= start
        assert max(w.end_samples for w in inside) >= end
    for window in told:
        assert window.heard_from_samples <= window.start_samples < window.end_samples <= window.heard_to_samples
        assert window.heard_to_samples - window.heard_from_samples <= INFO.window_samples
        assert window.end_samples - window.start_samples <= STEP * 1.5


@given(spans())
def test_no_window_comes_late(voiced: list[Span]) -> None:
    for through, window in as_it_comes(voiced):
        later = max(window.end_samples + 6400, window.heard_to_samples) + GAP_SAMPLES + 512
        assert through <= later


def test_levels_are_brought_together() -> None:
    random = np.random.default_rng(0)
    for loudness in (30, 1000, 8000):
        levels = Levels()
        window = np.zeros(0, np.int16)
        for _ in range(20):
            window = levels.normal((random.standard_normal(19_200) * loudness).astype(np.int16))
        assert abs(np.sqrt(np.mean(window.astype(float) ** 2)) / LEVEL - 1) < 0.05


def test_a_louder_voice_stays_louder() -> None:
    random = np.random.default_rng(0)
    levels = Levels()
    for _ in range(10):
        quiet = levels.normal((random.standard_normal(19_200) * 500).astype(np.int16))
    loud = levels.normal((random.standard_normal(19_200) * 2000).astype(np.int16))
    assert np.std(loud) > 2 * np.std(quiet)


def test_silence_and_nothing_are_no_trouble() -> None:
    levels = Levels()
    assert len(levels.normal(np.zeros(0, np.int16))) == 0
    assert not levels.normal(np.zeros(100, np.int16)).any()
    assert np.abs(levels.normal(np.full(100, -32768, np.int16)).astype(int)).max() <= 32768
