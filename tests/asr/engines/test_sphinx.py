from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import jiwer
import numpy as np
import pytest
from pocketsphinx import Decoder

from asr.contract import Samples, SessionOptions, Step, StreamingEngine
from asr.engines.sphinx import LIVE_DECODERS_MAX, SphinxEngine
from protocol.words import Hypothesis, Word
from tests.fakes.spoken_sample import spoken_sample


@pytest.fixture(scope="module")
def engine() -> SphinxEngine:
    return SphinxEngine()


def turn(number: int) -> tuple[Samples, int, str]:
    """One turn of the sample: its sound, where it begins, its words."""
    sample = spoken_sample()
    start_s, end_s, text = sample.turns[number]
    start, end = int(start_s * 16_000) - 4000, int(end_s * 16_000) + 4000
    return sample.samples[start:end], start, text


def pieces(sound: Samples, start: int, stream: Any) -> Iterator[Step]:
    for at in range(0, len(sound), 4800):
        yield Step(stream, sound[at : at + 4800], start + at, flush=at + 4800 >= len(sound))


def text_of(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def test_known_words_are_heard_with_times(engine: SphinxEngine) -> None:
    assert isinstance(engine, StreamingEngine)
    sound, start, text = turn(0)
    stream = engine.open(SessionOptions())
    hypotheses: list[Hypothesis] = []
    for step in pieces(sound, start, stream):
        hypotheses += engine.step([step])
    engine.close(stream)
    final = hypotheses[-1]
    assert not final.tentative
    assert jiwer.wer(text, text_of(final.committed)) <= 0.1
    assert any(hypothesis.tentative for hypothesis in hypotheses[:-1])
    at = start
    for word in final.committed:
        assert at <= word.start_samples < word.end_samples <= start + len(sound)
        assert 0 <= word.confidence <= 1
        assert word.text.isascii()
        assert "(" not in word.text
        at = word.end_samples
    assert any(word.confidence < 1 for word in final.committed)


def test_a_final_depends_on_its_utterance_alone(engine: SphinxEngine) -> None:
    sound, start, _ = turn(2)

    def final(options: SessionOptions, cut: int) -> tuple[Word, ...]:
        stream = engine.open(options)
        told: tuple[Word, ...] = ()
        for at in range(0, len(sound), cut):
            step = Step(stream, sound[at : at + cut], start + at, flush=at + cut >= len(sound))
            told = engine.step([step])[0].committed
        engine.close(stream)
        return told

    alone = final(SessionOptions(lane="file"), len(sound))
    other = engine.open(SessionOptions())
    engine.step([Step(other, turn(1)[0][:16_000], 0, False)])
    assert final(SessionOptions(), 7000) == alone
    engine.close(other)


def test_the_shared_language_model_changes_no_word(engine: SphinxEngine) -> None:
    sound, start, _ = turn(0)
    alone = Decoder(loglevel="FATAL", maxhmmpf=3000)
    alone.start_utt()
    alone.process_raw(sound.tobytes(), full_utt=True)
    alone.end_utt()
    stream = engine.open(SessionOptions(lane="file"))
    [final] = engine.step([Step(stream, sound, start, flush=True)])
    assert text_of(final.committed) == alone.hyp().hypstr


def test_together_is_as_alone_interims_too(engine: SphinxEngine) -> None:
    turns = [(sound[: 12_000 + 8000 * n], start) for n, (sound, start, _) in enumerate(map(turn, range(3)))]

    def alone(sound: Samples, start: int) -> list[Hypothesis]:
        stream = engine.open(SessionOptions())
        told = [engine.step([step])[0] for step in pieces(sound, start, stream)]
        engine.close(stream)
        return told

    expected = [alone(*each) for each in turns]
    streams = [engine.open(SessionOptions()) for _ in turns]
    together: list[list[Hypothesis]] = [[] for _ in turns]
    steps = zip_longest(*(pieces(*each, stream) for each, stream in zip(turns, streams, strict=True)))
    for row in steps:
        numbers = [number for number, step in enumerate(row) if step is not None]
        for number, told in zip(numbers, engine.step([row[number] for number in numbers]), strict=True):
            together[number].append(told)
    assert together == expected
    for stream in streams:
        engine.close(stream)


def test_an_utterance_without_a_decoder_still_gets_its_final(engine: SphinxEngine) -> None:
    silence = np.zeros(1600, np.int16)
    streams = [engine.open(SessionOptions()) for _ in range(LIVE_DECODERS_MAX + 1)]
    for stream in streams:
        engine.step([Step(stream, silence, 0, False)])
    assert sum(stream.decoder is not None for stream in streams) == LIVE_DECODERS_MAX
    engine.close(streams[0])
    engine.step([Step(streams[-1], silence, 1600, False)])
    assert streams[-1].decoder is not None
    for stream in streams:
        engine.close(stream)


class Failing:
    def end_utt(self) -> None:
        raise RuntimeError("failed")


def test_a_decoder_that_fails_takes_nobody_s_place(engine: SphinxEngine) -> None:
    silence = np.zeros(1600, np.int16)
    failing = engine.open(SessionOptions())
    engine.step([Step(failing, silence, 0, False)])
    failing.decoder = Failing()
    with pytest.raises(RuntimeError):
        engine.close(failing)
    engine.close(failing)
    streams = [engine.open(SessionOptions()) for _ in range(LIVE_DECODERS_MAX)]
    for stream in streams:
        engine.step([Step(stream, silence, 0, False)])
    assert all(stream.decoder is not None for stream in streams)
    for stream in streams:
        engine.close(stream)


def test_hardly_any_sound_is_no_word(engine: SphinxEngine) -> None:
    stream = engine.open(SessionOptions())
    assert engine.step([Step(stream, np.zeros(10, np.int16), 0, True)])[0].words == ()
    engine.close(stream)
