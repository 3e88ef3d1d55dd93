"""BM25: what holds of it whatever the texts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.bm25 import K1, B, best, scores

WORDS = st.sampled_from("abcdef")
TEXTS = st.lists(st.lists(WORDS, max_size=8), max_size=12)
QUESTIONS = st.lists(WORDS, max_size=4)


def test_as_the_formula_says() -> None:
    texts = [["roof", "leaks"], ["the", "roof", "of", "the", "school"], ["soup"]]
    average = 8 / 3
    weight = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    wanted = [weight * (K1 + 1) / (1 + K1 * (1 - B + B * length / average)) for length in (2, 5)]
    assert scores(texts, ["roof"]) == pytest.approx([*wanted, 0.0])
    assert best(texts, ["roof", "school"], 9) == [1, 0]
    assert best(texts, ["roof", "school"], 1) == [1]


@given(TEXTS, QUESTIONS)
def test_none_counts_against_and_only_what_is_asked_counts(texts: list[list[str]], question: list[str]) -> None:
    for text, score in zip(texts, scores(texts, question), strict=True):
        assert (score > 0) is bool(set(text) & set(question))
        assert math.isfinite(score)


@given(TEXTS, QUESTIONS)
def test_the_order_of_texts_and_words_changes_nothing(texts: list[list[str]], question: list[str]) -> None:
    found = scores(texts, question)
    assert scores(texts[::-1], question[::-1]) == pytest.approx(found[::-1])
    assert scores([text[::-1] for text in texts], question * 2) == pytest.approx(found)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20))
def test_of_two_as_long_the_one_that_says_it_more_often_and_of_two_words_the_rarer(
    one: int, more: int, rest: int
) -> None:
    texts = [["x"] * one + ["-"] * (more + rest), ["x"] * (one + more) + ["-"] * rest, ["-"] * (one + more + rest)]
    found = scores(texts, ["x"])
    assert found[1] > found[0] > found[2] == 0
    rare, common = scores([["rare", "-"], ["common", "-"], *[["common", "+"]] * more], ["rare", "common"])[:2]
    assert rare > common


@given(TEXTS, QUESTIONS, st.integers(0, 12))
def test_the_best_are_the_best(texts: list[list[str]], question: list[str], count: int) -> None:
    found = scores(texts, question)
    chosen = best(texts, question, count)
    assert len(chosen) == min(count, sum(score > 0 for score in found)) == len(set(chosen))
    assert [found[place] for place in chosen] == sorted((each for each in found if each > 0), reverse=True)[:count]
