"""Prints grouped anew: whose each step and each word is."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from asr.speakers.contract import LabelledStep, SpeakerOptions
from asr.speakers.embedded import EMBEDDED
from asr.speakers.fetched import FETCHED
from asr.voice_prints import packed_prints
from protocol.words import Segment, Word
from server.regrouping import SCRIPTED, Run, Said, info_of, regroup, runs
from server.store.voice_store import StoredPrints
from tests.server.spoken_prints import STEP_SAMPLES, prints

FREELY = SpeakerOptions()


def test_steps_keep_their_numbers_and_only_what_changed_is_named() -> None:
    kept = [prints("t", 0, [4] * 6, [0] * 6), prints("t", 60_000, [4] * 6, [1] * 6), prints("t", 120_000, [9], [0])]
    found = regroup(kept, [], FREELY, taken=12)
    assert [step.speaker for step in found.steps] == [4] * 6 + [12] * 6 + [4]
    assert {start: [voice for _, _, voice in steps] for start, steps in found.changed.items()} == {
        60_000: [12] * 6,
        120_000: [4],
    }
    assert [voice.speaker for voice in found.voices] == [4, 12]
    assert found.gone == {9}


def test_what_was_said_by_a_person_is_so() -> None:
    kept = [prints("t", 0, [0] * 6, [0] * 6), prints("t", 60_000, [0] * 6, [0] * 6)]
    found = regroup(kept, [Said(0, 38_400, 0), Said(60_000, 98_400, 1)], FREELY, taken=2)
    assert [step.speaker for step in found.steps] == [0] * 6 + [1] * 6


def test_what_another_encoder_heard_stays_as_it_is() -> None:
    old = replace(prints("t", 0, [3] * 6, [0] * 6), encoder="another")
    new = prints("t", 60_000, [0] * 6, [0] * 6)
    found = regroup([old, new], [], FREELY, taken=4)
    assert {step.start_samples // 60_000 for step in found.steps} == {1}
    assert found.changed == {}
    assert regroup([], [], FREELY, taken=1).steps == ()
    with pytest.raises(ValueError, match="encoder"):
        regroup([old], [], FREELY, taken=4)
    with pytest.raises(ValueError, match="as many"):
        regroup([replace(new, steps=new.steps[1:])], [], FREELY, taken=4)


def test_prints_of_two_encoders_are_never_grouped_together() -> None:
    def by(encoder: str, start_samples: int, told: list[int]) -> StoredPrints:
        dim = info_of(encoder).dim
        rows = np.eye(dim, dtype=np.float32)[[i % 2 for i in range(len(told))]]
        blank = prints("t", start_samples, told, [0] * len(told))
        return replace(blank, encoder=encoder, dim=dim, embeddings=base64.b64decode(packed_prints(rows)))

    kept = [
        by("resemblyzer", 0, [0, 1] * 6),
        by("campplus", 100_000, [2, 3] * 6),
        by("resemblyzer", 200_000, [0, 1] * 6),
        by("campplus", 300_000, [3, 2] * 6),
    ]
    found = regroup(kept, [], FREELY, taken=4)
    assert {step.start_samples // 100_000 for step in found.steps} == {1, 3}
    assert {voice.speaker for voice in found.voices} == {2, 3}  # the numbers that this encoder's had, and nobody else's


@pytest.mark.parametrize("name", sorted({EMBEDDED.name, SCRIPTED, *FETCHED}))
def test_every_encoder_that_makes_prints_is_known(name: str) -> None:
    assert info_of(name).name == name


def segment(count: int, *, with_words: bool = True) -> Segment:
    words = tuple(
        Word(text=f"w{i}", start_samples=i * STEP_SAMPLES, end_samples=(i + 1) * STEP_SAMPLES) for i in range(count)
    )
    text = " ".join(word.text for word in words)
    end_samples = count * STEP_SAMPLES
    words = words if with_words else ()
    return Segment(
        segment_id="s", track="t", text=text, start_samples=0, end_samples=end_samples, is_final=True, words=words
    )


def steps(*speakers: int, start_samples: int = 0) -> list[LabelledStep]:
    return [
        LabelledStep(start_samples + i * STEP_SAMPLES, start_samples + (i + 1) * STEP_SAMPLES, speaker, 0.5)
        for i, speaker in enumerate(speakers)
    ]


def test_words_are_whose_steps_they_lie_in() -> None:
    assert runs(segment(6), steps(1, 1, 1, 2, 2, 2)) == [Run(1, 3, 0.5), Run(2, 3, 0.5)]
    assert runs(segment(6, with_words=False), steps(1, 1, 2, 2, 2, 2)) == [Run(2, 0, 0.5)]
    told_as_one = segment(6).model_copy(update={"of_one": True})
    assert runs(told_as_one, steps(1, 1, 2, 2, 2, 2)) == [Run(2, 6, 0.5)]
    assert runs(segment(3), steps(1, 1, start_samples=900_000)) == []
    assert runs(segment(3), []) == []
