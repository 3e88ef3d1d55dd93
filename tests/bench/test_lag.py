from __future__ import annotations

import pytest

from tests.bench.lag import Kept, Lags, kept

PIECE = 1600


def _speak(lags: Lags, from_piece: int, pieces: int) -> None:
    for number in range(from_piece, from_piece + pieces):
        lags.came((number + 1) * PIECE, (number + 1) / 10)


def test_an_update_at_its_time_has_no_lag_and_a_late_one_has_what_it_is_late() -> None:
    lags = Lags(1.0, 0.1, 0.0)
    _speak(lags, 0, 11)
    lags.told(11 * PIECE, 1.1)
    _speak(lags, 11, 14)
    lags.told(25 * PIECE, 2.5)
    assert lags.lags_s == pytest.approx([0.0, 0.3])
    assert max(lags.ages_s) == pytest.approx(1.3)
    assert (lags.wanted, lags.missed) == (2, 0)


def test_a_skipped_update_counts_as_missed_and_as_a_lag_of_a_cadence() -> None:
    lags = Lags(1.0, 0.1, 0.0)
    _speak(lags, 0, 40)
    for told_s in (1.1, 2.1, 4.1):
        lags.told(round(told_s * 10) * PIECE, told_s)
    assert lags.lags_s == pytest.approx([0.0, 0.0, 0.9])
    assert (lags.wanted, lags.missed) == (4, 1)
    assert kept([lags]).coalesced == 0.25


def test_more_updates_in_one_spurt_do_not_make_up_for_another() -> None:
    lags = Lags(1.0, 0.1, 0.0)
    _speak(lags, 0, 20)
    for told_s in (0.5, 1.0, 1.5, 2.0):
        lags.told(round(told_s * 10) * PIECE, told_s)
    _speak(lags, 40, 20)
    lags.told(60 * PIECE, 6.0)
    assert (lags.wanted, lags.missed) == (4, 1)


def test_what_comes_before_the_measure_begins_does_not_count() -> None:
    lags = Lags(1.0, 0.1, 3.0)
    _speak(lags, 0, 20)
    lags.told(20 * PIECE, 2.9)
    _speak(lags, 29, 11)
    lags.told(40 * PIECE, 4.0)
    assert lags.lags_s == pytest.approx([0.0])
    assert lags.wanted == 1


def test_what_was_settled_without_words_is_not_waited_for_and_what_never_came_is() -> None:
    lags = Lags(1.0, 0.1, 0.0)
    _speak(lags, 0, 2)
    lags.settled(PIECE)
    assert lags.behind_s(0.6) == pytest.approx(0.4)
    lags.settled(2 * PIECE)
    assert lags.behind_s(5.0) == 0.0
    _speak(lags, 10, 3)
    lags.close(3.1)
    assert lags.lags_s == pytest.approx([1.0])


def test_an_update_that_is_not_due_yet_at_the_end_is_not_missed() -> None:
    lags = Lags(1.0, 0.1, 0.0)
    _speak(lags, 0, 20)
    lags.told(11 * PIECE, 1.1)
    lags.close(2.0)
    assert (lags.wanted, lags.missed, len(lags.lags_s)) == (1, 0, 1)


@pytest.mark.parametrize(
    ("lag_ms", "coalesced", "updates", "up"),
    [(1000, 0.05, 10, True), (1001, 0.0, 10, False), (10, 0.06, 10, False), (0, 0.0, 0, False)],
)
def test_kept_up_is_the_lag_and_the_updates(lag_ms: float, coalesced: float, updates: int, up: bool) -> None:
    assert Kept(0.0, lag_ms, 0.0, 0.0, coalesced, updates).up is up
