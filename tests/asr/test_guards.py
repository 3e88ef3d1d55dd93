from __future__ import annotations

from asr.guards import believable, fold, inside_voiced, without_loops
from tests.asr.said import said, text


def test_a_word_without_letters_folds_to_itself() -> None:
    assert fold(said("...")[0]) == "..."


def test_words_outside_voice_are_dropped() -> None:
    words = said("one two three", each=8000)
    assert text(inside_voiced(words, [(0, 4000)])) == "one"
    assert inside_voiced(words, []) == ()


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
