from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from asr.speakers.contract import LabelledStep, Turn
from asr.speakers.turns import turns
from protocol.words import Word


def word(text: str, start_ms: int, end_ms: int) -> Word:
    return Word(text=text, start_samples=start_ms * 16, end_samples=end_ms * 16)


def steps(*speakers: int, confidence: float = 1.0) -> list[LabelledStep]:
    return [LabelledStep(i * 6400, (i + 1) * 6400, speaker, confidence) for i, speaker in enumerate(speakers)]


def said(told: list[Turn]) -> list[tuple[int | None, str]]:
    return [(turn.speaker, " ".join(word.text for word in turn.words)) for turn in told]


def test_words_are_split_where_the_speaker_changes() -> None:
    words = [word("how", 0, 300), word("are", 300, 700), word("fine", 900, 1400), word("thanks", 1400, 1900)]
    assert said(turns(words, steps(0, 0, 1, 1, 1))) == [(0, "how are"), (1, "fine thanks")]


def test_a_single_short_word_does_not_flicker() -> None:
    words = [word("one", 0, 390), word("two", 400, 790), word("three", 800, 1190)]
    assert said(turns(words, steps(0, 1, 0))) == [(0, "one two three")]


def test_a_single_short_word_between_pauses_is_somebody_elses() -> None:
    words = [word("so", 0, 350), word("yes", 600, 790), word("then", 1200, 1500)]
    assert said(turns(words, steps(0, 1, 1, 0))) == [(0, "so"), (1, "yes"), (0, "then")]


def test_a_long_word_in_between_is_somebody_elses() -> None:
    words = [word("so", 0, 350), word("absolutely", 400, 1150), word("then", 1200, 1500)]
    assert said(turns(words, steps(0, 1, 1, 0))) == [(0, "so"), (1, "absolutely"), (0, "then")]


def test_a_change_moves_into_the_pause_beside_it() -> None:
    late = [word("are", 0, 300), word("you", 300, 600), word("I", 900, 1100), word("am", 1110, 1500)]
    assert said(turns(late, steps(0, 0, 0, 1))) == [(0, "are you"), (1, "I am")]
    early = [word("are", 0, 300), word("you", 310, 500), word("well", 800, 1300), word("yes", 1310, 1600)]
    assert said(turns(early, steps(0, 1, 1, 1))) == [(0, "are you"), (1, "well yes")]


def test_words_without_a_step_are_of_whoever_is_before_them() -> None:
    words = [word("well", 0, 100), word("I", 2000, 2100), word("see", 9000, 9300)]
    there = [LabelledStep(32_000, 38_400, 4, 0.8)]
    assert said(turns(words, there)) == [(4, "well I see")]
    assert said(turns(words, [])) == [(None, "well I see")]
    assert turns([], there) == []


def test_confidence_is_that_of_the_steps() -> None:
    (turn,) = turns([word("a", 0, 400), word("b", 400, 800)], steps(2, 2, confidence=0.7))
    assert turn.confidence == 0.7
    (unsure,) = turns([word("a", 0, 390), word("b", 400, 790), word("c", 800, 1190)], steps(0, 1, 0))
    assert 0.8 < unsure.confidence < 0.9


@given(
    lengths=st.lists(st.tuples(st.integers(0, 12_000), st.integers(1, 16_000)), max_size=30),
    speakers=st.lists(st.integers(0, 3), max_size=60),
)
def test_no_word_is_lost_and_neighbours_differ(lengths: list[tuple[int, int]], speakers: list[int]) -> None:
    at, words = 0, []
    for i, (gap, length) in enumerate(lengths):
        words.append(Word(text=str(i), start_samples=at + gap, end_samples=at + gap + length))
        at += gap + length
    told = turns(words, steps(*speakers))
    assert [word for turn in told for word in turn.words] == words
    assert all(a.speaker != b.speaker for a, b in itertools.pairwise(told))
    assert {turn.speaker for turn in told} <= {*speakers, None}
    assert all(0 <= turn.confidence <= 1 for turn in told)


def test_words_of_one_tag_are_of_one_speaker_and_change_where_the_tags_do() -> None:
    words = [word(f"w{i}", i * 400, i * 400 + 390) for i in range(6)]
    heard = steps(0, 0, 1, 1, 5, 1)  # a step late, and a ghost
    assert said(turns(words, heard)) == [(0, "w0 w1"), (1, "w2 w3 w4 w5")]
    told = turns(words, heard, [7, 7, 7, 2, 2, 2])
    assert [(turn.speaker, len(turn.words), turn.of_one) for turn in told] == [(0, 3, True), (1, 3, True)]
    # What is one voice by all that was heard stays one, and may be cut later.
    [turn] = turns(words, steps(0, 0, 0, 0, 0, 0), [7, 7, 7, 2, 2, 2])
    assert (turn.speaker, turn.of_one) == (0, False)
    for nothing in ([], [0] * 6, [1, 2]):
        assert turns(words, heard, nothing) == turns(words, heard)
    assert said(turns(words, [], [7, 7, 7, 2, 2, 2])) == [(None, "w0 w1 w2 w3 w4 w5")]
