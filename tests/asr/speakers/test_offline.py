from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.speakers import groups
from asr.speakers.contract import KnownVoice, SpeakerOptions
from asr.speakers.offline import Told, tell
from asr.speakers.path import UNKNOWN
from tests.asr.speakers.voices import INFO, alike, said_by, voice, windows

EVERYBODY = SpeakerOptions()
# Some speakers in turn, for some steps each.
turns = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), min_size=1, max_size=10)


def steps_of(talk: list[tuple[int, int]]) -> list[int]:
    return [speaker for speaker, count in talk for _ in range(count)]


def passed(
    speakers: list[int],
    options: SpeakerOptions = EVERYBODY,
    *,
    before: Sequence[int] = (),
    fixed: Sequence[int] = (),
) -> Told:
    return tell(windows(len(speakers)), said_by(speakers), INFO, options, before=before, fixed=fixed)


def labels(told: Told) -> list[int]:
    return [step.speaker for step in told.steps]


def test_each_voice_is_a_speaker() -> None:
    talk = [0] * 10 + [1] * 8 + [0] * 5 + [2] * 9
    told = passed(talk)
    assert labels(told) == talk
    assert [(one.speaker, one.heard_samples // 6400) for one in told.voices] == [(0, 15), (1, 8), (2, 9)]
    assert all(step.confidence > 0.9 for step in told.steps)


def test_a_mixture_of_two_is_nobody() -> None:
    talk = [0] * 20 + [1] * 20
    embeddings = said_by(talk)
    embeddings[19:21] = said_by([5, 5])
    told = tell(windows(40), embeddings, INFO, EVERYBODY)
    assert {one.speaker for one in told.voices} == {0, 1}
    assert len(told.steps) == 40


@given(turns)
def test_it_is_all_told_in_order_and_bounded(talk: list[tuple[int, int]]) -> None:
    speakers = steps_of(talk)
    told = passed(speakers)
    assert [step.start_samples for step in told.steps] == [window.start_samples for window in windows(len(speakers))]
    assert {one.speaker for one in told.voices} == set(labels(told))
    assert len(told.voices) <= len(set(speakers))
    assert sum(one.heard_samples for one in told.voices) == len(speakers) * 6400
    assert all(0 <= step.confidence <= 1 for step in told.steps)


@given(turns, st.permutations(range(4)))
def test_which_voice_is_which_does_not_matter(talk: list[tuple[int, int]], others: list[int]) -> None:
    speakers = steps_of(talk)
    embeddings = said_by(speakers)
    turned = embeddings.copy()
    turned[:, :4] = embeddings[:, others]  # other centres, the same distances
    assert labels(tell(windows(len(speakers)), turned, INFO, EVERYBODY)) == labels(passed(speakers))


@given(turns, st.integers(1, 5))
def test_there_are_no_more_than_there_may_be(talk: list[tuple[int, int]], most: int) -> None:
    assert len(passed(steps_of(talk), SpeakerOptions(most=most)).voices) <= most


def test_there_are_as_many_as_expected() -> None:
    talk = [0] * 20 + [1] * 20 + [2] * 20
    assert len(passed(talk, SpeakerOptions(expected=3)).voices) == 3
    assert len(passed(talk, SpeakerOptions(expected=2)).voices) == 2
    near = alike(30)
    assert len(tell(windows(60), near, INFO, EVERYBODY).voices) == 1
    assert labels(tell(windows(60), near, INFO, SpeakerOptions(expected=2))) == [0] * 30 + [1] * 30


@given(turns, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=6))
def test_what_a_person_said_stays(talk: list[tuple[int, int]], said: list[tuple[int, int]]) -> None:
    speakers = steps_of(talk)
    fixed = [UNKNOWN] * len(speakers)
    for at, speaker in said:
        if at < len(fixed):
            fixed[at] = speaker
    told = passed(speakers, fixed=fixed)
    for step, speaker in zip(told.steps, fixed, strict=True):
        if speaker != UNKNOWN:
            assert (step.speaker, step.confidence) == (speaker, 1.0)


def test_what_a_person_said_of_some_holds_for_the_voice() -> None:
    talk = [0] * 20 + [1] * 20
    fixed = [UNKNOWN] * 40
    fixed[3] = fixed[5] = 7
    assert labels(passed(talk, fixed=fixed)) == [7] * 20 + [8] * 20


def test_there_are_as_many_as_expected_whatever_a_person_said_of_some() -> None:
    talk = [0] * 20 + [1] * 20 + [2] * 20
    fixed = [7] * 8 + [UNKNOWN] * 52
    for expected in (2, 3):
        assert len(passed(talk, SpeakerOptions(expected=expected), fixed=fixed).voices) == expected
    assert len(passed(talk, SpeakerOptions(most=2), fixed=fixed).voices) == 2


def test_one_voice_that_a_person_took_for_two_is_two() -> None:
    fixed = [UNKNOWN] * 20
    fixed[0], fixed[19] = 1, 2
    told = passed([0] * 20, fixed=fixed)
    assert {told.steps[0].speaker, told.steps[19].speaker} == {1, 2}


def test_voices_with_different_names_are_two_however_alike() -> None:
    near, told_before = alike(30), [4] * 27 + [5] * 33  # the first of them were told wrongly at three steps

    def told(*named: int) -> list[int]:
        return labels(tell(windows(60), near, INFO, EVERYBODY, before=told_before, named=named))

    assert set(told()) == {5}
    assert told(4, 5) == [4] * 30 + [5] * 30
    assert set(told(4)) == {4}  # one voice, by the one name there is
    # Where one is no other than the other, what was told of them is all there is.
    same = labels(tell(windows(60), said_by([0] * 60), INFO, EVERYBODY, before=told_before, named=(4, 5)))
    assert set(same[:20]) == {4}
    assert set(same[-20:]) == {5}


def test_a_count_that_is_too_low_joins_nobody_who_has_a_name_and_takes_no_name_along() -> None:
    talk = ([0] * 12 + [1] * 11 + [2] * 12) * 2
    near = said_by(talk)
    near[np.array(talk) == 1] += 0.4 * voice(2)  # the two that have names are the nearest of all
    near /= np.linalg.norm(near, axis=1, keepdims=True)

    def told(options: SpeakerOptions, before: Sequence[int]) -> Told:
        return tell(windows(len(talk)), near, INFO, options, before=before, named=(1, 2))

    for few in (SpeakerOptions(most=2), SpeakerOptions(expected=2), SpeakerOptions(expected=1)):
        before: Sequence[int] = talk
        for _ in range(3):
            found = told(few, before)
            assert [now for now, own in zip(labels(found), talk, strict=True) if own] == [own for own in talk if own]
            assert len({now for now, own in zip(labels(found), talk, strict=True) if not own} - {1, 2}) == 0
            assert len(found.voices) == 2
            before = found.own
        for enough in (SpeakerOptions(expected=3), EVERYBODY):
            assert labels(told(enough, before)) == talk


def test_one_whose_words_were_given_to_somebody_new_does_not_vanish_in_that() -> None:
    fixed, before = [7] * 6 + [UNKNOWN] * 54, [4] * 60
    told = tell(windows(60), alike(30), INFO, EVERYBODY, before=before, fixed=fixed, taken=8)
    assert set(labels(told)) == {7}
    told = tell(windows(60), alike(30), INFO, EVERYBODY, before=before, fixed=fixed, apart=[(4, 7)], taken=8)
    assert labels(told) == [7] * 30 + [4] * 30  # what is as theirs as what was given is theirs, too
    again = tell(windows(60), alike(30), INFO, EVERYBODY, before=labels(told), fixed=fixed, apart=[(4, 7)], taken=8)
    assert labels(again) == labels(told)


def test_numbers_are_those_told_before() -> None:
    talk = [0] * 10 + [1] * 10 + [2] * 10
    before = [5] * 11 + [2] * 9 + [UNKNOWN] * 10
    assert labels(passed(talk, before=before)) == [5] * 10 + [2] * 10 + [6] * 10


@given(turns)
def test_a_second_pass_changes_nothing(talk: list[tuple[int, int]]) -> None:
    speakers = steps_of(talk)
    once = labels(passed(speakers))
    assert labels(passed(speakers, before=once)) == once


@given(turns)
def test_nor_does_it_where_names_keep_voices_apart(talk: list[tuple[int, int]]) -> None:
    before = steps_of(talk)
    embeddings = said_by([0] * len(before))

    def told(before: list[int]) -> list[int]:
        return labels(tell(windows(len(before)), embeddings, INFO, EVERYBODY, before=before, named=(0, 1, 2, 3)))

    once = told(before)
    assert set(once) == set(before)
    assert told(once) == once


def test_known_voices_are_named() -> None:
    known = (KnownVoice("Ada", voice(1)), KnownVoice("Bob", voice(9)))
    told = passed([0] * 10 + [1] * 10, SpeakerOptions(known=known))
    assert [(one.speaker, one.name) for one in told.voices] == [(0, None), (1, "Ada")]


@pytest.mark.parametrize(("share", "of_known", "is_one"), [(1.3, 0.4, True), (9.0, 0.6, False)])
def test_two_that_are_like_one_known_voice_are_one_where_they_are_as_alike_and_no_more_are_expected(
    share: float, of_known: float, is_one: bool
) -> None:
    between = voice(1) + np.float32(of_known) * voice(2)
    known = (KnownVoice("Ada", between / np.linalg.norm(between)),)
    near = said_by([1] * 22 + [3] * 10)
    near[12:22] += share * voice(2)
    near /= np.linalg.norm(near, axis=1, keepdims=True)

    def told(options: SpeakerOptions) -> list[tuple[int, str | None]]:
        found = tell(windows(len(near)), near, INFO, replace(options, known=known))
        return [(one.speaker, one.name) for one in found.voices]

    three = [(0, "Ada"), (1, None), (2, None)]
    assert told(EVERYBODY) == (three[:2] if is_one else three)
    assert told(SpeakerOptions(expected=3)) == three


def test_a_count_takes_nobody_along_with_a_name_whose_words_were_given_away_wrongly() -> None:
    talk = [0] * 10 + [1] * 26 + [0] * 10
    near = said_by(talk)
    fixed = [UNKNOWN] * 20 + [0] * 4 + [UNKNOWN] * 22  # some of the second one's, to the first, who has a name
    before: Sequence[int] = [own if said == UNKNOWN else said for own, said in zip(talk, fixed, strict=True)]
    once = tell(windows(len(talk)), near, INFO, EVERYBODY, before=before, fixed=fixed, named=(0,))
    few = tell(windows(len(talk)), near, INFO, SpeakerOptions(most=1), before=once.own, fixed=fixed, named=(0,))
    assert set(labels(few)) == {0}
    again = tell(windows(len(talk)), near, INFO, EVERYBODY, before=few.own, fixed=fixed, named=(0,))
    assert labels(again) == labels(once) == list(before)


def test_many_steps_are_no_other_than_few(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = ([0] * 30 + [1] * 25 + [2] * 40) * 4
    few = labels(passed(talk))
    monkeypatch.setattr(groups, "AT_ONCE_MAX", 60)
    assert labels(passed(talk)) == few == talk


def test_nothing_is_nothing() -> None:
    assert tell([], np.zeros((0, INFO.dim), np.float32), INFO, EVERYBODY) == Told((), ())
    assert labels(passed([3])) == [0]
