from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr.commit import CommittingEngine
from asr.contract import Draft, RedecodingEngine, SessionOptions, Step, Window
from asr.engines import whisper, whisper_model
from asr.engines.whisper import WhisperEngine
from asr.engines.whisper_model import WhisperModel, load_model
from protocol.errors import EngineFailed
from protocol.words import Word
from tests.fakes import random_whisper
from tests.fakes.changed_network import ChangedNetwork
from tests.fakes.random_whisper import build_random_whisper
from tests.fakes.spoken_sample import spoken_sample

NAME = "whisper-tiny"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    models = tmp_path_factory.mktemp("models")
    return {
        kind + str(seed): build_random_whisper(models / f"{kind}{seed}", multilingual=kind == "all", seed=seed)
        for kind in ("en", "all")
        for seed in (1, 2)
    }


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path]) -> WhisperEngine:
    return WhisperEngine(folders["en1"], NAME, "cpu", "en")


@pytest.fixture(scope="module")
def linguist(folders: dict[str, Path]) -> WhisperEngine:
    return WhisperEngine(folders["all2"], NAME, "cpu", "auto")


def window(
    engine: WhisperEngine,
    start_s: float,
    end_s: float,
    *,
    final: bool = False,
    before: str = "",
    hotwords: tuple[str, ...] = (),
    language: str | None = None,
) -> Window:
    start, end = int(start_s * 16_000), int(end_s * 16_000)
    options = SessionOptions(hotwords=hotwords, language=language)
    sound = spoken_sample().samples[start:end]
    return Window(sound, start, options, engine.begin(options), before=before, final=final)


def unheard(engine: WhisperEngine, windows: Sequence[Window]) -> list[Window]:
    """The same windows, of utterances of which nothing is kept."""
    return [replace(each, state=engine.begin(each.options)) for each in windows]


def whole(engine: WhisperEngine, windows: Sequence[Window]) -> list[tuple[str | None, tuple[Word, ...], Any]]:
    """Language, words with exact times, and tokens; None in the place of tokens that were drawn by chance."""
    drafts = engine.transcribe(windows)
    aligned = engine.align([(draft, len(draft.words)) for draft in drafts])
    rows = [draft.row.row for draft in drafts]
    return [
        (None, (), None) if row.final and row.heard_again else (draft.language, words, row.attempt.tokens)
        for draft, words, row in zip(drafts, aligned, rows, strict=True)
    ]


def many_windows(engine: WhisperEngine, seed: int) -> list[Window]:
    random = np.random.default_rng(seed)
    windows = []
    for _ in range(8):
        start_s = float(random.uniform(0, 10))
        windows.append(
            window(
                engine,
                start_s,
                start_s + float(random.choice([0.4, 1.7, 3.0, 5.2, 7.5])),
                final=bool(random.integers(2)),
                before=" ".join(["good", "morning", "everyone"] * int(random.integers(4))),
                hotwords=("Earshot", "Zbigniew")[: int(random.integers(3))],
                language=[None, "de", "zh", "en", "auto"][random.integers(5)],
            )
        )
    return windows


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["en", "all"])
def test_a_row_is_heard_the_same_alone_and_in_any_batch(folders: dict[str, Path], kind: str, seed: int) -> None:
    engine = WhisperEngine(folders[kind + str(seed)], NAME, "cpu", "auto")
    windows = many_windows(engine, seed)
    together = whole(engine, windows)
    assert together == [whole(engine, [each])[0] for each in unheard(engine, windows)]
    assert len({tokens for _, _, tokens in together if tokens}) >= 4


def test_it_is_a_redecoding_engine_for_one_core_each(engine: WhisperEngine) -> None:
    assert isinstance(engine, RedecodingEngine)
    assert (engine.info.languages, engine.info.device, engine.info.streaming) == (("en",), "cpu", False)
    assert engine.info.workers_max >= 1
    assert engine.batch_max == 16
    assert engine.guard_hits == {} or all(engine.guard_hits.values())


def test_words_lie_in_their_window_in_order(engine: WhisperEngine) -> None:
    windows = many_windows(engine, 7)
    drafts = engine.transcribe(windows)
    aligned = engine.align([(draft, len(draft.words)) for draft in drafts])
    for each, draft, words in zip(windows, drafts, aligned, strict=True):
        assert [word.text for word in draft.words] == [word.text for word in words]
        assert draft.timed is not bool(words)
        for spoken in (draft.words, words):
            at = each.start_samples
            for word in spoken:
                assert at <= word.start_samples <= word.end_samples <= each.start_samples + len(each.samples)
                assert 0 <= word.confidence <= 1
                at = word.end_samples


def test_only_the_first_words_are_asked_for_and_get_the_times_of_all(linguist: WhisperEngine) -> None:
    drafts = linguist.transcribe([window(linguist, at, at + 4, language="zh") for at in (1, 5)])
    longest = max(drafts, key=lambda draft: len(draft.words))
    assert len(longest.words) > 1
    [first], [both] = linguist.align([(longest, 1)]), linguist.align([(longest, 2)])
    assert first == both[:1]


@pytest.mark.parametrize("seconds", [0.37, 0.73, 3.0])
def test_the_final_does_not_depend_on_how_the_sound_came(engine: WhisperEngine, seconds: float) -> None:
    sound = spoken_sample().samples[16_000:96_000]
    streaming = CommittingEngine(engine)
    stream = streaming.open(SessionOptions())
    cut = int(seconds * 16_000)
    for at in range(0, len(sound), cut):
        flush = at + cut >= len(sound)
        [hypothesis] = streaming.step([Step(stream, sound[at : at + cut], 16_000 + at, flush)])
    [alone] = engine.transcribe([window(engine, 1, 6, final=True)])
    assert [word.text for word in hypothesis.committed] == [word.text for word in alone.words]
    assert hypothesis.language == "en"
    streaming.close(stream)


def test_no_windows_are_no_drafts(engine: WhisperEngine) -> None:
    assert engine.transcribe([]) == []
    assert engine.align([]) == []


def test_a_window_of_more_than_30_s_is_refused(engine: WhisperEngine) -> None:
    long = Window(np.zeros(480_001, np.int16), 0, SessionOptions(), engine.begin(SessionOptions()))
    with pytest.raises(EngineFailed, match="at most 30 s"):
        engine.transcribe([long])


def test_an_english_model_hears_english_whatever_is_asked(engine: WhisperEngine) -> None:
    drafts = engine.transcribe([window(engine, 1, 3, language=asked) for asked in (None, "auto", "de")])
    assert [draft.language for draft in drafts] == ["en"] * 3


def test_the_language_asked_for_is_heard_else_the_houses(folders: dict[str, Path]) -> None:
    engine = WhisperEngine(folders["all1"], NAME, "cpu", "de-CH")
    asked = [None, "en", "zh-TW", "EN"]
    drafts = engine.transcribe([window(engine, 1, 3, language=language) for language in asked])
    assert [draft.language for draft in drafts] == ["de", "en", "zh", "en"]


def counting(model: WhisperModel, sure: float = 0.9) -> tuple[WhisperModel, list[int]]:
    """Of this model, the rows in each call that tells the language; it is as sure as said."""
    calls: list[int] = []

    def detect_language(encoded: Any) -> list[list[tuple[str, float]]]:
        calls.append(encoded.shape[0])
        return [[("<|de|>", sure), ("<|en|>", 1 - sure)] for _ in range(encoded.shape[0])]

    return replace(model, network=ChangedNetwork(model.network, detect_language=detect_language)), calls


def test_the_language_is_found_out_once_for_an_utterance_and_again_for_its_final(folders: dict[str, Path]) -> None:
    model, calls = counting(load_model(folders["all1"], NAME, "cpu", 0))
    engine = WhisperEngine(folders["all1"], NAME, "cpu", "auto", loaded=model)
    calls.clear()
    first = [window(engine, at, at + 2) for at in (1, 3, 5)]
    assert [draft.language for draft in engine.transcribe(first)] == ["de"] * 3
    assert calls == [3]
    for end_s in (3.5, 4, 5):
        later = replace(window(engine, 1, end_s), state=first[0].state)
        assert engine.transcribe([later])[0].language == "de"
    assert calls == [3]
    engine.transcribe([replace(window(engine, 1, 6, final=True), state=first[0].state)])
    assert calls == [3, 1]


def test_a_language_told_by_little_sound_or_not_surely_is_looked_at_again(folders: dict[str, Path]) -> None:
    for sure, first_s in ((0.3, 2.0), (0.9, 0.5)):
        model, calls = counting(load_model(folders["all1"], NAME, "cpu", 0), sure)
        engine = WhisperEngine(folders["all1"], NAME, "cpu", "auto", loaded=model)
        calls.clear()
        first = window(engine, 1, 1 + first_s)
        engine.transcribe([first])
        engine.transcribe([replace(window(engine, 1, 1 + first_s + 0.5), state=first.state)])
        assert calls == [1]
        engine.transcribe([replace(window(engine, 1, 1 + first_s + 1.5), state=first.state)])
        assert calls == [1, 1]


@pytest.mark.parametrize(("sure", "language"), [(0.3, "en"), (0.9, "de")])
def test_where_the_sound_tells_no_language_it_is_that_of_the_session(
    folders: dict[str, Path], sure: float, language: str
) -> None:
    model, _ = counting(load_model(folders["all1"], NAME, "cpu", 0), sure)
    engine = WhisperEngine(folders["all1"], NAME, "cpu", "auto", loaded=model)
    asked = window(engine, 1, 3)
    asked = replace(asked, options=asked.options.model_copy(update={"heard_language": "en"}))
    assert engine.transcribe([asked])[0].language == language


def test_languages_differ_within_a_batch(linguist: WhisperEngine) -> None:
    drafts = linguist.transcribe([window(linguist, 1, 4, language=language) for language in ("en", "zh", "de", "auto")])
    assert [draft.language for draft in drafts][:3] == ["en", "zh", "de"]
    assert drafts[3].language in ("en", "zh", "de", "af", "am", "ar", "as", "az")


def short_of_memory(model: WhisperModel, rows_max: int) -> tuple[WhisperModel, list[int]]:
    calls: list[int] = []

    def encode(features: Any) -> Any:
        calls.append(features.shape[0])
        if features.shape[0] > rows_max:
            raise RuntimeError("CUDA failed with error out of memory")
        return model.network.encode(features)

    return replace(model, network=ChangedNetwork(model.network, encode=encode)), calls


def test_out_of_memory_halves_the_batch_and_nothing_is_lost(folders: dict[str, Path], engine: WhisperEngine) -> None:
    model, calls = short_of_memory(load_model(folders["en1"], NAME, "cpu", 0), rows_max=2)
    small = WhisperEngine(folders["en1"], NAME, "cpu", "en", loaded=model)
    small._batch_max = 4
    windows = [window(small, at, at + 3) for at in range(4)]
    drafts = small.transcribe(windows)
    assert small.batch_max == 2
    assert [draft.words for draft in drafts] == [draft.words for draft in engine.transcribe(unheard(engine, windows))]
    assert max(calls) == 4


def test_larger_batches_are_tried_again_after_a_while_and_each_time_later(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "_CALM_CALLS", 2)
    monkeypatch.setattr(whisper, "_CALM_CALLS_MAX", 4)
    loaded = load_model(folders["en1"], NAME, "cpu", 0)
    model, _ = short_of_memory(loaded, rows_max=2)
    small = WhisperEngine(folders["en1"], NAME, "cpu", "en", loaded=model)
    small._batch_max = small._batch_full = 4
    sizes = []
    for _ in range(16):
        assert len(small.transcribe([window(small, at, at + 3) for at in range(4)])) == 4
        sizes.append(small.batch_max)
    # Where 4 are tried they fail, and the call is made again with 2.
    assert sizes == [2, 2, 4, 2, 2, 2, 2, 4, 2, 2, 2, 2, 4, 2, 2, 2]
    monkeypatch.setattr(small._decoder, "_network", loaded.network)
    for _ in range(8):
        small.transcribe([window(small, at, at + 3) for at in range(4)])
    assert small.batch_max == 4


def test_out_of_memory_twice_is_said(folders: dict[str, Path]) -> None:
    model, _ = short_of_memory(load_model(folders["en1"], NAME, "cpu", 0), rows_max=1)
    engine = WhisperEngine(folders["en1"], NAME, "cpu", "en", loaded=model)
    engine._batch_max = 8
    with pytest.raises(EngineFailed, match="4 at once: CUDA failed with error out of memory"):
        engine.transcribe([window(engine, at, at + 3) for at in range(8)])
    assert engine.batch_max == 4


def test_another_failure_is_said_at_once(folders: dict[str, Path]) -> None:
    loaded = load_model(folders["en1"], NAME, "cpu", 0)
    engine = WhisperEngine(folders["en1"], NAME, "cpu", "en", loaded=loaded)

    def encode(features: Any) -> Any:
        raise RuntimeError("the device fell off")

    engine._decoder._network = ChangedNetwork(loaded.network, encode=encode)
    with pytest.raises(EngineFailed, match=r"could not hear 3\.0 s of sound: the device fell off"):
        engine.transcribe([window(engine, 1, 4)])
    assert engine.batch_max == 16


def test_a_gpu_warms_up_each_batch_size_as_far_as_memory_goes(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is a CPU's, which is told to be handled as a GPU's: whole batches, and alignment in groups."""
    monkeypatch.setattr(whisper_model, "_free_gpu_bytes", lambda index: 8 << 30)
    loaded = replace(load_model(folders["en1"], NAME, "cpu", 0), device="cuda")
    model, calls = short_of_memory(loaded, rows_max=10)
    engine = WhisperEngine(folders["en1"], NAME, "cuda", "en", loaded=model)
    assert calls[0] == 1
    assert calls[-1] == 16
    assert engine.batch_max == 8
    windows = [window(engine, at, at + 3) for at in range(6)]
    drafts: list[Draft] = engine.transcribe(windows)
    some = [drafts[5], drafts[1], drafts[3]]
    aligned = engine.align([(draft, len(draft.words)) for draft in some])
    for draft, words in zip(some, aligned, strict=True):
        [alone] = engine.align([(draft, len(draft.words))])
        assert [(word.text, word.start_samples) for word in words] == [
            (word.text, word.start_samples) for word in alone
        ]


def test_a_model_of_128_mels_is_heard_in_batches_of_every_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(random_whisper.SIZES, "v3", random_whisper.Size(16, 2, 1, 1, mels=128, words=0, languages=8))
    folder = build_random_whisper(tmp_path / "v3", "v3", multilingual=True)
    engine = WhisperEngine(folder, "whisper-large-v3", "cpu", "en", short_encoder=True)
    windows = [window(engine, 1, 1 + length_s) for length_s in (0.3, 1, 1.5, 3, 5, 7)]
    together = engine.transcribe(windows)
    assert len({draft.row.row.frames for draft in together}) >= 4
    alone = [engine.transcribe([each])[0].words for each in unheard(engine, windows)]
    assert [draft.words for draft in together] == alone
