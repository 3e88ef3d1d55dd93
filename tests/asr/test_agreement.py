from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.agreement import CommitPolicy, LocalAgreement, already_said
from asr.commit import CommittingEngine
from asr.contract import SessionOptions, Step
from asr.guards import fold
from protocol.words import Word
from tests.asr.said import said, text
from tests.asr.test_commit import Readings

WORD_SAMPLES = 4000


def follow(policy: CommitPolicy, hypotheses: Sequence[Sequence[Word]]) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """What is committed after these hypotheses of one utterance, each of all its sound, and what may still change."""
    committed: tuple[Word, ...] = ()
    rest: tuple[Word, ...] = ()
    for words in hypotheses:
        before, agreed = policy.take(committed, words, 0)
        assert before >= 0
        assert agreed >= 0
        assert before + agreed <= len(words)
        committed += tuple(words[before : before + agreed])
        rest = tuple(words[before + agreed :])
    return committed, rest


def told(*hypotheses: str) -> tuple[str, str]:
    committed, rest = follow(LocalAgreement(), [said(hypothesis) for hypothesis in hypotheses])
    return text(committed), text(rest)


def test_two_hypotheses_in_a_row_commit_what_they_share() -> None:
    assert told("good morning every") == ("", "good morning every")
    assert told("good morning every", "good morning everyone") == ("good morning", "everyone")
    assert told("good morning every", "good morning everyone", "good morning everyone here") == (
        "good morning everyone",
        "here",
    )


def test_an_agreement_with_a_pause_is_none() -> None:
    assert told("good morning", "", "good morning") == ("", "good morning")
    assert told("good morning", "could warn", "good morning") == ("", "good morning")


def test_case_and_punctuation_do_not_count_and_the_later_text_is_kept() -> None:
    assert told("Good, morning EVERYONE.", "good morning everyone there") == ("good morning everyone", "there")
    assert told("good morning.", "Good morning, all") == ("Good morning,", "all")


def test_a_word_that_is_split_or_joined_only_waits() -> None:
    assert told("we can not", "we cannot go") == ("we", "cannot go")
    assert told("we can not", "we cannot go", "we cannot go on") == ("we cannot go", "on")
    assert told("we can not", "we can not go", "we cannot go", "we cannot go on") == ("we can not go", "on")
    assert told("can not", "can not", "cannotgo on", "cannotgo on") == ("can not on", "")


def test_committed_words_are_found_again_when_the_engine_thinks_better_of_them() -> None:
    assert told("a b c", "a b c", "x b c d", "x b c d") == ("a b c d", "")
    assert told("no no", "no no", "no no no", "no no no") == ("no no no", "")


def test_of_words_that_are_all_different_those_in_committed_time_are_said() -> None:
    assert already_said(said("a b"), said("x y z"), 0) == 2
    assert already_said(said("a b"), said("x y z", each=WORD_SAMPLES * 3 // 2), 0) == 2
    assert already_said(said("a b"), (*said("x y"), *said("z", start=2 * WORD_SAMPLES - 100)), 0) == 2
    short = said("the", start=WORD_SAMPLES, each=960)
    assert already_said((*said("in"), *short), (*said("on"), *short), 0) == 2
    assert already_said(said("a b"), said("x y z", each=WORD_SAMPLES // 2), 0) == 3


def test_a_hypothesis_of_the_sound_behind_the_committed_words_has_none_of_them() -> None:
    assert already_said(said("no no"), said("no no", start=2 * WORD_SAMPLES), 2 * WORD_SAMPLES) == 0
    assert already_said(said("a no"), said("no b", start=WORD_SAMPLES), WORD_SAMPLES) == 1


words_of_any_time = st.builds(
    lambda text, start, length: Word(text=text, start_samples=start, end_samples=start + length),
    st.sampled_from(["a", "A", "b", "b,", "ab", "c", "...", "a b"]),
    st.integers(0, 20_000),
    st.integers(0, 8000),
)
any_hypotheses = st.lists(st.lists(words_of_any_time, max_size=6), max_size=8)


def letters(words: Sequence[Word]) -> str:
    return "".join(fold(word) for word in words)


def beginnings(words: Sequence[Word]) -> list[str]:
    return [letters(words[:count]) for count in range(len(words) + 1)]


@given(any_hypotheses, st.lists(words_of_any_time, max_size=8))
def test_committed_words_only_grow_and_with_the_rest_are_the_last_hypothesis_if_it_agrees(
    hypotheses: list[list[Word]], last: list[Word]
) -> None:
    before, _ = follow(LocalAgreement(), hypotheses)
    committed, rest = follow(LocalAgreement(), [*hypotheses, last])
    assert committed[: len(before)] == before
    inside = tuple(word for word in before if word.start_samples + word.end_samples > 0)
    if letters(inside) in beginnings(last):
        assert letters(inside + committed[len(before) :] + rest) == letters(last)


@st.composite
def hearings_of_different_words(draw: st.DrawFn) -> list[list[Word]]:
    """Of speech in which no word comes twice: they may be misheard or left out, in any case, a little early or late."""
    heard = []
    for _ in range(draw(st.integers(1, 8))):
        words = []
        for at in range(draw(st.integers(0, 6))):
            text = draw(st.sampled_from([f"w{at}", f"w{at}", f"W{at},", f"misheard{at}", ""]))
            start, end = ((at + edge) * WORD_SAMPLES + draw(st.integers(-799, 799)) for edge in (0, 1))
            if text:
                words.append(Word(text=text, start_samples=start, end_samples=end))
        heard.append(words)
    return heard


@given(hearings_of_different_words())
def test_no_word_is_committed_twice(hypotheses: list[list[Word]]) -> None:
    committed, _ = follow(LocalAgreement(), hypotheses)
    places = [int(fold(word)[-1]) for word in committed]
    assert places == sorted(set(places))


@st.composite
def hearings_in_different_words(draw: st.DrawFn) -> list[list[Word]]:
    """Of the same letters, no two alike, cut into words anew each time."""
    heard = []
    for _ in range(draw(st.integers(1, 8))):
        words = []
        at = 0
        for length in draw(st.lists(st.integers(1, 3), max_size=6)):
            text = "abcdefghijklmnopqr"[at : at + length]
            end = (at + length) * WORD_SAMPLES
            words.append(Word(text=text, start_samples=at * WORD_SAMPLES, end_samples=end))
            at += length
        heard.append(words)
    return heard


@given(hearings_in_different_words())
def test_no_letter_is_committed_twice_however_words_are_split_and_joined(hypotheses: list[list[Word]]) -> None:
    committed = letters(follow(LocalAgreement(), hypotheses)[0])
    assert list(committed) == sorted(set(committed))


@given(st.lists(st.lists(st.sampled_from(["a", "A,", "b", "ab", "c."]), max_size=6), min_size=1, max_size=8))
def test_of_any_hypotheses_an_engine_only_adds_and_its_final_is_the_last_one(hypotheses: list[list[str]]) -> None:
    engine = CommittingEngine(Readings([said(" ".join(hypothesis)) for hypothesis in hypotheses]))
    stream = engine.open(SessionOptions())
    committed: tuple[Word, ...] = ()
    for at in range(len(hypotheses)):
        final = at == len(hypotheses) - 1
        [hypothesis] = engine.step([Step(stream, np.zeros(16_000, np.int16), at * 16_000, final)])
        if not final:
            assert hypothesis.committed[: len(committed)] == committed
            committed = hypothesis.committed
    assert hypothesis.committed == said(" ".join(hypotheses[-1]))
    assert not hypothesis.tentative
