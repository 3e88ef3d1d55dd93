from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.guards import Repeat, believable, fold, inside_voiced, repeats, without_loops
from tests.asr.said import said, text


def test_a_word_without_letters_folds_to_itself() -> None:
    assert fold(said("...")[0]) == "..."


def test_words_outside_voice_are_dropped() -> None:
    words = said("one two three", each=8000)
    assert text(inside_voiced(words, [(0, 4000)])) == "one"
    assert inside_voiced(words, []) == ()


@pytest.mark.parametrize(
    ("sequence", "repeat"),
    [
        ("", None),
        ("abc", None),
        ("abab", None),
        ("xabababab", Repeat(1, 2, 4)),
        ("xababababa", Repeat(1, 2, 4)),
        ("aaaaaaaa", Repeat(0, 1, 8)),
        ("aaaabcabcabcabc", Repeat(0, 1, 4)),
        ("abcabcabcabcdddd", Repeat(0, 3, 4)),
        ("aabaabaabaab", Repeat(0, 3, 4)),
    ],
)
def test_a_phrase_said_over_and_over_is_found(sequence: str, repeat: Repeat | None) -> None:
    assert repeats(sequence) == repeat


def test_what_counts_as_over_and_over_can_be_said() -> None:
    assert repeats([7, 7, 7, 1, 2, 1, 2, 1, 2], times_min=3, covers_min=6) == (3, 2, 3)
    assert repeats("abcabcabcabc", length_max=2) is None


@given(st.lists(st.sampled_from("ab"), max_size=24), st.integers(2, 5), st.integers(1, 6), st.integers(0, 12))
def test_repeats_are_those_that_comparing_everything_finds(
    sequence: list[str], times_min: int, length_max: int, covers_min: int
) -> None:
    def times_of(start: int, length: int) -> int:
        phrase, times = sequence[start : start + length], 1
        while sequence[start + times * length : start + (times + 1) * length] == phrase:
            times += 1
        return times

    all_of_them = (
        Repeat(start, length, times_of(start, length))
        for start in range(len(sequence))
        for length in range(1, min(length_max, len(sequence) - start) + 1)
    )
    enough = (one for one in all_of_them if one.times >= times_min and one.times * one.length >= covers_min)
    assert repeats(sequence, times_min=times_min, length_max=length_max, covers_min=covers_min) == next(enough, None)


def test_loops_are_said_once() -> None:
    assert (
        text(without_loops(said("well thank you thank you thank you thank you thank you bye"))) == "well thank you bye"
    )
    assert text(without_loops(said("no no no no"))) == "no no no no"
    assert text(without_loops(said("la " * 12))) == "la"


def test_text_that_cannot_have_been_said_is_not_believed() -> None:
    assert believable(said("a perfectly normal sentence of some words"), 48_000)
    assert not believable(said("word " * 40), 16_000)
    assert not believable(said("over and over again we go " * 8), 30 * 16_000)
