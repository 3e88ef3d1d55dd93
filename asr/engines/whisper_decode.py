"""Rows of sound decoded together: encoder, language, decoder, and what is done about a hypothesis that is suspicious.

Nothing is dropped at once: a suspicious row is heard again with the encoder at its full 30 s, and a final again with
chance let in. Only those last draws may differ from run to run: CTranslate2 reads its seed once in the life of a thread
(https://github.com/OpenNMT/CTranslate2/issues/1757), so that no row can be given one of its own.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from asr.engines.whisper_model import WhisperModel
from asr.engines.whisper_prompts import FRAMES_MAX, MARGIN_FRAMES, Prompts, max_length, tokens_max
from asr.guards import repeats
from asr.mel import Features

# The thresholds of Whisper's authors (transcribe.py).
NO_SPEECH_MIN = 0.6
LOG_PROBABILITY_MIN = -1.0
_COMPRESSION_MAX = 2.4
_LOOP_TOKENS_MIN = 12  # that a phrase covers in a row, four times or more, to count as a decoder that is stuck
_FINAL_BEAM = 5
_TEMPERATURES = (0.2, 0.4)  # for finals that stay suspicious; hotter than that it only invents
_DRAWS = 5
_ENCODED_AT_ONCE_CPU = 4  # more rows at once cost a CPU more each
_ALIGNED_FRAMES_MIN = 2  # with fewer there is no path
_MEDIAN_POSITIONS = 7  # as Whisper's authors smooth the attention; 0 would end the process

LOOP = "loop"
COMPRESSION = "compression"
TOKENS = "tokens_per_s"
LOG_PROBABILITY = "log_probability"
NO_SPEECH = "no_speech"
SHORT_ENCODER = "short_encoder"
TEMPERATURE = "temperature"

LANGUAGE_SURE = 0.5  # the probability of a language below which it may well be another


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the decoder said of a row. ``log_probability``: mean of its tokens, the end among them."""

    tokens: tuple[int, ...]
    log_probability: float
    no_speech: float
    doubts: frozenset[str] = frozenset()

    @property
    def silent(self) -> bool:
        return self.no_speech > NO_SPEECH_MIN and LOG_PROBABILITY in self.doubts

    @property
    def worth(self) -> tuple[bool, bool, float]:
        stuck = bool(self.doubts & {LOOP, COMPRESSION})
        return not self.doubts, not stuck, self.log_probability


@dataclass(slots=True)
class Encoded:
    """The encoder's output of some rows. ``array``: the memory that ``storage`` looks at, where it is ours."""

    storage: Any
    array: Any = None


@dataclass(slots=True)
class Row:
    """One window on its way. ``features``: (mels, frames). ``frames``: of the encoder, its sound and what follows it.

    ``language`` None: to be found out, with its ``probability``; ``likely_language`` where that says little. ``again``:
    whether a suspicious hypothesis is worth 30 s of encoder.
    """

    features: Features
    frames: int
    previous: list[int]
    final: bool
    language: str | None
    likely_language: str | None = None
    again: bool = True
    probability: float = 1.0
    attempt: Attempt | None = None
    encoded: Encoded | None = None
    at: int = 0  # in ``encoded``
    heard_again: bool = False

    @property
    def tokens_max(self) -> int:
        """By the encoder's length: rows that are decoded together share it."""
        return tokens_max(self.frames - MARGIN_FRAMES if self.frames < FRAMES_MAX else FRAMES_MAX, self.language)

    @property
    def key(self) -> tuple[bool, int, int, int]:
        """Rows of one key can be decoded together."""
        return self.final, self.frames, len(self.previous), self.tokens_max


class Decoder:
    """``hits`` counts what each guard found, by its name."""

    def __init__(self, model: WhisperModel, prompts: Prompts, hits: Counter[str]) -> None:
        self._model = model
        self._network = model.network
        self._prompts = prompts
        self._hits = hits

    def hear(self, rows: Sequence[Row]) -> None:
        """Give every row its best attempt, its encoder output and its language."""
        self._attempt(rows)
        for row in rows:
            self._hits.update(_of(row).doubts)
        short = [row for row in rows if _of(row).doubts and row.frames < FRAMES_MAX and row.again]
        for row in short:
            row.frames = FRAMES_MAX
            row.heard_again = True
            self._hits[SHORT_ENCODER] += 1
        self._attempt(short)
        for row in rows:
            if row.final and _of(row).doubts and not _of(row).silent:
                self._draw(row)
            self._hits[NO_SPEECH] += _of(row).silent

    def align(self, rows: Sequence[tuple[Row, Sequence[int]]]) -> list[Any]:
        """CTranslate2's alignments of text tokens with the sound of rows that were heard.

        On a CPU each row alone, as that takes no longer and int8 rounds otherwise when texts of several lengths meet.
        """
        found: list[Any] = [None] * len(rows)
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, (row, _) in enumerate(rows):
            alone = i if self._model.device != "cuda" else -1
            groups.setdefault((alone, id(row.encoded), *self._start(row)), []).append(i)
        for members in groups.values():
            features, places = self._picked([rows[i][0] for i in members])
            texts: list[list[int]] = [[] for _ in range(features.shape[0])]
            frames = [_ALIGNED_FRAMES_MIN] * len(texts)
            for place, i in zip(places, members, strict=True):
                row, tokens = rows[i]
                texts[place] = list(tokens)
                frames[place] = max(_ALIGNED_FRAMES_MIN, min(row.features.shape[1], row.frames))
            results = self._network.align(
                features, self._start(rows[members[0]][0]), texts, frames, median_filter_width=_MEDIAN_POSITIONS
            )
            for place, i in zip(places, members, strict=True):
                found[i] = results[place]
        return found

    def _start(self, row: Row) -> list[int]:
        return self._prompts.start(row.language or "en")

    def _attempt(self, rows: Iterable[Row]) -> None:
        groups: dict[tuple[bool, int, int, int], list[Row]] = {}
        for row in rows:
            groups.setdefault(row.key, []).append(row)
        for (final, _, _, new_tokens), group in groups.items():
            encoded = self._encode(group)
            self._find_languages(group, encoded)
            self._generate(group, encoded, new_tokens, beam_size=_FINAL_BEAM if final else 1)

    def _draw(self, row: Row) -> None:
        """A sharper choice is tried first; the best of all attempts stays."""
        encoded = self._encode([row])
        for temperature in _TEMPERATURES:
            if not _of(row).doubts:
                return
            self._hits[TEMPERATURE] += 1
            self._generate(
                [row],
                encoded,
                row.tokens_max,
                beam_size=1,
                num_hypotheses=_DRAWS,
                sampling_topk=0,
                sampling_temperature=temperature,
            )

    def _encode(self, rows: Sequence[Row]) -> Encoded:
        frames = rows[0].frames
        if (frames + 1) // 2 == self._model.mels:
            raise ValueError(f"the output of {frames} frames would be taken for features")
        features = np.zeros((len(rows), self._model.mels, frames), np.float32)
        for row, place in zip(rows, features, strict=True):
            heard = row.features[:, :frames]
            place[:, : heard.shape[1]] = heard
        if self._model.device == "cuda" or len(rows) <= _ENCODED_AT_ONCE_CPU:
            encoded = Encoded(self._network.encode(_storage(features)))
        else:
            parts = range(0, len(rows), _ENCODED_AT_ONCE_CPU)
            outputs = [self._network.encode(_storage(features[at : at + _ENCODED_AT_ONCE_CPU])) for at in parts]
            array = np.concatenate([np.asarray(output) for output in outputs])
            encoded = Encoded(_storage(array), array)
        for at, row in enumerate(rows):
            row.encoded, row.at = encoded, at
        return encoded

    def _find_languages(self, rows: Sequence[Row], encoded: Encoded) -> None:
        unknown = [row for row in rows if row.language is None]
        if not unknown:
            return
        if not self._model.multilingual:
            raise ValueError("a model of one language is not asked for it")
        found = self._network.detect_language(encoded.storage)
        for row in unknown:
            codes = ((token[2:-2], float(probability)) for token, probability in found[row.at])
            row.language, row.probability = next(each for each in codes if self._prompts.knows(each[0]))
            if row.probability < LANGUAGE_SURE and row.likely_language is not None:
                row.language = row.likely_language

    def _generate(self, rows: Sequence[Row], encoded: Encoded, new_tokens: int, **how: Any) -> None:
        prompts = [self._prompts.prompt(row.previous, row.language or "en") for row in rows]
        # No prompts would end the process; more of them than rows give too few results, without a word.
        if not prompts or len(prompts) != encoded.storage.shape[0]:
            raise ValueError(f"{len(prompts)} prompts for {encoded.storage.shape[0]} rows")
        results = self._network.generate(
            encoded.storage,
            prompts,
            max_length=max_length(len(prompts[0]), new_tokens),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._prompts.suppressed,
            **how,
        )
        for row, result in zip(rows, results, strict=True):
            attempt = self._judged(row, result, new_tokens)
            row.attempt = attempt if row.attempt is None else max(row.attempt, attempt, key=lambda each: each.worth)

    def _judged(self, row: Row, result: Any, new_tokens: int) -> Attempt:
        said = result.sequences_ids[0]
        tokenizer = self._prompts.tokenizer(row.language or "en")
        tokens = tuple(token for token in said if token < tokenizer.eot)
        # The score is divided by the number of tokens without the end, whose probability is part of it.
        probability = result.scores[0] * len(said) / (len(said) + 1) if said else 0.0
        attempt = Attempt(tokens, probability if probability == probability else -inf, float(result.no_speech_prob))
        doubts = doubts_about(attempt, tokenizer.decode(list(tokens)), len(said) >= new_tokens)
        if len(tokens) > tokens_max(row.features.shape[1], row.language):
            doubts |= {TOKENS}
        return replace(attempt, doubts=doubts)

    def _picked(self, rows: Sequence[Row]) -> tuple[Any, list[int]]:
        """Encoder output that holds these rows of one group, and where. On a GPU it is not cut."""
        encoded = rows[0].encoded
        assert encoded is not None
        if self._model.device == "cuda" or len(rows) == encoded.storage.shape[0]:
            return encoded.storage, [row.at for row in rows]
        return _storage(np.asarray(encoded.storage)[[row.at for row in rows]]), list(range(len(rows)))


def doubts_about(attempt: Attempt, text: str, cut: bool) -> frozenset[str]:
    """What speaks against an attempt. ``cut``: the decoder found no end."""
    doubts = set()
    if repeats(attempt.tokens, times_min=4, covers_min=_LOOP_TOKENS_MIN):
        doubts.add(LOOP)
    coded = text.strip().encode()
    if coded and len(coded) / len(zlib.compress(coded)) > _COMPRESSION_MAX:
        doubts.add(COMPRESSION)
    if cut:
        doubts.add(TOKENS)
    if attempt.tokens and attempt.log_probability < LOG_PROBABILITY_MIN:
        doubts.add(LOG_PROBABILITY)
    return frozenset(doubts)


def _of(row: Row) -> Attempt:
    assert row.attempt is not None
    return row.attempt


def _storage(array: Any) -> Any:
    import ctranslate2

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))
