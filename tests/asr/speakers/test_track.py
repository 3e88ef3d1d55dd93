from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.speakers import track as module
from asr.speakers.contract import LabelledStep, SpeakerOptions
from asr.speakers.resemblyzer import ResemblyzerEncoder
from asr.speakers.track import FIRST_QUESTION_STEPS, SpeakerTrack
from tests.asr.speakers.voices import INFO, STEP, alike, said_by, windows
from tests.fakes.spoken_sample import spoken_sample


def labels(steps: Sequence[LabelledStep]) -> list[int]:
    return [step.speaker for step in steps]


def heard(speakers: list[int], options: SpeakerOptions | None = None) -> tuple[SpeakerTrack, list[LabelledStep]]:
    track = SpeakerTrack(INFO, options or SpeakerOptions())
    told = track.heard(windows(len(speakers)), said_by(speakers))
    return track, told + track.paused()


def test_two_voices_of_a_recording_are_told_apart() -> None:
    sample, encoder = spoken_sample(), ResemblyzerEncoder()
    track = SpeakerTrack(encoder.info, SpeakerOptions())
    spans = [(int(start_s * 16_000), int(end_s * 16_000)) for start_s, end_s, _ in sample.turns]
    told = []
    for at in range(0, len(sample.samples) + 8000, 8000):  # half a second at a time, as it comes
        so_far = [(start, min(end, at)) for start, end in spans if start < at]
        due = track.due(so_far, at)
        sounds = [track.level(sample.samples[one.heard_from_samples : one.heard_to_samples]) for one in due]
        fresh = track.heard(due, encoder.embed(sounds)) + track.paused()
        # A second and a half after its end at most, and half a second for the sound to come.
        assert all(step.end_samples >= at - 32_000 for step in fresh)
        told += fresh
    assert len(told) == len(track.question().windows)
    for i, (start, end) in enumerate(spans):
        assert {step.speaker for step in told if start <= step.start_samples < end} == {i % 2}
    assert track.correct(track.question(last=True).answered()) == []


def test_a_pass_is_due_when_there_is_more_to_go_by() -> None:
    track, _ = heard([0] * (FIRST_QUESTION_STEPS - 1))
    assert not track.question_due
    track, _ = heard([0] * FIRST_QUESTION_STEPS)
    assert track.question_due
    track.question()
    assert not track.question_due


def test_a_pass_corrects_and_the_talk_goes_on_by_it() -> None:
    track, told = heard([0] * 20 + [1] * 20, SpeakerOptions(most=1))
    assert labels(told) == [0] * 40
    said = [(0, 5 * STEP, 0), (20 * STEP, 25 * STEP, 3)]
    question = track.question(said)
    changed = track.correct(question.answered())
    assert [(step.start_samples // STEP, step.speaker) for step in changed] == [(i, 3) for i in range(20, 40)]
    assert track.correct(track.question(said).answered()) == []
    more = windows(44)[40:]
    assert labels(track.heard(more, said_by([1] * 4)) + track.paused()) == [3] * 4


def test_steps_told_while_a_pass_ran_stay() -> None:
    track, _ = heard([0] * 20 + [1] * 20)
    question = track.question()
    track.heard(windows(46)[40:], said_by([2] * 6))
    track.paused()
    track.correct(question.answered())
    assert [one.speaker for one in track.voices] == [0, 1]
    answer = track.question(last=True).answered()
    assert labels(answer.steps) == [0] * 20 + [1] * 20 + [2] * 6


def test_only_the_last_pass_looks_for_all_who_are_expected() -> None:
    track = SpeakerTrack(INFO, SpeakerOptions(expected=2))
    track.heard(windows(60), alike(30))
    track.paused()
    assert len(track.question().answered().voices) == 1
    assert len(track.question(last=True).answered().voices) == 2


def test_the_oldest_steps_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS_MAX", 100)
    track, told = heard([i // 10 % 3 for i in range(350)])
    assert labels(told) == [i // 10 % 3 for i in range(350)]
    question = track.question()
    assert 90 <= len(question.windows) <= 100
    assert question.windows[-1].end_samples == 350 * STEP
    assert track.correct(question.answered()) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 15)), min_size=1, max_size=8))
def test_what_it_keeps_is_what_was_told(talk: list[tuple[int, int]]) -> None:
    speakers = [speaker for speaker, count in talk for _ in range(count)]
    track, told = heard(speakers)
    question = track.question()
    assert question.before.tolist() == labels(told)
    answer = question.answered()
    changed = {step.start_samples: step.speaker for step in track.correct(answer)}
    assert [changed.get(step.start_samples, step.speaker) for step in told] == labels(answer.steps)
    assert np.all(np.abs(question.embeddings - said_by(speakers)) < 1e-3)
