"""Numbers in several parts, and what only looks like one."""

from __future__ import annotations

import pytest

from server.personal_data.numbers import DIGITS_MAX, VALUE_MAX_CHARS, VALUE_MIN_CHARS
from server.personal_data.tokens import tokens
from tests.server.personal_data.cut import windows_of


def values(text: str, language: str = "en") -> set[str]:
    return {window.value for window in windows_of(text, language) if window.value.isdigit()}


@pytest.mark.parametrize(
    "text",
    [
        "06-12 34 56 78",
        "(06) 12/34.56.78",
        "06, 12, 34. 56 78",
        "oh six one two three four five six seven eight",
        "o 6 one 2 three four 56 seven 8",
        "zero six twelve 0612345678",
        "null sechs eins zwo drei vier fünf sechs sieben acht",
    ],
)
def test_parts_are_put_together(text: str) -> None:
    assert "0612345678" in values(text)


def test_double_and_triple() -> None:
    assert "0775556" in values("oh double seven triple five six")
    assert values("double seven is not seven") == set()


def test_o_is_a_word_of_its_own_in_spanish() -> None:
    assert values("uno o dos o tres o cuatro", "es") == set()
    assert "1020304" in values("one o two o three o four", "en")


@pytest.mark.parametrize(
    "text",
    [
        "22-11-2026",
        "2026-11-22",
        "1.234.567",
        "1,234,567.89",
        "12'345'678",
        "3.14159265",
        "10:30 10:45 11:15",
        "12345 ! 67890",
        "1234 and then some 5678",
        "1234      5678",
        "nothing at all is here",
    ],
)
def test_what_does_not_belong_together(text: str) -> None:
    assert values(text) == set()


@pytest.mark.parametrize(
    ("text", "is_amount"),
    [
        ("3 000 000", True),
        ("612 345 678", False),
        ("612 345 678 euros", True),
        ("€ 612 345 678", True),
        ("4155552671 dollars", True),
        ("061 234 000", False),
        ("415 555 2671 dollars", False),
    ],
)
def test_amounts(text: str, is_amount: bool) -> None:
    longest = max((window for window in windows_of(text) if window.value.isdigit()), key=lambda one: len(one.value))
    assert longest.is_amount is is_amount


def test_years_and_dates() -> None:
    assert all(window.is_date for window in windows_of("1999 2000 2026"))
    assert all(window.is_date for window in windows_of("22 11 2026"))
    assert not any(window.is_date for window in windows_of("06 12 34 56"))


def test_counting() -> None:
    assert all(window.is_counting for window in windows_of("one two three four five six seven eight"))
    assert all(window.is_counting for window in windows_of("9 8 7 6 5 4 3 2 1"))
    assert not any(window.is_counting for window in windows_of("12345678"))


def test_what_is_loose() -> None:
    assert [window.is_loose for window in windows_of("1234, 5678")] == [True]
    assert [window.is_loose for window in windows_of("1234. 5678")] == [True]
    assert [window.is_loose for window in windows_of("(1234) 5678/9")] == [False, False]


def test_a_plus_and_a_bracket_belong_to_the_number() -> None:
    assert [(window.plus, window.start) for window in windows_of("x +31612345678")] == [(2, 3)]
    assert [window.plus for window in windows_of("x plus 31612345678")] == [2]
    assert [(window.start, window.end) for window in windows_of("(415) 555-267")] == [(0, 13)]
    assert [(window.start, window.end) for window in windows_of("(415 555-267")] == [(1, 12)]


@pytest.mark.parametrize("text", ["1 " * 500, "A 1 " * 500, "oh " * 500, "1-" * 500, "NL91 " * 500, "9" * 2000])
def test_windows_are_few_and_short(text: str) -> None:
    found = windows_of(text)
    assert all(VALUE_MIN_CHARS <= len(window.value) <= VALUE_MAX_CHARS for window in found)
    assert all(len(window.value) <= DIGITS_MAX for window in found if window.value[0].isdigit())
    assert len(found) <= VALUE_MAX_CHARS * len(tokens(text))
