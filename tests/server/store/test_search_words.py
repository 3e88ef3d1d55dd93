"""Words of texts and of queries: the same for both, whatever the language, and nothing that a database could read."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.store.search_words import TERMS_MAX, WORD_MAX_CHARS, Term, indexed, parse_query, spelled, tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World! 3.14 don't", ["hello", "world", "3", "14", "don", "t"]),
        ("Café CAFE\u0301 Ünï Straße ŁÓDŹ", ["cafe", "cafe", "uni", "strasse", "lodz"]),
        ("Привет, Ёлка", ["привет", "елка"]),
        ("今日は晴天", ["今", "日", "は", "晴", "天"]),
        ("ラジオ ｶﾞｽ", ["ラ", "シ", "オ", "カ", "ス"]),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("नमस्ते दुनिया", ["नमसते", "दुनिया"]),
        ("x\x00y 😀 zoë\u200db", ["x", "y", "zoeb"]),
        ("", []),
    ],
)
def test_words_without_accents_in_lower_case(text: str, words: list[str]) -> None:
    assert [token.word for token in tokens(text)] == words


@given(st.text(max_size=60))
def test_every_word_stands_where_it_says_and_is_spelled_plainly(text: str) -> None:
    found = list(tokens(text))
    assert all(0 <= token.start < token.end <= len(text) for token in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert re.fullmatch(r"([a-z][a-z0-9]*( [a-z][a-z0-9]*)*)?", indexed(text))


@given(st.text(min_size=1, max_size=10), st.text(max_size=10))
def test_a_beginning_is_spelled_as_a_beginning(head: str, tail: str) -> None:
    for word in (token.word for token in tokens(head)):
        if word.isascii() == (word + tail).isascii():
            assert spelled((word + tail)[:WORD_MAX_CHARS]).startswith(spelled(word))


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("two words", [Term(("two",)), Term(("words",), is_prefix=True)]),
        ('"a phrase" and', [Term(("a", "phrase")), Term(("and",), is_prefix=True)]),
        ('say "a phrase"', [Term(("say",)), Term(("a", "phrase"))]),
        ('never "closed', [Term(("never",)), Term(("closed",))]),
        ("don't", [Term(("don", "t"), is_prefix=True)]),
        ("same same other", [Term(("same",)), Term(("other",), is_prefix=True)]),
        ("a NOT b* OR (c:d)", [*(Term((w,)) for w in ("a", "not", "b", "or")), Term(("c", "d"), is_prefix=True)]),
        ("!!! ... \x00", []),
        ('""""', []),
    ],
)
def test_queries(query: str, terms: list[Term]) -> None:
    assert parse_query(query) == terms


@given(st.text(max_size=200))
def test_any_query_gives_a_bounded_number_of_terms(query: str) -> None:
    terms = parse_query(query)
    assert len(terms) <= TERMS_MAX
    assert all(term.words for term in terms)
