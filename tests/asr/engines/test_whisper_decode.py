"""What is done about suspicious hypotheses. The decoder says what the tests let it say, everything else is real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ctranslate2
import numpy as np
import pytest

from asr.contract import SessionOptions, Window
from asr.engines import whisper_decode as decode
from asr.engines.whisper import WhisperEngine
from asr.engines.whisper_decode import Decoder, Row
from asr.engines.whisper_model import WhisperModel, load_model
from asr.engines.whisper_prompts import FRAMES_MAX, Prompts
from tests.asr.said import text
from tests.fakes.changed_network import ChangedNetwork
from tests.fakes.random_whisper import build_random_whisper

FINE = (" all is well", -0.2, 0.0)
LOOP = (" oh my" * 9, -0.2, 0.0)
COMPRESSED = (" she sells sea shells by the shore so" * 3, -0.2, 0.0)
TOO_MANY = (" " + "".join(chr(97 + (i * i) % 26) for i in range(150)), -0.2, 0.0)
TOO_FAST = (TOO_MANY[0][:53], -0.2, 0.0)  # the call has room for them, 4 s of sound have not
UNLIKELY = (" all is hell", -1.7, 0.0)
SILENT = (" thanks for watching", -1.7, 0.9)

Says = tuple[str, float, float]


@dataclass(frozen=True)
class Call:
    rows: int
    frames: int
    beam_size: int
    temperature: float
    max_length: int = 0


class Talker:
    """A decoder that says ``says(call, row)``: the text, its mean log probability, and that of no speech."""

    def __init__(self, model: WhisperModel, says: Callable[[Call, int], Says]) -> None:
        self.calls: list[Call] = []
        self._says = says
        self._prompts = Prompts(model.hf_tokenizer, model.multilingual)
        self.model = replace(model, network=ChangedNetwork(model.network, generate=self.generate))

    def generate(self, encoded: Any, prompts: Sequence[list[int]], **how: Any) -> list[Any]:
        temperature = how.get("sampling_temperature", 0.0)
        call = Call(len(prompts), 2 * encoded.shape[1], how["beam_size"], temperature, how["max_length"])
        self.calls.append(call)
        results = []
        for row in range(len(prompts)):
            said, probability, no_speech = self._says(call, row)
            tokens = self._prompts.tokenizer("en").encode(said)
            score = probability * (len(tokens) + 1) / len(tokens)
            results.append(SimpleNamespace(sequences_ids=[tokens], scores=[score], no_speech_prob=no_speech))
        return results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_random_whisper(tmp_path_factory.mktemp("models") / "micro")


@pytest.fixture(scope="module")
def model(folder: Path) -> WhisperModel:
    return load_model(folder, "micro", "cpu", 0)


def engine_of(talker: Talker, folder: Path, short: bool = True) -> WhisperEngine:
    engine = WhisperEngine(folder, "micro", "cpu", "en", short_encoder=short, loaded=talker.model)
    talker.calls.clear()
    return engine


def window(engine: WhisperEngine, *, final: bool = False, seconds: int = 4, state: Any = None) -> Window:
    sound = np.random.default_rng(seconds).integers(-3000, 3000, seconds * 16_000).astype(np.int16)
    options = SessionOptions()
    return Window(sound, 0, options, state or engine.begin(options), final=final)


@pytest.mark.parametrize(
    ("doubt", "bad"),
    [
        ("loop", LOOP),
        ("compression", COMPRESSED),
        ("tokens_per_s", TOO_MANY),
        ("tokens_per_s", TOO_FAST),
        ("log_probability", UNLIKELY),
    ],
)
@pytest.mark.parametrize("final", [False, True])
def test_a_suspicious_row_is_heard_again_with_30_s_and_no_other(
    model: WhisperModel, folder: Path, doubt: str, bad: Says, final: bool
) -> None:
    talker = Talker(model, lambda call, row: bad if call.frames < FRAMES_MAX and row == 1 else FINE)
    engine = engine_of(talker, folder)
    drafts = engine.transcribe([window(engine, final=final) for _ in range(3)])
    assert [text(draft.words) for draft in drafts] == ["all is well"] * 3
    assert [(call.rows, call.frames) for call in talker.calls] == [(3, 800), (1, FRAMES_MAX)]
    assert {call.beam_size for call in talker.calls} == {5 if final else 1}
    assert engine.guard_hits.keys() >= {doubt, "short_encoder"}
    assert engine.guard_hits["short_encoder"] == engine.guard_hits[doubt] == 1


def test_what_nobody_doubts_is_heard_once(model: WhisperModel, folder: Path) -> None:
    talker = Talker(model, lambda call, row: FINE)
    engine = engine_of(talker, folder)
    engine.transcribe([window(engine), window(engine, final=True)])
    assert [(call.rows, call.beam_size) for call in talker.calls] == [(1, 1), (1, 5)]
    assert {call.max_length for call in talker.calls} == {2 * 59}  # a decoder that finds no end is bounded by the sound
    assert engine.guard_hits == {}


def test_only_finals_that_stay_suspicious_are_drawn_and_no_further_than_needed(
    model: WhisperModel, folder: Path
) -> None:
    talker = Talker(model, lambda call, row: FINE if call.temperature else UNLIKELY)
    engine = engine_of(talker, folder)
    interim, final = engine.transcribe([window(engine), window(engine, final=True)])
    assert (text(interim.words), text(final.words)) == ("all is hell", "all is well")
    assert [(call.rows, call.frames, call.temperature) for call in talker.calls] == [
        (1, 800, 0.0),
        (1, 800, 0.0),
        (2 // 2, FRAMES_MAX, 0.0),
        (1, FRAMES_MAX, 0.0),
        (1, FRAMES_MAX, 0.2),
    ]
    assert engine.guard_hits["temperature"] == 1


def test_when_all_attempts_are_doubted_the_least_bad_is_said(model: WhisperModel, folder: Path) -> None:
    by_temperature = {0.0: LOOP, 0.2: (" barely so", -1.4, 0.0), 0.4: (" hardly so", -1.9, 0.0)}
    talker = Talker(model, lambda call, row: by_temperature[call.temperature])
    engine = engine_of(talker, folder, short=False)
    [draft] = engine.transcribe([window(engine, final=True)])
    assert text(draft.words) == "barely so"
    assert engine.guard_hits["temperature"] == 2


def test_what_stays_a_loop_is_said_once(model: WhisperModel, folder: Path) -> None:
    talker = Talker(model, lambda call, row: (" well" + " one two three four" * 9, -0.2, 0.0))
    engine = engine_of(talker, folder)
    [draft] = engine.transcribe([window(engine, final=True, seconds=2)])
    assert text(draft.words) == "well one two three four"
    [words] = engine.align([(draft, len(draft.words))])
    assert text(words) == "well one two three four"


@pytest.mark.parametrize("final", [False, True])
def test_no_speech_is_believed_only_when_30_s_of_encoder_say_so_too(
    model: WhisperModel, folder: Path, final: bool
) -> None:
    engine = engine_of(Talker(model, lambda call, row: SILENT if call.frames < FRAMES_MAX else FINE), folder)
    assert text(engine.transcribe([window(engine, final=final)])[0].words) == "all is well"
    assert engine.guard_hits["no_speech"] == 0
    talker = Talker(model, lambda call, row: SILENT)
    engine = engine_of(talker, folder)
    assert engine.transcribe([window(engine, final=final)])[0].words == ()
    assert engine.guard_hits["no_speech"] == 1
    assert [call.frames for call in talker.calls] == [800, FRAMES_MAX]


def test_likely_words_are_no_silence(model: WhisperModel, folder: Path) -> None:
    engine = engine_of(Talker(model, lambda call, row: (" all is well", -0.2, 0.95)), folder)
    assert text(engine.transcribe([window(engine, final=True)])[0].words) == "all is well"


def test_an_utterance_that_the_short_encoder_harms_keeps_the_long_one(model: WhisperModel, folder: Path) -> None:
    talker = Talker(model, lambda call, row: LOOP if call.frames < FRAMES_MAX else FINE)
    engine = engine_of(talker, folder)
    state = engine.begin(SessionOptions())
    for seconds in (4, 5):
        engine.transcribe([window(engine, seconds=seconds, state=state)])
    assert [call.frames for call in talker.calls] == [800, FRAMES_MAX, FRAMES_MAX]


def test_interims_that_the_long_encoder_cannot_help_are_not_heard_twice_each(model: WhisperModel, folder: Path) -> None:
    talker = Talker(model, lambda call, row: UNLIKELY)
    engine = engine_of(talker, folder)
    state = engine.begin(SessionOptions())
    for seconds in (4, 4, 4):
        engine.transcribe([window(engine, seconds=seconds, state=state)])
    assert [call.frames for call in talker.calls] == [800, FRAMES_MAX, 800, 800]
    talker.calls.clear()
    engine.transcribe([window(engine, state=state, final=True)])
    assert [call.frames for call in talker.calls] == [800] + [FRAMES_MAX] * 3


def test_a_model_that_does_not_bear_it_never_has_a_short_encoder(model: WhisperModel, folder: Path) -> None:
    talker = Talker(model, lambda call, row: FINE)
    engine = engine_of(talker, folder, short=False)
    engine.transcribe([window(engine, seconds=1), window(engine, final=True)])
    assert {call.frames for call in talker.calls} == {FRAMES_MAX}


def test_calls_that_end_the_process_or_give_nonsense_are_not_made(model: WhisperModel) -> None:
    decoder = Decoder(model, Prompts(model.hf_tokenizer, False), Counter())
    row = Row(np.zeros((80, 100), np.float32), 160, [], final=False, language="en")
    with pytest.raises(ValueError, match="taken for features"):
        decoder.hear([row])
    with pytest.raises(ValueError, match="0 prompts"):
        decoder._generate([], decoder._encode([replace(row, frames=500)]), 16, beam_size=1)
    decoder.hear([])
    assert decoder.align([]) == []


def test_ctranslate2_still_takes_no_seed_for_a_single_draw(model: WhisperModel) -> None:
    """When this fails, seed each draw by the row's features: the same sound then gets the same words, always."""
    encoded = model.network.encode(decode._storage(np.zeros((1, 80, 500), np.float32)))
    prompts = [Prompts(model.hf_tokenizer, False).prompt([], "en")]
    drawn = set()
    for _ in range(3):
        ctranslate2.set_random_seed(1)
        [result] = model.network.generate(
            encoded, prompts, beam_size=1, sampling_topk=0, sampling_temperature=8.0, max_length=80
        )
        drawn.add(tuple(result.sequences_ids[0]))
    assert len(drawn) > 1


def test_the_thresholds_are_those_of_the_authors() -> None:
    assert (decode.NO_SPEECH_MIN, decode.LOG_PROBABILITY_MIN) == (0.6, -1.0)
