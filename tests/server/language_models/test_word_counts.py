"""Words, and no more of them than were asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.language_models.word_counts import count_words, within_words


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("- ", 0), ("It's a well-known roof.", 4), ("今日は雨", 4), ("3 今日 mm", 4), ("- one\n- two", 2)],
)
def test_words(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("words_max", "cut"),
    [
        (9, "One two. Three four five! Six."),
        (6, "One two. Three four five! Six."),
        (5, "One two. Three four five!"),
        (4, "One two."),
        (1, "One…"),
        (0, ""),
    ],
)
def test_whole_sentences_and_of_one_that_is_too_long_its_words(words_max: int, cut: str) -> None:
    assert within_words("One two. Three four five! Six.", words_max) == cut


def test_lines_end_as_sentences_do() -> None:
    assert within_words("- one two\n- three four\n- five", 4) == "- one two\n- three four"
    assert within_words("今日は。雨です。", 4) == "今日は。"


@given(st.text(st.sampled_from("ab .!\n-今é")), st.integers(0, 30))
def test_never_more_and_nothing_else(text: str, words_max: int) -> None:
    cut = within_words(text, words_max)
    assert count_words(cut) <= words_max
    assert text.strip().startswith(cut.removesuffix("…"))
