"""Whisper through faster-whisper (CTranslate2), from a folder that is on this machine. Nothing is ever fetched here.

Each utterance is heard without the text before it: conditioning on it spreads one mistake over all that follows. Within
an open utterance the committed words stand before the window, since the sound behind them was cut away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.contract import Draft, EngineInfo, SessionOptions, Window
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed
from protocol.words import Word

# The thresholds of Whisper's authors (transcribe.py): a segment that was likely no speech and unlikely these words.
_NO_SPEECH_MIN = 0.6
_LOG_PROBABILITY_MIN = -1.0
_COMPRESSION_MAX = 2.4
_FINAL_BEAM = 5
_FINAL_TEMPERATURES = (0.0, 0.2, 0.4)  # a sharper choice is tried first; hotter than 0.4 it only invents
_TOKENS_PER_S = 8  # fast speech has about 5; more is a decoder that cannot stop
_TOKENS_LEAST = 16
_LANGUAGE_MIN = 0.5
_LENGTH_MAX = 448  # positions of the decoder
_TASK_TOKENS = 8


class WhisperEngine:
    """A ``RedecodingEngine``. Raises ``EngineFailed`` when the folder's model cannot be loaded on the device."""

    def __init__(self, path: Path, model: str, device: str, language: str) -> None:
        self._language = None if language == "auto" else language
        self._model = _load(path, device)
        languages = () if self._model.model.is_multilingual else ("en",)
        self._info = EngineInfo(name="faster-whisper", model=model, languages=languages, device=device)

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def batch_max(self) -> int:
        return 1

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return {}

    def begin(self, options: SessionOptions) -> None:
        return None

    def transcribe(self, windows: Sequence[Window]) -> list[Draft]:
        return [Draft(self._hear(window)) for window in windows]

    def align(self, drafts: Sequence[tuple[Draft, int]]) -> list[tuple[Word, ...]]:
        return [draft.words[:count] for draft, count in drafts]

    def _hear(self, window: Window) -> tuple[Word, ...]:
        sound = window.samples.astype(np.float32) / 32768.0
        length_s = len(window.samples) / SAMPLE_RATE_HZ
        try:
            segments, _ = self._model.transcribe(
                sound,
                language=self._language_of(window),
                beam_size=_FINAL_BEAM if window.final else 1,
                temperature=list(_FINAL_TEMPERATURES) if window.final else 0.0,
                initial_prompt=window.before or None,
                hotwords=" ".join(window.options.hotwords) or None,
                condition_on_previous_text=False,
                word_timestamps=True,
                vad_filter=False,
                max_new_tokens=_tokens_max(window, length_s),
                compression_ratio_threshold=_COMPRESSION_MAX,
                log_prob_threshold=_LOG_PROBABILITY_MIN,
                no_speech_threshold=_NO_SPEECH_MIN,
                language_detection_threshold=_LANGUAGE_MIN,
            )
            return _words(segments, window)
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"Whisper could not hear {length_s:.1f} s of sound: {error}") from error

    def _language_of(self, window: Window) -> str | None:
        """The language to hear, or None to find it out: the session's, else the house's; English if that is all."""
        if not self._model.model.is_multilingual:
            return "en"
        asked = window.options.language
        language = self._language if asked is None else (None if asked == "auto" else asked)
        if language is None:
            return None
        base = language.split("-")[0].lower()
        return base if base in self._model.supported_languages else None


def _tokens_max(window: Window, length_s: float) -> int | None:
    """A bound for decoders that cannot stop; None, which means 224, where a long prompt needs the room.

    CTranslate2 gives half of the length it is asked for (prompt included) to new tokens, hence twice.
    """
    if window.before or window.options.hotwords:
        return None
    return min(2 * (_TOKENS_LEAST + int(_TOKENS_PER_S * length_s)), _LENGTH_MAX - _TASK_TOKENS)


def _load(path: Path, device: str) -> Any:
    from faster_whisper import WhisperModel
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # faster-whisper makes progress bars that nobody sees; they need no thread
    # On a CPU int8 is three times as fast as float32, and on two cores a second thread gains nothing (measured); on a
    # GPU float16 with int8 weights.
    compute = "int8_float16" if device == "cuda" else "int8"
    threads = max(1, min(4, (os.cpu_count() or 1) // 2))
    try:
        model = WhisperModel(str(path), device=device, compute_type=compute, cpu_threads=threads, local_files_only=True)
        # The GPU's libraries are looked for at the first use only: better now than in somebody's first sentence.
        segments, _ = model.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32), language="en", max_new_tokens=1)
        list(segments)
        return model
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineFailed(f"the model in {path} cannot be loaded on {device}: {error}") from error


def _words(segments: Iterable[Any], window: Window) -> tuple[Word, ...]:
    """The words of believable segments, at their place in the track and within the window."""
    first, last = window.start_samples, window.start_samples + len(window.samples)
    words: list[Word] = []
    at = first
    for segment in segments:
        if segment.no_speech_prob > _NO_SPEECH_MIN and segment.avg_logprob < _LOG_PROBABILITY_MIN:
            continue
        if segment.compression_ratio > _COMPRESSION_MAX:
            continue
        for word in segment.words or ():
            text = word.word.strip()
            start = max(at, first + round(word.start * SAMPLE_RATE_HZ))
            end = min(last, first + round(word.end * SAMPLE_RATE_HZ))
            if not text or start >= last:
                continue
            confidence = min(1.0, max(0.0, float(word.probability)))
            words.append(Word(text=text, start_samples=start, end_samples=max(start, end), confidence=confidence))
            at = max(start, end)
    return tuple(words)
