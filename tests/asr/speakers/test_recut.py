"""Windows cut where voices change: no window holds two, no step is lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from asr.speakers.contract import SpeechWindow
from asr.speakers.embedded import EMBEDDED
from asr.speakers.recut import HEARD_LEAST_SAMPLES, PART_LEAST_SAMPLES, cut
from asr.speakers.windows import SpeechWindows

LENGTH = EMBEDDED.window_samples


def windows_of(end: int) -> list[SpeechWindow]:
    windows = SpeechWindows(EMBEDDED)
    return windows.take([(0, end)], end) + windows.finish()


def test_a_window_without_a_change_stays_as_it_is() -> None:
    window = SpeechWindow(16_000, 22_400, 9_600, 28_800)
    for changes in ((), (9_600,), (28_800,), (40_000,)):
        assert cut(window, (0, 64_000), changes, LENGTH) == (window,)
    # What is next to a pause is no change within a voice.
    assert cut(window, (9_000, 64_000), (9_700,), LENGTH) == (window,)


def test_a_window_that_reaches_over_a_change_is_moved_to_its_own_side() -> None:
    window = SpeechWindow(16_000, 22_400, 9_600, 28_800)
    assert cut(window, (0, 64_000), (24_000,), LENGTH) == (SpeechWindow(16_000, 22_400, 24_000 - LENGTH, 24_000),)
    assert cut(window, (0, 64_000), (12_000,), LENGTH) == (SpeechWindow(16_000, 22_400, 12_000, 12_000 + LENGTH),)


def test_a_step_with_a_change_in_it_becomes_two() -> None:
    before, after = cut(SpeechWindow(16_000, 22_400, 9_600, 28_800), (0, 64_000), (19_000,), LENGTH)
    assert before == SpeechWindow(16_000, 19_000, 0, 19_000) or before.heard_to_samples == 19_000
    assert after == SpeechWindow(19_000, 22_400, 19_000, 19_000 + LENGTH)


@given(st.integers(8_000, 200_000), st.lists(st.integers(0, 200_000), max_size=6, unique=True))
def test_any_changes(end: int, places: list[int]) -> None:
    changes = sorted(places)
    for window in windows_of(end):
        parts = cut(window, (0, end), changes, LENGTH)
        assert parts[0].start_samples == window.start_samples
        assert parts[-1].end_samples == window.end_samples
        assert all(before.end_samples == after.start_samples for before, after in pairwise(parts))
        for part in parts:
            assert part.start_samples < part.end_samples
            assert 0 <= part.heard_from_samples < part.heard_to_samples <= end
            assert part.heard_to_samples - part.heard_from_samples <= LENGTH
            within = [at for at in changes if part.heard_from_samples < at < part.heard_to_samples]
            edges = [at for at in within if PART_LEAST_SAMPLES < at < end - PART_LEAST_SAMPLES]
            if edges:  # too little would have been left of it
                near = [0, *changes, end]
                assert min(after - before for before, after in pairwise(near)) < HEARD_LEAST_SAMPLES
