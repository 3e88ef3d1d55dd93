from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr.commit import CommittingEngine
from asr.contract import SessionOptions, Step
from asr.engines.whisper_model import WhisperModel, load_model
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Hypothesis
from tests.bench.stand_in import MeasuredWhisper, StandIn, Vocabulary
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.tiny_whisper import build_tiny_whisper


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture
def engine(folder: Path) -> MeasuredWhisper:
    loaded = load_model(folder, "whisper-tiny.en", "cpu", 0)
    # Of this model each letter is a token and no token a word: what is said is one long word after the other.
    letters = [loaded.hf_tokenizer.token_to_id(letter) for letter in "abcdefghijklmnopqrstuvwxy"]
    space = loaded.hf_tokenizer.token_to_id("\u0120")
    vocabulary = Vocabulary([token for letter in letters for token in (space, letter)], letters[0])
    stand_in = StandIn(loaded.network, vocabulary)
    model = WhisperModel(stand_in, loaded.hf_tokenizer, loaded.filters, "cpu")
    return MeasuredWhisper(folder, "whisper-tiny.en", model, short_encoder=True)


def _advance(engine: CommittingEngine, stream: object, seconds: float, at_s: float, *, flush: bool) -> Hypothesis:
    start, end = (round(at * SAMPLE_RATE_HZ) for at in (at_s, at_s + seconds))
    samples = spoken_sample().samples[start:end]
    return engine.step([Step(stream, samples, start, flush=flush)])[0]


def test_hypotheses_agree_but_for_their_ends_so_that_words_are_committed_and_sound_is_cut(
    engine: MeasuredWhisper,
) -> None:
    committing = CommittingEngine(engine)
    stream = committing.open(SessionOptions())
    committed = [len(_advance(committing, stream, 1.5, 1.5 * number, flush=False).committed) for number in range(1, 5)]
    assert committed[0] == 0
    assert committed == sorted(committed)
    assert committed[-1] > 0


def test_as_many_tokens_are_said_as_there_is_speech(engine: MeasuredWhisper) -> None:
    committing = CommittingEngine(engine)
    for seconds in (2.0, 6.0):
        network: StandIn = engine._model.network
        network.tokens_planned = network.tokens_said = 0
        _advance(committing, committing.open(SessionOptions()), seconds, 3.0, flush=True)
        assert 0.4 * 3.5 * seconds <= network.tokens_planned <= 3.5 * seconds
        assert network.tokens_said >= network.tokens_planned


def test_rows_are_told_apart_in_a_batch(engine: MeasuredWhisper) -> None:
    committing = CommittingEngine(engine)
    sound = spoken_sample().samples
    steps = [
        Step(committing.open(SessionOptions()), sound[at : at + length * SAMPLE_RATE_HZ], 0, flush=True)
        for at, length in ((20_000, 1), (90_000, 3), (150_000, 2), (200_000, 4), (30_000, 5))
    ]
    together = committing.step(steps)
    again = [Step(committing.open(SessionOptions()), step.samples, 0, flush=True) for step in steps]
    assert [len(each.words) for each in together] == [len(committing.step([step])[0].words) for step in again]


def test_the_vocabulary_goes_on_where_the_committed_words_end() -> None:
    vocabulary = Vocabulary([*range(100, 200)], 9)
    first, second = (vocabulary.hypothesis(0, 4.0, hearing, sure=False) for hearing in (1, 2))
    assert first[:11] == second[:11] == [*range(100, 111)]
    assert first[11:-1] != second[11:-1]
    assert vocabulary.hypothesis(5, 4.0, 3, sure=False)[:6] == [*range(105, 111)]
    assert vocabulary.hypothesis(0, 4.0, 4, sure=True) == [*range(100, 113), 9]
    assert vocabulary.hypothesis(0, 0.0, 5, sure=False) == [9]
    assert np.all(np.array(vocabulary.hypothesis(98, 2.0, 6, sure=True)[:4]) == [198, 199, 100, 101])
