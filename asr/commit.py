"""When words of a re-decoding engine stop changing, and which of them were never said.

LocalAgreement-2 (Liu et al. 2020, Macháček et al. 2023): words on which two hypotheses in a row agree are committed;
the next window begins behind them. Case and punctuation do not count for agreement and stay in the text. While an
utterance is open its committed words only grow. At its end the engine hears the whole of it once more, alone: so the
final words do not depend on how the sound was cut on its way, nor on whether anybody watched interims.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from asr.contract import EngineInfo, RedecodingEngine, Samples, SessionOptions, Step, Window
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ
from protocol.words import Hypothesis, Word

SLACK_SAMPLES = 200 * MS_SAMPLES  # word times of engines are that rough
LEAST_WINDOW_SAMPLES = 300 * MS_SAMPLES  # shorter sound is no word yet, and makes engines invent
_COMPRESSION_MAX = 2.4  # Whisper's own threshold for text that repeats itself
_COMPRESSIBLE_BYTES = 64  # below it zlib's ratio says nothing
_WORDS_PER_S_MAX = 10.0  # fast speech has 5 to 6


def fold(word: Word) -> str:
    """A word without case and punctuation; of a word that is nothing else, itself."""
    kept = "".join(c for c in word.text.casefold() if c.isalnum())
    return kept or word.text.strip()


def agreed(previous: Sequence[Word], current: Sequence[Word]) -> int:
    """How many words at the beginning of both are the same."""
    count = 0
    for a, b in zip(previous, current, strict=False):
        if fold(a) != fold(b):
            break
        count += 1
    return count


def inside_voiced(words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> tuple[Word, ...]:
    """The words that touch a span of voice, give or take 200 ms."""
    return tuple(
        word
        for word in words
        if any(
            word.start_samples < end + SLACK_SAMPLES and word.end_samples > start - SLACK_SAMPLES
            for start, end in spans
        )
    )


def without_loops(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words, with what an engine repeats when it is stuck said once.

    A phrase of up to eight words said four times in a row counts as stuck; single words only from the sixth on, since
    people do say "no no no no".
    """
    kept = list(words)
    folded = [fold(word) for word in kept]
    at = 0
    while at < len(kept):
        for length in range(1, 9):
            times = 1
            while folded[at + times * length : at + (times + 1) * length] == folded[at : at + length]:
                times += 1
            if times >= (6 if length == 1 else 4):
                del kept[at + length : at + times * length], folded[at + length : at + times * length]
                break
        at += 1
    return tuple(kept)


def believable(words: Sequence[Word], length_samples: int) -> bool:
    """Whether so many words, as varied, fit in so much sound."""
    if len(words) > 3 + _WORDS_PER_S_MAX * length_samples / SAMPLE_RATE_HZ:
        return False
    text = " ".join(word.text for word in words).encode()
    return len(text) < _COMPRESSIBLE_BYTES or len(text) / len(zlib.compress(text)) <= _COMPRESSION_MAX


@dataclass(slots=True)
class _Utterance:
    options: SessionOptions
    start_samples: int | None = None
    sound: list[Samples] = field(default_factory=list)
    committed: tuple[Word, ...] = ()
    tentative: tuple[Word, ...] = ()

    def window(self, final: bool) -> Window:
        start = self.start_samples or 0
        sound = np.concatenate(self.sound) if self.sound else np.zeros(0, np.int16)
        if final or not self.committed:
            return Window(sound, start, self.options, final=final)
        from_samples = min(max(self.committed[-1].end_samples, start), start + len(sound))
        before = " ".join(word.text for word in self.committed)
        return Window(sound[from_samples - start :], from_samples, self.options, before=before)


class CommittingEngine:
    """A ``StreamingEngine`` made of a ``RedecodingEngine``."""

    def __init__(self, engine: RedecodingEngine) -> None:
        self._engine = engine

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def open(self, options: SessionOptions) -> _Utterance:
        return _Utterance(options)

    def close(self, stream: _Utterance) -> None:
        stream.sound.clear()

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        windows: list[Window] = []
        for step in steps:
            stream: _Utterance = step.stream
            if stream.start_samples is None:
                stream.start_samples = step.start_samples
            stream.sound.append(step.samples)
            windows.append(stream.window(step.flush))
        worth = [i for i, window in enumerate(windows) if len(window.samples) >= LEAST_WINDOW_SAMPLES]
        heard = dict(zip(worth, self._engine.transcribe([windows[i] for i in worth]), strict=True)) if worth else {}
        return [_advance(step, windows[i], heard.get(i)) for i, step in enumerate(steps)]


def _advance(step: Step, window: Window, heard: tuple[Word, ...] | None) -> Hypothesis:
    stream: _Utterance = step.stream
    words = without_loops(heard or ())
    if step.flush:
        return Hypothesis(committed=words if believable(words, len(window.samples)) else ())
    if heard is not None and believable(words, len(window.samples)):
        # What lies in committed time was said already, in the window before.
        words = tuple(word for word in words if (word.start_samples + word.end_samples) // 2 >= window.start_samples)
        count = agreed(stream.tentative, words)
        stream.committed += words[:count]
        stream.tentative = words[count:]
    return Hypothesis(committed=stream.committed, tentative=stream.tentative)
