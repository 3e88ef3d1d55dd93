from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asr.commit import CommittingEngine
from asr.contract import RedecodingEngine, SessionOptions, Step, Window
from asr.engines.whisper import WhisperEngine, _tokens_max, _words
from protocol.errors import EngineFailed
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.tiny_whisper import build_tiny_whisper


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    return WhisperEngine(build_tiny_whisper(tmp_path_factory.mktemp("models") / "tiny"), "tiny", "cpu", "en")


def window(
    start_s: float, end_s: float, *, final: bool = True, before: str = "", hotwords: tuple[str, ...] = ()
) -> Window:
    start, end = int(start_s * 16_000), int(end_s * 16_000)
    options = SessionOptions(hotwords=hotwords, language="de")
    return Window(spoken_sample().samples[start:end], start, options, before=before, final=final)


def test_it_loads_from_a_folder_and_hears_windows(engine: WhisperEngine) -> None:
    assert isinstance(engine, RedecodingEngine)
    assert (engine.info.languages, engine.info.device) == (("en",), "cpu")
    windows = [
        window(1, 4),
        window(5, 5.5, final=False),
        window(1, 9, final=False, before="good morning", hotwords=("Earshot",)),
    ]
    heard = [draft.words for draft in engine.transcribe(windows)]
    assert len(heard) == len(windows)
    for words, each in zip(heard, windows, strict=True):
        at = each.start_samples
        for word in words:
            assert at <= word.start_samples <= word.end_samples <= each.start_samples + len(each.samples)
            at = word.end_samples


def test_the_same_sound_gives_the_same_words(engine: WhisperEngine) -> None:
    assert engine.transcribe([window(1, 4), window(5, 8)]) == [
        engine.transcribe([window(at, at + 3)])[0] for at in (1, 5)
    ]


def test_it_streams_through_the_commit_policy(engine: WhisperEngine) -> None:
    streaming = CommittingEngine(engine)
    stream = streaming.open(SessionOptions())
    sound = spoken_sample().samples[16_000:64_000]
    for at in range(0, len(sound), 16_000):
        [hypothesis] = streaming.step([Step(stream, sound[at : at + 16_000], at, at + 16_000 >= len(sound))])
    assert not hypothesis.tentative
    streaming.close(stream)


def test_a_folder_that_is_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="cannot be loaded"):
        WhisperEngine(tmp_path, "none", "cpu", "en")


def segment(words: list[tuple[str, float, float]], **given: float) -> SimpleNamespace:
    spoken = [SimpleNamespace(word=text, start=start, end=end, probability=0.9) for text, start, end in words]
    figures = {"no_speech_prob": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0} | given
    return SimpleNamespace(words=spoken, **figures)


def test_words_are_placed_in_the_track_and_kept_in_order() -> None:
    place = Window(np.zeros(16_000, np.int16), 5000, SessionOptions())
    words = _words([segment([(" one", 0.1, 0.5), (" two", 0.4, 1.7), ("", 0.9, 0.9), (" late", 1.5, 1.6)])], place)
    assert [(word.text, word.start_samples, word.end_samples) for word in words] == [
        ("one", 6600, 13_000),
        ("two", 13_000, 21_000),
    ]


@pytest.mark.parametrize("figures", [{"no_speech_prob": 0.9, "avg_logprob": -1.5}, {"compression_ratio": 3.0}])
def test_unlikely_segments_are_dropped(figures: dict[str, float]) -> None:
    place = Window(np.zeros(16_000, np.int16), 0, SessionOptions())
    assert _words([segment([(" thanks", 0.1, 0.5)], **figures)], place) == ()


def test_a_decoder_that_cannot_stop_is_bounded_by_the_sound() -> None:
    assert _tokens_max(window(0, 2), 2.0) == 64
    assert _tokens_max(window(0, 2), 28.0) == 440
    assert _tokens_max(window(0, 2, before="more"), 2.0) is None
