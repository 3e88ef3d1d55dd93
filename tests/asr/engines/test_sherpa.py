from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from asr.contract import Samples, SessionOptions, Step, StreamingEngine
from asr.engines.sherpa import SherpaEngine
from protocol.errors import EngineFailed
from protocol.words import Hypothesis, Word
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.tiny_transducer import TOKENS, build_tiny_transducer

START_SAMPLES = 32_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_transducer(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def greedy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_tiny_transducer(tmp_path_factory.mktemp("greedy"))
    (folder / "bpe.vocab").unlink()
    return folder


@pytest.fixture(scope="module", params=["folder", "greedy_folder"])
def engine(request: pytest.FixtureRequest) -> SherpaEngine:
    return SherpaEngine(request.getfixturevalue(request.param), "tiny")


def sounds() -> list[Samples]:
    """Of different lengths, so that they leave a batch one after the other."""
    samples = spoken_sample().samples
    return [
        samples[at : at + length] for at, length in ((0, 40_000), (30_000, 9_000), (60_000, 1_600), (90_000, 64_000))
    ]


def say(engine: SherpaEngine, sound: Samples, cut: int = 4800, hotwords: tuple[str, ...] = ()) -> list[Hypothesis]:
    """All hypotheses of an utterance that is alone."""
    stream = engine.open(SessionOptions(hotwords=hotwords))
    told = []
    for at in range(0, len(sound), cut):
        step = Step(stream, sound[at : at + cut], START_SAMPLES + at, flush=at + cut >= len(sound))
        told += engine.step([step])
    engine.close(stream)
    return told


def say_together(
    engine: SherpaEngine, sounds: Sequence[Samples], cut: int, hotwords: Sequence[tuple[str, ...]]
) -> list[tuple[Word, ...]]:
    """The finals of utterances that are heard in the same steps."""
    streams = [engine.open(SessionOptions(hotwords=each)) for each in hotwords]
    finals: list[tuple[Word, ...]] = [()] * len(sounds)
    for at in range(0, max(len(sound) for sound in sounds), cut):
        numbers = [number for number, sound in enumerate(sounds) if at < len(sound)]
        steps = [
            Step(streams[n], sounds[n][at : at + cut], START_SAMPLES + at, flush=at + cut >= len(sounds[n]))
            for n in numbers
        ]
        for number, step, hypothesis in zip(numbers, steps, engine.step(steps), strict=True):
            if step.flush:
                finals[number] = hypothesis.committed
    return finals


def test_interims_grow_to_a_final(engine: SherpaEngine) -> None:
    assert isinstance(engine, StreamingEngine)
    assert engine.info.streaming
    assert engine.batch_max > 1
    told = say(engine, sounds()[0])
    assert all(hypothesis.tentative and not hypothesis.committed for hypothesis in told[3:-1])
    assert told[-1].committed
    assert not told[-1].tentative
    known = {token.strip("▁").lower() for token in TOKENS}
    assert any(word.text in known for word in told[-1].committed)


def test_words_lie_in_the_sound_in_order(engine: SherpaEngine) -> None:
    for sound in sounds():
        for hypothesis in say(engine, sound):
            for word in hypothesis.words:
                assert START_SAMPLES <= word.start_samples < word.end_samples <= START_SAMPLES + len(sound)
                assert 0 < word.confidence < 1
                assert word.text == word.text.strip().lower() != ""
            for word, following in pairwise(hypothesis.words):
                assert word.end_samples <= following.start_samples


def test_together_is_as_alone_however_the_sound_is_cut(engine: SherpaEngine) -> None:
    hotwords = [(), ("whale",), (), ("The sea", "lone")]
    alone = [say(engine, sound, 4800, each)[-1].committed for sound, each in zip(sounds(), hotwords, strict=True)]
    assert sum(bool(words) for words in alone) >= 3
    for cut in (1600, 5000, 64_000):
        for ours, theirs in zip(say_together(engine, sounds(), cut, hotwords), alone, strict=True):
            assert [(word.text, word.start_samples, word.end_samples) for word in ours] == [
                (word.text, word.start_samples, word.end_samples) for word in theirs
            ]
            assert [word.confidence for word in ours] == pytest.approx([word.confidence for word in theirs], abs=1e-4)


def test_the_end_pushes_the_last_words_out(folder: Path) -> None:
    engine = SherpaEngine(folder, "tiny")
    sound = sounds()[0]
    stream = engine.open(SessionOptions())
    [before] = engine.step([Step(stream, sound, START_SAMPLES, flush=False)])
    [after] = engine.step([Step(stream, sound[:0], START_SAMPLES + len(sound), flush=True)])
    assert before.tentative
    assert max(word.end_samples for word in after.committed) <= START_SAMPLES + len(sound)
    assert after.committed == say(engine, sound)[-1].committed
    assert len("".join(word.text for word in after.committed)) > len("".join(word.text for word in before.tentative))


def test_hotwords_change_what_is_heard(folder: Path, greedy_folder: Path) -> None:
    engine, greedy = SherpaEngine(folder, "tiny"), SherpaEngine(greedy_folder, "tiny")
    sound = sounds()[3]

    def count(engine: SherpaEngine, *hotwords: str) -> int:
        return sum("whale" in word.text for word in say(engine, sound, hotwords=hotwords)[-1].committed)

    assert count(engine, "whale") > count(engine)
    assert count(greedy, "whale") == count(greedy)


@pytest.mark.parametrize("odd", ["", "  ", "/", ":3.0", "a :x b", "#1 @y", "new\nline", "straße", "中文", "42"])
def test_hotwords_that_the_library_would_trip_over(folder: Path, odd: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert say(SherpaEngine(folder, "tiny"), sounds()[1], hotwords=(odd,))
    assert not any(capfd.readouterr()), "what was said or asked for is in the log"


def test_hardly_any_sound_is_no_word(engine: SherpaEngine) -> None:
    assert all(word.end_samples <= 10 for word in say_once(engine, np.zeros(10, np.int16)))
    assert say_once(engine, np.zeros(0, np.int16)) == ()


def say_once(engine: SherpaEngine, sound: Samples) -> tuple[Word, ...]:
    return engine.step([Step(engine.open(SessionOptions()), sound, 0, flush=True)])[0].committed


def test_closing_twice_is_closing_once(engine: SherpaEngine) -> None:
    stream = engine.open(SessionOptions())
    engine.close(stream)
    engine.close(stream)


@pytest.mark.parametrize("part", ["encoder.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"])
def test_a_model_that_is_not_whole_is_said(tmp_path: Path, part: str) -> None:
    folder = build_tiny_transducer(tmp_path / "model")
    (folder / part).unlink()
    with pytest.raises(EngineFailed, match="not whole"):
        SherpaEngine(folder, "tiny")


def test_the_package_may_be_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sherpa_onnx", None)
    with pytest.raises(EngineFailed, match=r"pip install 'earshot\[sherpa\]'"):
        SherpaEngine(folder, "tiny")
