"""Whisper on CTranslate2, from a folder that is on this machine, heard in batches. Nothing is ever fetched here.

Each utterance is heard without the text before it: conditioning on it spreads one mistake over all that follows. Within
an open utterance the committed words stand before the window, since the sound behind them was cut away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from typing import TypeVar

import numpy as np
import structlog

from asr.contract import Draft, EngineInfo, SessionOptions, Window
from asr.engines.whisper_decode import LANGUAGE_SURE, Decoder, Row
from asr.engines.whisper_model import WhisperModel, batch_max, bears_short_encoder, load_model, workers_max
from asr.engines.whisper_prompts import FRAMES_MAX, Prompts, encoder_frames
from asr.engines.whisper_words import Piece, Span, aligned_words, guessed_words, pieces_of, without_stuck
from asr.mel import HOP_SAMPLES, GrowingMel
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Word

log = structlog.get_logger(__name__)

AUTO = "auto"
# On a processor a final of 20 s takes the tiny model a second, in which nobody is heard; the cost of an encoder grows
# faster than the sound.
_UTTERANCE_MAX_CPU_S = 9.0
_LANGUAGE_SAMPLES = SAMPLE_RATE_HZ  # what the language is told by; with less it is looked at again
_WINDOW_MAX_SAMPLES = FRAMES_MAX * HOP_SAMPLES
# What filled the memory may have gone: after so many calls without trouble larger batches are tried again, after twice
# as many each time that memory did not suffice. A trial that fails costs one call made twice.
_CALM_CALLS = 500
_CALM_CALLS_MAX = 32_000
_OUT_OF_MEMORY = ("out of memory", "bad_alloc", "alloc_failed", "failed to allocate", "cannot allocate")

T = TypeVar("T")


@dataclass(slots=True)
class _State:
    """What is kept of one utterance. Finals take nothing from it but the features, which are the sound's own."""

    mel: GrowingMel
    start_samples: int | None = None
    language: str | None = None
    probability: float = 0.0
    known_samples: int = 0  # the sound that the language was told by
    long: bool = False  # the short encoder does this utterance harm
    doubtful: bool = False  # the long one is no better: it is not tried with every interim


@dataclass(slots=True)
class _Heard:
    """A draft's row: its pieces are its words."""

    row: Row
    pieces: list[Piece]
    span: Span


class WhisperEngine:
    """A ``RedecodingEngine``. Raises ``EngineFailed`` when the folder's model cannot be loaded on the device.

    ``language``: the house's, or ``auto``. ``index``: which of several processes this is, and so which GPU.
    ``short_encoder``: None leaves it to what is known of the model.
    """

    def __init__(
        self,
        path: Path,
        model: str,
        device: str,
        language: str,
        index: int = 0,
        *,
        short_encoder: bool | None = None,
        loaded: WhisperModel | None = None,
    ) -> None:
        self._language = None if language == AUTO else language
        self._short = bears_short_encoder(model) if short_encoder is None else short_encoder
        self._model = loaded or load_model(path, model, device, index)
        self._prompts = Prompts(self._model.hf_tokenizer, self._model.multilingual)
        self._hits: Counter[str] = Counter()
        self._decoder = Decoder(self._model, self._prompts, self._hits)
        self._batch_max = self._batch_full = 1
        self._calm_calls = self._calm_calls_wanted = 0
        self._info = EngineInfo(
            name="faster-whisper",
            model=model,
            languages=() if self._model.multilingual else ("en",),
            device=device,
            streaming=False,
            workers_max=workers_max(path, device),
            utterance_max_s=_UTTERANCE_MAX_CPU_S if device == "cpu" else _WINDOW_MAX_SAMPLES / SAMPLE_RATE_HZ,
        )
        self._warm_up(index)

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def batch_max(self) -> int:
        return self._batch_max

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return +self._hits

    def begin(self, options: SessionOptions) -> _State:
        return _State(GrowingMel(self._model.filters))

    def transcribe(self, windows: Sequence[Window]) -> list[Draft]:
        """Raises ``EngineFailed`` when the model fails, or runs out of memory with smaller batches as well."""
        length_s = sum(len(window.samples) for window in windows) / SAMPLE_RATE_HZ
        return self._within_memory(lambda: self._hear(windows), f"hear {length_s:.1f} s of sound")

    def align(self, drafts: Sequence[tuple[Draft, int]]) -> list[tuple[Word, ...]]:
        """Raises ``EngineFailed`` as ``transcribe`` does."""
        return self._within_memory(lambda: self._align(drafts), "align words")

    def _hear(self, windows: Sequence[Window]) -> list[Draft]:
        drafts: list[Draft] = []
        for at in range(0, len(windows), self._batch_max):
            heard = [self._row(window) for window in windows[at : at + self._batch_max]]
            self._decoder.hear([row for row, _ in heard])
            for window, (row, span) in zip(windows[at:], heard, strict=False):
                self._remember(window, row)
                drafts.append(self._draft(row, span))
        return drafts

    def _row(self, window: Window) -> tuple[Row, Span]:
        if len(window.samples) > _WINDOW_MAX_SAMPLES:
            raise ValueError("a window is at most 30 s long")
        state: _State = window.state or self.begin(window.options)
        state.mel.hear(window.samples, window.start_samples)
        features, origin_samples = state.mel.window(window.start_samples)
        features = features[:, :FRAMES_MAX]
        short = self._short and (window.final or not state.long)
        row = Row(
            features=features,
            frames=encoder_frames(features.shape[1], mels=self._model.mels, short=short),
            previous=self._prompts.previous(window.options.hotwords, window.before),
            final=window.final,
            language=self._language_of(window, state),
            likely_language=window.options.heard_language,
            again=window.final or not state.doubtful,
        )
        return row, Span(window.start_samples, window.start_samples + len(window.samples), origin_samples)

    def _language_of(self, window: Window, state: _State) -> str | None:
        """The language to hear, or None to find it out: the session's, else the house's; English if that is all.

        Finals find it out anew from the whole utterance; interims as long as it is not sure.
        """
        if not self._model.multilingual:
            return "en"
        asked = window.options.language
        language = self._language if asked is None else (None if asked == AUTO else asked)
        base = language.split("-")[0].lower() if language else ""
        if base and self._prompts.knows(base):
            return base
        if window.final or state.language is None:
            return None
        sure = state.probability >= LANGUAGE_SURE and state.known_samples >= _LANGUAGE_SAMPLES
        more = _heard_samples(window, state) >= state.known_samples + _LANGUAGE_SAMPLES
        return None if more and not sure else state.language

    def _remember(self, window: Window, row: Row) -> None:
        state: _State | None = window.state
        if state is None or window.final:
            return
        found = self._language_of(window, state) is None
        if state.start_samples is None:
            state.start_samples = window.start_samples
        if found:
            state.language, state.probability = row.language, row.probability
            state.known_samples = _heard_samples(window, state)
        if row.heard_again:
            assert row.attempt is not None
            state.long, state.doubtful = not row.attempt.doubts, bool(row.attempt.doubts)

    def _draft(self, row: Row, span: Span) -> Draft:
        assert row.attempt is not None
        tokens = () if row.attempt.silent else row.attempt.tokens
        said = pieces_of(self._prompts.tokenizer(row.language or "en"), tokens)
        confidence = exp(min(0.0, row.attempt.log_probability))
        pieces = without_stuck(said, guessed_words(said, row.features, span, confidence))
        words = guessed_words(pieces, row.features, span, confidence)
        return Draft(words, row.language, timed=not words, row=_Heard(row, pieces, span))

    def _align(self, drafts: Sequence[tuple[Draft, int]]) -> list[tuple[Word, ...]]:
        heard: list[_Heard] = [draft.row for draft, _ in drafts]
        # All of a draft's tokens, since a path through the first ones only would spread them over all the sound.
        texts = [(each.row, [token for piece in each.pieces for token in piece.tokens]) for each in heard]
        found = self._decoder.align(texts) if texts else []
        words = [aligned_words(each.pieces, path, each.span) for each, path in zip(heard, found, strict=True)]
        return [(exact or draft.words)[:count] for exact, (draft, count) in zip(words, drafts, strict=True)]

    def _within_memory(self, work: Callable[[], T], what: str) -> T:
        """Do it, and once more with half the batch when memory does not suffice. After a while more is tried again."""
        try:
            done = work()
        except (RuntimeError, ValueError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise EngineFailed(f"Whisper could not {what}: {error}") from error
        else:
            self._calm_calls += 1
            if self._batch_max < self._batch_full and self._calm_calls >= self._calm_calls_wanted:
                self._batch_max, self._calm_calls = min(2 * self._batch_max, self._batch_full), 0
                log.info("larger batches are tried again", batch_max=self._batch_max)
            return done
        self._batch_max, self._calm_calls = max(1, self._batch_max // 2), 0
        self._calm_calls_wanted = min(max(_CALM_CALLS, 2 * self._calm_calls_wanted), _CALM_CALLS_MAX)
        log.warning("out of memory, smaller batches", batch_max=self._batch_max)
        try:
            return work()
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineFailed(f"Whisper could not {what}, {self._batch_max} at once: {error}") from error

    def _warm_up(self, index: int) -> None:
        """Better now than in somebody's first sentence: a GPU's libraries are looked for at the first use."""
        silence = Window(np.zeros(SAMPLE_RATE_HZ, np.int16), 0, SessionOptions())
        size = 1
        try:
            row, _ = self._row(silence)
            self._decoder.hear([row])
            assert row.encoded is not None
            self._batch_max = batch_max(self._model, int(row.encoded.storage.shape[-1]), index)
            while self._model.device == "cuda" and size < self._batch_max:
                size = min(2 * size, self._batch_max)
                for final in (False, True):
                    self._decoder.hear([self._row(replace(silence, final=final))[0] for _ in range(size)])
        except (RuntimeError, ValueError, MemoryError) as error:
            if size == 1 or not _is_out_of_memory(error):
                name, device = self._info.model, self._info.device
                raise EngineFailed(f"the model {name} does not run on {device}: {error}") from error
            self._batch_max = size // 2
        self._batch_full = self._batch_max
        self._hits.clear()


def _heard_samples(window: Window, state: _State) -> int:
    start = window.start_samples if state.start_samples is None else state.start_samples
    return window.start_samples + len(window.samples) - start


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in _OUT_OF_MEMORY)
