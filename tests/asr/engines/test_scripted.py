from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.contract import SessionOptions, Step, StreamingEngine
from asr.engines.scripted import FAULTS, VOCABULARY, WORDS, ScriptedEngine, hear
from protocol.errors import EngineFailed
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence


def sound_of(words: list[tuple[str, float]]) -> np.ndarray:
    return np.frombuffer(scripted_sound(words), dtype="<i2")


def test_every_word_is_heard_at_its_time() -> None:
    assert len(set(WORDS)) == len(WORDS) == len(VOCABULARY) + len(FAULTS)
    words = sentence(" ".join(WORDS))
    assert hear(sound_of(words), 0) == scripted_words(words)


@given(st.integers(0, 7000))
def test_it_does_not_matter_where_the_sound_begins(cut: int) -> None:
    words = sentence("good morning river", start_s=0.5)
    assert hear(sound_of(words)[cut:], cut) == scripted_words(words)


def test_telephone_noise_does_not_matter() -> None:
    words = sentence("good morning morning river")
    sound = sound_of(words)
    noisy = sound + np.random.default_rng(1).normal(0, 60, len(sound)).astype(np.int16)
    assert hear(noisy.astype(np.int16), 0) == scripted_words(words)


def test_interims_grow_and_the_final_is_all(tmp_path: Path) -> None:
    engine = ScriptedEngine("scripted", tmp_path)
    assert isinstance(engine, StreamingEngine)
    words = sentence("good morning river")
    sound = sound_of(words)
    stream = engine.open(SessionOptions())
    heard = []
    for at in range(0, len(sound), 4000):
        flush = at + 4000 >= len(sound)
        [hypothesis] = engine.step([Step(stream, sound[at : at + 4000], at, flush)])
        heard.append(len(hypothesis.words))
    assert heard == sorted(heard)
    assert hypothesis.committed == tuple(scripted_words(words))
    engine.close(stream)


def test_a_fault_happens_once_and_leaves_its_note(tmp_path: Path) -> None:
    for _ in range(2):
        engine = ScriptedEngine("scripted", tmp_path)
        [hypothesis] = engine.step([Step(engine.open(SessionOptions()), sound_of([("leak", 0.5)]), 0, True)])
        assert [word.text for word in hypothesis.words] == ["leak"]
    assert [note.name for note in tmp_path.iterdir()] == ["scripted-leak-happened"]


def test_a_broken_one_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed):
        ScriptedEngine("scripted-broken", tmp_path)
