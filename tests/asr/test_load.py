from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.load import WINDOW_S, BusyShare


def test_the_share_is_of_the_last_seconds() -> None:
    busy = BusyShare(100.0)
    assert busy.share(100.0) == 0.0
    busy.spent(100.0, 101.0)
    assert busy.share(102.0) == pytest.approx(0.5)
    assert busy.share(100.0 + WINDOW_S) == pytest.approx(1.0 / WINDOW_S)
    assert busy.share(100.0 + 2 * WINDOW_S) == 0.0


def test_a_step_longer_than_the_window_is_all_of_it() -> None:
    busy = BusyShare(0.0)
    busy.spent(1.0, 1.0 + 10 * WINDOW_S)
    assert busy.share(1.0 + 10 * WINDOW_S) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=60))
def test_it_is_a_share_and_keeps_little(spans: list[tuple[float, float]]) -> None:
    busy, now_s = BusyShare(0.0), 0.0
    for idle_s, spent_s in spans:
        busy.spent(now_s + idle_s, now_s + idle_s + spent_s)
        now_s += idle_s + spent_s
        assert 0.0 <= busy.share(now_s) <= 1.0
        assert len(busy._buckets) <= WINDOW_S / 0.25 + 2
    if now_s > WINDOW_S and all(idle_s == 0 for idle_s, _ in spans):
        assert busy.share(now_s) == pytest.approx(1.0)
