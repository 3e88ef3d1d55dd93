"""Text in words and signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.personal_data.tokens import DIGIT_WORDS, plain, tokens


def test_words_and_signs() -> None:
    assert [token.text for token in tokens("Anna_B. +31-6, été!")] == [
        "anna_b",
        ".",
        "+",
        "31",
        "-",
        "6",
        ",",
        "été",
        "!",
    ]
    assert [(token.start, token.end) for token in tokens("a  bc")] == [(0, 1), (3, 5)]
    assert [token.is_word for token in tokens("_ 1 ü + 語")] == [True, True, True, False, False]


def test_a_number_among_letters_without_spaces_stands_alone() -> None:
    assert "0612345678" in [token.text for token in tokens("電話は0612345678です")]


@pytest.mark.parametrize("digits", ["٠٦١٢٣", "०६१२३", "06123"])
def test_digits_of_all_scripts_are_digits(digits: str) -> None:
    assert plain(digits) == "06123"


def test_words_for_digits() -> None:
    for words in (
        "zero one two three four five six seven eight nine",
        "null eins zwei drei vier fünf sechs sieben acht neun",
        "zéro un deux trois quatre cinq six sept huit neuf",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "nul een twee drie vier vijf zes zeven acht negen",
    ):
        assert "".join(DIGIT_WORDS[word] for word in words.split()) == "0123456789"
    assert [DIGIT_WORDS[word] for word in ("oh", "o", "zwo", "één", "niner")] == ["0", "0", "2", "1", "9"]


@given(st.text())
def test_nothing_is_lost_and_offsets_hold(text: str) -> None:
    said = plain(text)
    assert len(said) == len(text)
    cut = tokens(said)
    assert "".join(said[token.start : token.end] for token in cut) == "".join(said.split())
    assert all(token.text == said[token.start : token.end].lower() for token in cut)
