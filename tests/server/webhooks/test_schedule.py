"""Attempts spread over a day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.webhooks.schedule import (
    FIRST_PAUSE_S,
    LAST_PAUSE_S,
    LEAST_PAUSE_S,
    TRIED_FOR_S,
    again_at,
    pause_max_s,
)


def test_pauses_double_up_to_an_hour() -> None:
    assert [pause_max_s(attempts) for attempts in (1, 2, 3, 4)] == [5.0, 10.0, 20.0, 40.0]
    assert (pause_max_s(11), pause_max_s(10_000)) == (3600.0, 3600.0)


@given(attempts=st.integers(1, 10_000), jitter=st.floats(0, 1), age_s=st.floats(0, TRIED_FOR_S * 2))
def test_the_jitter_is_full_and_the_day_ends(attempts: int, jitter: float, age_s: float) -> None:
    at = again_at(1000.0 + age_s, attempts=attempts, created_at=1000.0, jitter=jitter)
    if at is None:
        assert age_s + max(LEAST_PAUSE_S, jitter * pause_max_s(attempts)) > TRIED_FOR_S - 0.001
    else:
        assert LEAST_PAUSE_S - 0.001 <= at - 1000.0 - age_s <= max(LEAST_PAUSE_S, pause_max_s(attempts)) + 0.001
        assert at <= 1000.0 + TRIED_FOR_S


def test_what_the_receiver_asks_for_is_heeded_up_to_an_hour() -> None:
    assert again_at(0.0, attempts=1, created_at=0.0, jitter=0.5, retry_after_s=120.0) == 120.0
    assert again_at(0.0, attempts=1, created_at=0.0, jitter=1.0, retry_after_s=0.0) == FIRST_PAUSE_S
    assert again_at(0.0, attempts=1, created_at=0.0, jitter=0.0, retry_after_s=1e9) == LAST_PAUSE_S


def test_somebody_unlucky_with_every_pause_is_still_tried_for_most_of_the_day() -> None:
    now, attempts, times = 0.0, 1, [0.0]
    while (at := again_at(now, attempts=attempts, created_at=0.0, jitter=1.0)) is not None:
        now, attempts = at, attempts + 1
        times.append(at)
    assert times[:4] == [0.0, 5.0, 15.0, 35.0]
    assert TRIED_FOR_S - LAST_PAUSE_S <= times[-1] <= TRIED_FOR_S
    assert 30 <= len(times) <= 40
