"""How many tokens a text may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.tokens import estimated, within


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("今日は", 3), ("привет", 4)])
def test_a_third_of_the_bytes(text: str, tokens: int) -> None:
    assert estimated(text) == tokens


@given(st.text(), st.text())
def test_two_texts_are_at_most_one_more_than_both_together(one: str, other: str) -> None:
    assert estimated(one + other) <= estimated(one) + estimated(other) <= estimated(one + other) + 1


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 40))
def test_what_is_cut_is_a_beginning_that_fits(text: str, tokens: int) -> None:
    cut = within(text, tokens)
    assert text.startswith(cut)
    assert estimated(cut) <= tokens
    assert cut == text or estimated(text) > tokens
