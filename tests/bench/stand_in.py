"""Whisper of random weights that says what a trained one could have said, for the price of saying it.

Real are: the engine of this house with all that it does around the network (features, prompts, batches, guards,
words), the encoder, the decoder step by step with its beams, and the alignment: the same matrices as trained weights
would make, only with other numbers in them. Replaced are the outcomes: which tokens come out, how sure the network is
of them, and where in the sound it finds them. Random weights say nothing that two hypotheses could agree on, so nothing
would ever be committed and no sound cut away.

A token is fed to the decoder behind the prompt, one step each, which costs what choosing it would cost (measured: 139
ms for 30 given tokens, 137 ms for 30 chosen ones). The last one given is one after which these weights say the end.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.contract import Samples, Window
from asr.engines.whisper import WhisperEngine
from asr.engines.whisper_decode import Row
from asr.engines.whisper_model import WhisperModel
from asr.engines.whisper_prompts import Prompts, max_length
from asr.engines.whisper_words import Span
from asr.utterances import FRAME_SAMPLES
from asr.vad import EnergyVoiceActivity, levels
from protocol.blocks import SAMPLE_RATE_HZ

TOKENS_PER_S = 3.5  # of speech: 2.7 words a second of read English, 1.3 tokens each; here each word is one token
UNSURE_TOKENS = 3  # at the end of a hypothesis: the next one hears them differently
BEAM_SLACK_TOKENS = 3  # that other beams may go on after the best one ended
POSITIONS_PER_S = 50
LOG_PROBABILITY = -0.2
_MEMORY = 256  # encoder outputs of which the rows are known: far more than are looked at again


@dataclass(frozen=True)
class Said:
    """Stands for CTranslate2's WhisperGenerationResult, as far as engines read it."""

    sequences_ids: list[list[int]]
    sequences: list[list[str]]
    scores: list[float]
    no_speech_prob: float


@dataclass(frozen=True)
class Aligned:
    """Stands for CTranslate2's WhisperAlignmentResult: tokens at an even pace."""

    alignments: list[tuple[int, int]]
    text_token_probs: list[float]


@dataclass
class Vocabulary:
    """``words``: tokens that are a word each, in the order in which everybody says them; ``end``: says the end next."""

    words: list[int]
    end: int

    def hypothesis(self, spoken_before: int, voiced_s: float, hearing: int, *, sure: bool) -> list[int]:
        """Tokens of a window with ``voiced_s`` of speech, behind as many words. ``hearing``: makes it differ."""
        count = max(1, round(voiced_s * TOKENS_PER_S))
        at = [(spoken_before + number) % len(self.words) for number in range(count)]
        tokens = [self.words[number] for number in at]
        for number in range(0 if sure else max(0, count - UNSURE_TOKENS), count):
            if not sure:
                tokens[number] = self.words[(at[number] * 7 + hearing * 31 + 5) % len(self.words)]
        return [*tokens[:-1], self.end]


class Meter:
    """What calls of the network took, in processor time, since it was last read."""

    def __init__(self) -> None:
        self._spent_s: defaultdict[str, float] = defaultdict(float)
        self._calls: Counter[str] = Counter()
        self._rows: Counter[str] = Counter()

    @contextmanager
    def of(self, call: str, rows: int = 1) -> Iterator[None]:
        before_s = time.process_time()
        yield
        self._spent_s[call] += time.process_time() - before_s
        self._calls[call] += 1
        self._rows[call] += rows

    def read(self) -> dict[str, float]:
        """Seconds of processor by call, and how many rows were decoded at once; from now on anew."""
        rows = self._rows["decode"] / self._calls["decode"] if self._calls["decode"] else 0.0
        found = {f"{call}_s": self._spent_s[call] for call in ("encode", "decode", "align")}
        self.__init__()  # type: ignore[misc]
        return {**found, "rows_at_once": rows}


class StandIn:
    """A network: CTranslate2's, whose outcomes are replaced. What rows say is asked of ``plans``."""

    def __init__(self, network: Any, vocabulary: Vocabulary | None = None, names: Sequence[str] = ()) -> None:
        self._network = network
        self.vocabulary = vocabulary
        self._names = names
        self.plans: dict[bytes, list[int]] = {}  # by the first features of a row
        self.next_plan: list[int] | None = None  # of whatever row comes
        self._rows: OrderedDict[bytes, list[int]] = OrderedDict()  # by the first encoder output
        self._outputs: OrderedDict[int, tuple[Any, list[list[int]]]] = OrderedDict()  # on a GPU: by the whole output
        self.tokens_planned = self.tokens_said = 0
        self.meter = Meter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def encode(self, features: Any, **how: Any) -> Any:
        with self.meter.of("encode"):
            output = self._network.encode(features, **how)
        plans = [self.plans.get(features_key(row), []) for row in np.asarray(features)]
        if self._network.device != "cpu":
            self._outputs[id(output)] = output, plans
            while len(self._outputs) > _MEMORY:
                self._outputs.popitem(last=False)
            return output
        for row, plan in zip(np.asarray(output), plans, strict=True):
            self._rows[_output_key(row)] = plan
        while len(self._rows) > _MEMORY:
            self._rows.popitem(last=False)
        return output

    def generate(self, encoded: Any, prompts: Sequence[Sequence[int]], **how: Any) -> list[Any]:
        plans = self._plans(encoded)
        if not any(plans):
            return list(self._network.generate(encoded, prompts, **how))
        beams = how.get("beam_size", 1)
        room = max(map(len, plans)) + 1 + (BEAM_SLACK_TOKENS if beams > 1 else 0)
        how["max_length"] = min(how.get("max_length", 448), max_length(max(map(len, prompts)), room))
        how["suppress_blank"] = False  # else the end may not come right behind what was given
        given = [[*prompt, *plan] for prompt, plan in zip(prompts, plans, strict=True)]
        with self.meter.of("decode", len(given)):
            results = self._network.generate(encoded, given, **how)
        self.tokens_planned += sum(map(len, plans))
        self.tokens_said += sum(len(result.sequences_ids[0]) for result in results)
        return [
            Said([plan], [[self._names[token] for token in plan]] if self._names else [[]], [LOG_PROBABILITY], 0.0)
            for plan in plans
        ]

    def align(
        self, encoded: Any, start: Sequence[int], texts: Sequence[Sequence[int]], frames: Any, **how: Any
    ) -> list[Any]:
        with self.meter.of("align"):
            self._network.align(encoded, start, texts, frames, **how)
        lengths = [frames] * len(texts) if isinstance(frames, int) else list(frames)
        return [_evenly(len(text), length) for text, length in zip(texts, lengths, strict=True)]

    def _plans(self, encoded: Any) -> list[list[int]]:
        if self.next_plan is not None:
            return [self.next_plan]
        if self._network.device != "cpu":
            return self._outputs[id(encoded)][1] if id(encoded) in self._outputs else [[]] * encoded.shape[0]
        return [self._rows.get(_output_key(row), []) for row in np.asarray(encoded)]


class MeasuredWhisper(WhisperEngine):
    """The engine of this house on a ``StandIn``. ``rows_max``: of one batch, where less is to be tried."""

    def __init__(
        self, folder: Path, name: str, model: WhisperModel, *, short_encoder: bool | None, rows_max: int | None = None
    ) -> None:
        self._hearings = 0
        self._rows_max = rows_max
        super().__init__(folder, name, model.device, "en", short_encoder=short_encoder, loaded=model)

    @property
    def batch_max(self) -> int:
        return min(super().batch_max, self._rows_max or super().batch_max)

    def _row(self, window: Window) -> tuple[Row, Span]:
        row, span = super()._row(window)
        stand_in: StandIn = self._model.network
        if stand_in.vocabulary is not None:
            self._hearings += 1
            if len(stand_in.plans) > _MEMORY:
                stand_in.plans.clear()
            stand_in.plans[features_key(row.features)] = stand_in.vocabulary.hypothesis(
                len(window.before.split()), voiced_s(window.samples), self._hearings, sure=window.final
            )
        return row, span


def voiced_s(samples: Samples) -> float:
    """How much of a window is speech, by its loudness."""
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES]
    frames = sum(level > EnergyVoiceActivity.THRESHOLD for level in levels(whole))
    return frames * FRAME_SAMPLES / SAMPLE_RATE_HZ


def find_vocabulary(network: Any, hf_tokenizer: Any, *, words: int = 600) -> Vocabulary:
    """Tokens that are whole words, and one after which the network says the end, whatever came before."""
    prompts = Prompts(hf_tokenizer, bool(network.is_multilingual))
    found = list(itertools.islice(_whole_words(hf_tokenizer), words))
    random = np.random.default_rng(0)
    encoded = _encoded(network, random.standard_normal((network.n_mels, 500)))
    prompt = prompts.prompt([], "en")
    for candidate in found:
        contexts = [[int(word) for word in random.choice(found, length)] for length in (3, 7, 14)]
        if all(_ends(network, encoded, prompt, [*context, candidate], prompts.suppressed) for context in contexts):
            found.remove(candidate)
            return Vocabulary(found, candidate)
    raise ValueError("no word of these weights ends a hypothesis")


def _whole_words(hf_tokenizer: Any) -> Any:
    for token in range(hf_tokenizer.get_vocab_size()):
        text = str(hf_tokenizer.id_to_token(token))
        word = text[1:]
        whole = text[0] == "\u0120" and len(word) == 4 and word.isascii() and word.isalpha()
        if whole and hf_tokenizer.encode(f" {word}", add_special_tokens=False).ids == [token]:
            yield token


def _encoded(network: Any, features: Any) -> Any:
    import ctranslate2

    return network.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(features[None], np.float32)))


def _ends(network: Any, encoded: Any, prompt: list[int], given: list[int], suppressed: list[int]) -> bool:
    """Whether nothing is said behind what was given."""
    longer = max_length(len(prompt), len(given) + 8)
    [result] = network.generate(
        encoded, [[*prompt, *given]], max_length=longer, beam_size=1, suppress_tokens=suppressed, suppress_blank=False
    )
    return len(result.sequences_ids[0]) == len(given)


def features_key(row: Any) -> bytes:
    """Of a row's features, (mels, frames), however far it is padded."""
    return np.ascontiguousarray(row[:, :4]).tobytes()


def _output_key(row: Any) -> bytes:
    return np.ascontiguousarray(row[:2]).tobytes()


def _evenly(tokens: int, frames: int) -> Aligned:
    positions = frames // 2
    path = [(token, positions * token // max(tokens, 1)) for token in range(tokens + 1)]
    return Aligned(path, [0.8] * tokens)
