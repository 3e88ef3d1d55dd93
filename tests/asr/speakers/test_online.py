from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.speakers.contract import KnownVoice, LabelledStep, SpeakerOptions, SpeechWindow, Voice
from asr.speakers.online import AHEAD, OnlineSpeakers
from tests.asr.speakers.voices import INFO, STEP, said_by, voice, windows

EVERYBODY = SpeakerOptions()
talks = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), min_size=1, max_size=10)


def steps_of(talk: list[tuple[int, int]]) -> list[int]:
    return [speaker for speaker, count in talk for _ in range(count)]


def heard(
    speakers: Sequence[int],
    options: SpeakerOptions = EVERYBODY,
    pauses: Sequence[int] = (),
    online: OnlineSpeakers | None = None,
) -> list[LabelledStep]:
    online = online or OnlineSpeakers(INFO, options)
    told = []
    for window, embedding in zip(windows(len(speakers), pauses), said_by(speakers), strict=True):
        told += online.push(window, embedding)
    return told + online.finish()


def labels(steps: list[LabelledStep]) -> list[int]:
    return [step.speaker for step in steps]


def test_each_voice_is_a_speaker() -> None:
    talk = [2] * 6 + [0] * 5 + [2] * 4 + [1] * 6
    assert labels(heard(talk)) == [0] * 6 + [1] * 5 + [0] * 4 + [2] * 6


def test_a_step_is_told_by_what_is_just_ahead() -> None:
    online = OnlineSpeakers(INFO, EVERYBODY)
    told = [len(online.push(*row)) for row in zip(windows(6), said_by([0] * 6), strict=True)]
    assert told == [0] * AHEAD + [1] * (6 - AHEAD)
    assert len(online.finish()) == AHEAD


def test_a_pause_tells_what_is_left() -> None:
    online = OnlineSpeakers(INFO, EVERYBODY)
    told = [len(online.push(*row)) for row in zip(windows(4, [2]), said_by([0] * 4), strict=True)]
    assert told == [0, 0, 2, 0]


def test_one_step_of_somebody_else_is_nobody_new() -> None:
    assert labels(heard([0] * 6 + [1] + [0] * 6)) == [0] * 13
    assert labels(heard([0] * 6 + [1] * 2 + [0] * 6)) == [0] * 6 + [1] * 2 + [0] * 6


@given(talks, st.sets(st.integers(1, 60)))
def test_all_steps_are_told_once_and_in_order(talk: list[tuple[int, int]], pauses: set[int]) -> None:
    speakers = steps_of(talk)
    told = heard(speakers, pauses=sorted(pauses))
    assert [step.start_samples for step in told] == [w.start_samples for w in windows(len(speakers), sorted(pauses))]
    assert all(0 <= step.confidence <= 1 for step in told)
    # Numbers are given in the order in which they are heard.
    assert list(dict.fromkeys(labels(told))) == list(range(len(set(labels(told)))))


@given(talks, talks)
def test_what_was_told_does_not_depend_on_what_follows(
    talk: list[tuple[int, int]], more: list[tuple[int, int]]
) -> None:
    speakers, longer = steps_of(talk), steps_of(talk + more)
    settled = len(speakers) - AHEAD
    assert labels(heard(speakers))[: max(settled, 0)] == labels(heard(longer))[: max(settled, 0)]


@given(talks, st.integers(1, 4))
def test_there_are_no_more_than_there_may_be(talk: list[tuple[int, int]], most: int) -> None:
    assert len(set(labels(heard(steps_of(talk), SpeakerOptions(most=most))))) <= most
    assert len(set(labels(heard(steps_of(talk), SpeakerOptions(expected=most))))) <= most


@given(talks, st.permutations(range(4)))
def test_which_voice_is_which_does_not_matter(talk: list[tuple[int, int]], others: list[int]) -> None:
    speakers = steps_of(talk)
    online, turned = OnlineSpeakers(INFO, EVERYBODY), said_by(speakers)
    turned[:, :4] = turned[:, others]
    told = [step for row in zip(windows(len(speakers)), turned, strict=True) for step in online.push(*row)]
    assert labels(told + online.finish()) == labels(heard(speakers))


def test_known_voices_are_recognised_and_others_are_not() -> None:
    known = (KnownVoice("Ada", voice(1)), KnownVoice("Bob", voice(9)))
    online = OnlineSpeakers(INFO, SpeakerOptions(known=known))
    assert labels(heard([0] * 5 + [1] * 5 + [0] * 5, online=online)) == [0] * 5 + [1] * 5 + [0] * 5
    assert [(one.speaker, one.name) for one in online.voices] == [(0, None), (1, "Ada")]
    np.testing.assert_allclose(online.voices[1].embedding, voice(1), atol=1e-6)


def test_a_lone_step_is_not_given_to_a_known_voice() -> None:
    online = OnlineSpeakers(INFO, SpeakerOptions(known=(KnownVoice("Ada", voice(1)),)))
    assert labels(heard([0], online=online)) == [0]
    assert [one.name for one in online.voices] == [None]


def test_it_goes_on_with_what_a_pass_found() -> None:
    online = OnlineSpeakers(INFO, EVERYBODY)
    heard([0] * 6 + [1] * 6, online=online)
    online.adopt([Voice(0, None, voice(1), 6 * STEP), Voice(4, None, voice(2), 6 * STEP)], gone=[1], taken=7)
    assert labels(heard([1] * 5 + [2] * 5 + [3] * 5, online=online)) == [0] * 5 + [4] * 5 + [7] * 5


def test_a_name_that_a_pass_took_away_is_free_again() -> None:
    online = OnlineSpeakers(INFO, SpeakerOptions(known=(KnownVoice("Ada", voice(1)),)))
    heard([1] * 6, online=online)
    online.adopt([Voice(0, None, voice(0), 6 * STEP)])
    assert [(one.speaker, one.name) for one in online.voices] == [(0, None)]
    assert labels(heard([1] * 6, online=online)) == [1] * 6
    assert [(one.speaker, one.name) for one in online.voices] == [(0, None), (1, "Ada")]


def test_short_windows_make_nobody_new_of_a_known_speaker() -> None:
    online = OnlineSpeakers(INFO, EVERYBODY)
    heard([0] * 6, online=online)
    odd = (said_by([0]) + 0.75 * said_by([1]))[0]
    odd /= np.linalg.norm(odd)
    for i in range(4):
        start = (20 + 4 * i) * STEP
        online.push(SpeechWindow(start, start + 3000, start, start + 3000), odd)
    assert {step.speaker for step in online.finish()} == {0}


def test_what_is_kept_is_bounded() -> None:
    online = OnlineSpeakers(INFO, EVERYBODY)
    told = heard([i // 3 % 25 for i in range(3000)], online=online)
    assert len(told) == 3000
    assert len(online.voices) == 20
    assert online.finish() == []


def test_who_spoke_since_a_pass_looked_stays_and_who_was_nobody_goes() -> None:
    online = OnlineSpeakers(INFO, EVERYBODY)
    heard([0] * 6 + [1] * 6 + [2] * 6, online=online)
    online.adopt([Voice(0, None, voice(0), 6 * STEP)], gone=[1])
    assert [one.speaker for one in online.voices] == [0, 2]
    assert labels(heard([2] * 5 + [1] * 5, online=online)) == [2] * 5 + [3] * 5


def test_who_said_nothing_is_forgotten_and_the_last_number_is_given_again() -> None:
    online = OnlineSpeakers(INFO, SpeakerOptions(most=2))
    heard([0] * 6 + [1] * 6, online=online)
    online.forget(1)
    assert labels(heard([2] * 6, online=online)) == [1] * 6
    online.forget(0)
    assert labels(heard([3] * 6 + [2] * 6, online=online)) == [2] * 6 + [1] * 6


def test_an_enrolled_voice_that_said_nothing_is_recognised_later() -> None:
    online = OnlineSpeakers(INFO, SpeakerOptions(known=(KnownVoice("Ada", voice(1)),)))
    heard([1] * 6, online=online)
    online.forget(0)
    assert labels(heard([0] * 6 + [1] * 6, online=online)) == [0] * 6 + [1] * 6
    assert [one.name for one in online.voices] == [None, "Ada"]
