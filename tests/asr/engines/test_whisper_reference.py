"""Ours against faster-whisper's own ``transcribe``, with the encoder at its full length: the same tokens and times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faster_whisper
import numpy as np
import pytest
from faster_whisper.tokenizer import Tokenizer

from asr.contract import SessionOptions, Window
from asr.engines.whisper import WhisperEngine
from tests.fakes.random_whisper import build_random_whisper
from tests.fakes.spoken_sample import spoken_sample


@pytest.fixture(scope="module", params=[1, 2])
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    return build_random_whisper(tmp_path_factory.mktemp("models") / "micro", multilingual=True, seed=request.param)


@pytest.fixture(scope="module")
def reference(folder: Path) -> Any:
    return faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)


@pytest.fixture(scope="module")
def engine(folder: Path) -> WhisperEngine:
    return WhisperEngine(folder, "micro", "cpu", "en", short_encoder=False)


@pytest.mark.parametrize(
    ("start_s", "end_s", "language", "final", "before", "hotwords"),
    [
        (1.0, 4.0, "en", True, "", ()),
        (1.0, 4.0, "en", False, "", ()),
        (3.21, 9.87, "de", True, "", ("Earshot", "Zbigniew")),
        (0.5, 2.0, "zh", False, "seventh", ()),  # with its space the 8 tokens of a step
        (2.0, 5.0, "de", False, "seventh", ("Earshot",)),
    ],
)
def test_it_says_what_faster_whisper_says(
    reference: Any,
    engine: WhisperEngine,
    start_s: float,
    end_s: float,
    language: str,
    final: bool,
    before: str,
    hotwords: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("asr.engines.whisper_decode._TEMPERATURES", ())  # theirs draws nothing either
    sound = spoken_sample().samples[int(start_s * 16_000) : int(end_s * 16_000)]
    options = SessionOptions(language=language, hotwords=hotwords)
    [draft] = engine.transcribe([Window(sound, 0, options, engine.begin(options), before=before, final=final)])
    segments, _ = reference.transcribe(
        sound.astype(np.float32) / 32768,
        language=language,
        beam_size=5 if final else 1,
        temperature=0.0,
        initial_prompt=before or None,
        hotwords=" ".join(hotwords) or None,
        without_timestamps=True,
        condition_on_previous_text=False,
    )
    first = next(iter(segments))
    attempt = draft.row.row.attempt
    if not attempt.doubts:
        assert [token for token in first.tokens if token < 257] == list(attempt.tokens)
        # The last bit of a feature, which differs from processor to processor, can tip an int8 over.
        assert attempt.log_probability == pytest.approx(first.avg_logprob, abs=1e-2)
        assert attempt.no_speech == pytest.approx(first.no_speech_prob, abs=1e-6)
    else:
        assert "tokens_per_s" in attempt.doubts  # theirs may go on longer than anybody can talk


def test_its_times_are_those_of_faster_whisper(reference: Any, engine: WhisperEngine) -> None:
    sound = spoken_sample().samples[16_000:64_000]
    options = SessionOptions(language="zh")
    [draft] = engine.transcribe([Window(sound, 0, options, engine.begin(options))])
    tokenizer = Tokenizer(reference.hf_tokenizer, True, "transcribe", "zh")
    features = np.zeros((1, 80, 3000), np.float32)
    features[0, :, :300] = reference.feature_extractor(sound.astype(np.float32) / 32768)[:, :300]
    tokens = [token for piece in draft.row.pieces for token in piece.tokens]
    [theirs] = reference.find_alignment(tokenizer, [tokens], reference.encode(features), [300])
    starts = {round(word["start"] * 16_000) for word in theirs}
    [ours] = engine.align([(draft, len(draft.words))])
    assert len(ours) > 1
    assert {word.start_samples for word in ours} <= starts
    assert np.mean([word.confidence for word in ours]) == pytest.approx(
        np.mean([word["probability"] for word in theirs]), abs=0.2
    )
