"""Snippets: short, around what was found, with its places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.snippets import SNIPPET_MAX_CHARS, snippet
from server.store.search_words import Term, parse_query


def shown(text: str, query: str) -> tuple[str, list[str]]:
    found = snippet(text, parse_query(query))
    return found.text, [found.text[start:end] for start, end in found.matches]


def test_a_short_text_is_shown_whole() -> None:
    assert shown("Good Mörning, everybody", "morning") == ("Good Mörning, everybody", ["Mörning"])
    assert shown("one two three", '"two three"') == ("one two three", ["two three"])
    assert shown("begin beginning", "beg") == ("begin beginning", ["begin", "beginning"])
    assert shown("nothing here", "else") == ("nothing here", [])
    assert shown("two\nlines\x00", "lines")[0] == "two lines "


def test_of_a_long_text_the_part_with_most_matches() -> None:
    text = "needle " + "hay " * 100 + "needle and needle " + "hay " * 100
    found = snippet(text, [Term(("needle",))])
    assert len(found.text) <= SNIPPET_MAX_CHARS
    assert (found.text[0], found.text[-1]) == ("…", "…")
    assert [found.text[start:end] for start, end in found.matches] == ["needle", "needle"]
    assert found.at == text.index("needle and")


@given(st.text(max_size=400), st.text(min_size=1, max_size=8))
def test_never_longer_than_allowed_and_matches_are_inside(text: str, query: str) -> None:
    found = snippet(text, parse_query(query))
    assert len(found.text) <= SNIPPET_MAX_CHARS
    assert all(0 <= start < end <= len(found.text) for start, end in found.matches)
