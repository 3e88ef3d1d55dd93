from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.guards import (
    SLACK_SAMPLES,
    Repeat,
    believable,
    fold,
    inside_voiced,
    repeats,
    syllables_least,
    without_loops,
)
from protocol.words import Word
from tests.asr.said import said, text

FAST = 800  # 50 ms
SLOW = 4000  # 250 ms


def word(text: str, start: int = 0, end: int = SLOW) -> Word:
    return Word(text=text, start_samples=start, end_samples=end)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good,", "good"),
        ("don’t", "DON'T"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδός".replace("ό", "ο")),
        ("İyi", "iyi"),
        ("cafe\u0301", "café"),
        ("ＡＢＣ１２３", "abc123"),
        ("ｶﾞ", "ガ"),
        ("ﬁne", "fine"),
        ("¿qué?", "Qué"),
        ("你好。", "你好"),
        ("™", "tm"),
        ("R¸", "ŗ"),
    ],
)
def test_case_punctuation_and_forms_of_letters_do_not_count(one: str, other: str) -> None:
    assert fold(word(one)) == fold(word(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("कि", "की"),  # only a vowel sign differs
        ("ที่", "ที"),  # only a tone mark
        ("が", "か"),
        ("€5", "$5"),
        ("é", "e"),
        ("...", "?"),
        ("\u0301", "\u0300"),
    ],
)
def test_what_makes_another_word_counts(one: str, other: str) -> None:
    assert fold(word(one)) != fold(word(other))


def test_a_word_without_letters_folds_to_itself() -> None:
    assert fold(word("...")) == "..."
    assert fold(word("\u0301")) == "\u0301"


@given(st.text(max_size=8))
def test_folding_knows_no_case_and_is_done_once(any_text: str) -> None:
    folded = fold(word(any_text))
    assert fold(word(folded)) == folded
    assert bool(folded) == bool(any_text.strip())


def test_words_outside_voice_are_dropped() -> None:
    words = said("one two three", each=8000)
    assert text(inside_voiced(words, [(0, 4000)])) == "one"
    assert text(inside_voiced(words, [(0, 100), (20_000, 24_000)])) == "one three"
    assert inside_voiced(words, []) == ()


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 5000))), st.lists(st.integers(1, 9000), max_size=10))
def test_inside_voice_is_what_comparing_everything_finds(at: list[tuple[int, int]], edges: list[int]) -> None:
    words = [word("a", start, start + length) for start, length in at]
    track = list(accumulate(edges))
    spans = list(zip(track[::2], track[1::2], strict=False))
    slack = SLACK_SAMPLES
    assert inside_voiced(words, spans) == tuple(
        w for w in words if any(w.start_samples < end + slack and w.end_samples > start - slack for start, end in spans)
    )


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


def test_what_nobody_can_say_so_fast_is_said_once() -> None:
    stuck = "well thank you thank you thank you thank you thank you bye"
    assert text(without_loops(said(stuck, each=FAST))) == "well thank you bye"
    assert text(without_loops(said("la " * 12, each=FAST))) == "la"
    sentence = "and that is why we all came here to see you "
    assert text(without_loops(said(sentence * 4, each=FAST))) == sentence.strip()
    assert text(without_loops(said("哈 " * 6, each=FAST))) == "哈"


def test_words_without_times_count_as_too_fast() -> None:
    assert text(without_loops(said("no " * 5, each=0))) == "no no no no no"
    assert text(without_loops(said("no " * 6 + "yes", each=0))) == "no yes"
    assert text(without_loops(said("oh no oh no oh no oh no", each=0))) == "oh no"


@pytest.mark.parametrize(
    "speech",
    [
        "no no no no no no no no",
        "one two three four one two three four one two three four one two three four",
        "na na na nananana nananana hey jude " * 5,
        "thank you " * 12,
        "left right " * 20,
        "la " * 40,
    ],
)
def test_people_may_say_things_as_often_as_they_like(speech: str) -> None:
    words = said(speech, each=SLOW)
    assert without_loops(words) == words
    assert believable(words, words[-1].end_samples)


def test_one_rough_time_makes_no_loop_of_what_was_said() -> None:
    words = said("no " * 4) + said("no", start=4 * SLOW, each=FAST) + said("no " * 4, start=5 * SLOW)
    assert without_loops(words) == words


def test_the_times_of_a_loop_that_can_have_been_said_stay() -> None:
    said_twice = said("thank you thank you", each=SLOW)
    stuck = said("thank you " * 10, start=4 * SLOW, each=10)
    assert without_loops(said_twice + stuck) == said_twice


words_of_any_time = st.builds(
    lambda text, start, length: word(text, start, start + length),
    st.sampled_from("ab"),
    st.integers(0, 20_000),
    st.sampled_from([0, 100, 3000]),
)


@given(st.lists(words_of_any_time, max_size=30))
def test_only_repeated_words_go_and_none_comes(words: list[Word]) -> None:
    kept = without_loops(words)
    left = iter(words)
    assert all(word in left for word in kept)  # in their order
    assert {word.text for word in kept} == {word.text for word in words}
    assert list(kept[:1]) == words[:1]


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1778, 8000))
def test_nothing_that_can_be_said_goes(texts: list[str], each: int) -> None:
    words = said(" ".join(texts), each=each)
    assert without_loops(words) == words


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("no", 1),
        ("strengths", 1.125),
        ("...", 0),
        ("你好", 2),
        ("きょうは", 3),
        ("サッカー", 2),
        ("안녕", 2),
        ("ไทย", 0.375),
    ],
)
def test_syllables_are_rather_too_few(text: str, syllables: float) -> None:
    assert syllables_least(word(text)) == syllables


def test_text_that_cannot_have_been_said_is_not_believed() -> None:
    assert believable(said("a perfectly normal sentence of some words"), 48_000)
    assert not believable(said("word " * 40), 16_000)
    assert not believable(said("extraordinarily " * 10), 16_000)
    assert believable(said("word " * 40), 3 * 16_000 + 1334)


def test_scripts_without_spaces_are_believed_however_an_engine_cuts_them() -> None:
    thai = "สวัสดีครับยินดีต้อนรับสู่การประชุม"  # eleven syllables or so
    assert believable([word(letter) for letter in thai], 2 * 16_000)
    assert believable([word(thai)], 2 * 16_000)
    assert not believable([word("你好" * 20)], 16_000)
