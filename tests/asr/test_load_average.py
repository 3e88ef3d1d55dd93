"""The smoothed load in virtual seconds."""

from __future__ import annotations

import pytest

from asr.load_average import LoadAverage


def after(*seconds: tuple[float, int]) -> LoadAverage:
    """What was said second by second: (busy, live sessions)."""
    load = LoadAverage()
    for number, (busy, live) in enumerate(seconds):
        load.add(busy, live, 100.0 + number)
    return load


def test_a_burst_counts_little_and_a_steady_load_in_full() -> None:
    assert after((1.0, 1), (1.0, 1)).busy < 0.2
    assert after(*[(0.6, 4)] * 60).busy == pytest.approx(0.6, abs=0.01)
    assert after(*[(0.6, 4)] * 60).live == pytest.approx(4, abs=0.05)


def test_the_load_per_session_stays_right_while_sessions_come_and_go() -> None:
    load = after(*[(0.1, 1)] * 60, *[(0.5, 5)] * 3)
    assert load.busy / load.live == pytest.approx(0.1, abs=0.001)
    load = after(*[(0.8, 8)] * 60, *[(0.1, 1)] * 3)
    assert load.busy / load.live == pytest.approx(0.1, abs=0.001)


def test_a_long_gap_is_not_taken_for_a_long_load() -> None:
    load = after((0.0, 1))
    load.add(1.0, 1, 100_000.0)
    assert load.busy < 0.3


def test_files_take_no_room_from_the_living() -> None:
    load = LoadAverage()
    for second in range(60):
        load.spent_on_files(0.3)
        load.spent_on_files(0.4)
        load.add(0.9, 2, 100.0 + second)
    assert load.busy == pytest.approx(0.2, abs=0.01)
    for second in range(60):
        load.spent_on_files(5.0)  # a step that was longer than the time between two answers
        load.add(1.0, 2, 200.0 + second)
    assert 0.0 <= load.busy < 0.01


def test_what_a_session_costs_is_known_after_a_while_and_remembered_when_nobody_is_there() -> None:
    assert after(*[(0.2, 2)] * 9).session_cost is None
    assert after(*[(0.2, 2)] * 60).session_cost == pytest.approx(0.1)
    assert after(*[(0.2, 2)] * 60, *[(0.0, 0)] * 600).session_cost == pytest.approx(0.1)
    # Sessions of the last minutes count more than those before.
    assert after(*[(0.2, 2)] * 60, *[(0.1, 5)] * 900).session_cost == pytest.approx(0.02, abs=0.005)
