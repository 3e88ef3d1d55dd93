"""Sentences that are like the others come first, however many there are."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.summaries.textrank import AT_ONCE_MAX, best, ranks

WORDS = st.sets(st.sampled_from("abcdefgh"), max_size=5)


def test_what_shares_words_with_most_stands_for_them() -> None:
    about = [{"roof", "school"}, {"roof", "school", "money"}, {"money", "budget"}, {"lunch"}]
    found = ranks(about)
    assert found.index(max(found)) == 1
    assert found[3] == min(found) == pytest.approx(0.15)  # what nothing leads to
    assert best(about, 2) == [1, 0]


@given(st.lists(WORDS, max_size=30))
def test_the_sum_never_grows_and_order_is_certain(about: list[set[str]]) -> None:
    found = ranks(about)
    assert len(found) == len(about)
    assert all(rank >= 0.15 for rank in found)
    assert sum(found) <= len(about) + 1e-3
    places = best(about, 5)
    assert len(places) == min(5, sum(bool(words) for words in about))
    assert places == best(about, 5)
    assert len(set(places)) == len(places)


def test_of_many_the_best_is_found_and_the_time_grows_with_their_number_alone() -> None:
    """Every tenth is about the roof; the others are about nothing that another is about."""
    about = [{f"w{at}", "roof"} if at % 10 == 0 else {f"w{at}"} for at in range(20 * AT_ONCE_MAX)]
    began_s = time.monotonic()
    found = best(about, 5)
    assert [place % 10 for place in found] == [0] * 5
    assert time.monotonic() - began_s < 30


def test_nothing_is_ranked_of_nothing() -> None:
    assert (ranks([]), best([], 3), best([set(), set()], 3)) == ([], [], [])
