"""A streaming engine made of a re-decoding one: windows of sound in, words that stop changing out.

Words on which hypotheses agree are committed (``asr.agreement``); the next window begins behind them. While an
utterance is open its committed words only grow. At its end the engine hears the whole of it once more, alone: so the
final words do not depend on how the sound was cut on its way, nor on whether anybody watched interims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from asr.agreement import Agreement, CommitPolicy, LocalAgreement
from asr.contract import Draft, EngineInfo, RedecodingEngine, Samples, SessionOptions, Step, Window
from asr.guards import believable, without_loops
from protocol.blocks import MS_SAMPLES
from protocol.words import Hypothesis, Word

LEAST_WINDOW_SAMPLES = 300 * MS_SAMPLES  # shorter sound is no word yet, and makes engines invent


@dataclass(slots=True)
class _Utterance:
    options: SessionOptions
    state: Any  # the engine's own
    policy: CommitPolicy
    start_samples: int | None = None
    sound: list[Samples] = field(default_factory=list)
    committed: tuple[Word, ...] = ()
    tentative: tuple[Word, ...] = ()
    language: str | None = None

    def window(self, final: bool) -> Window:
        start = self.start_samples or 0
        sound = np.concatenate(self.sound) if self.sound else np.zeros(0, np.int16)
        self.sound = [sound]
        if final or not self.committed:
            return Window(sound, start, self.options, self.state, final=final)
        from_samples = min(max(self.committed[-1].end_samples, start), start + len(sound))
        before = " ".join(word.text for word in self.committed)
        return Window(sound[from_samples - start :], from_samples, self.options, self.state, before=before)


@dataclass(slots=True)
class _Found:
    """A draft after the guards: the ``words`` that they left, and the place of each among those of the draft."""

    draft: Draft
    places: list[int]
    words: tuple[Word, ...]

    def take_times(self, exact: Sequence[Word], count: int) -> None:
        """Give the first ``count`` words their times; the others are a guess, and go behind them."""
        words = [exact[place] for place in self.places[:count]]
        at = words[-1].end_samples if words else 0
        for word in self.words[count:]:
            start = max(at, word.start_samples)
            words.append(word.model_copy(update={"start_samples": start, "end_samples": max(start, word.end_samples)}))
        self.words = tuple(words)


class CommittingEngine:
    """A ``StreamingEngine`` made of a ``RedecodingEngine``."""

    def __init__(self, engine: RedecodingEngine, policy: Callable[[], CommitPolicy] = LocalAgreement) -> None:
        self._engine = engine
        self._policy = policy
        self._hits: Counter[str] = Counter()

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    @property
    def batch_max(self) -> int:
        return self._engine.batch_max

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return self._hits + Counter(self._engine.guard_hits)

    def open(self, options: SessionOptions) -> _Utterance:
        return _Utterance(options, self._engine.begin(options), self._policy())

    def close(self, stream: _Utterance) -> None:
        stream.sound.clear()
        stream.state = None

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        windows = [self._window(step) for step in steps]
        worth = [i for i, window in enumerate(windows) if len(window.samples) >= LEAST_WINDOW_SAMPLES]
        heard = self._engine.transcribe([windows[i] for i in worth]) if worth else []
        found = {i: self._guarded(windows[i], draft) for i, draft in zip(worth, heard, strict=True)}
        stable = {i: _stable(steps[i], windows[i], each.words) for i, each in found.items()}
        untimed = [i for i, (_, agreed) in stable.items() if agreed and not found[i].draft.timed]
        if untimed:
            # Words that a guard took out of the middle are aligned with the others: they hold the others' places.
            counts = [found[i].places[sum(stable[i]) - 1] + 1 for i in untimed]
            aligned = self._engine.align([(found[i].draft, count) for i, count in zip(untimed, counts, strict=True)])
            for i, exact in zip(untimed, aligned, strict=True):
                found[i].take_times(exact, sum(stable[i]))
        return [_advance(step, found.get(i), stable.get(i, Agreement(0, 0))) for i, step in enumerate(steps)]

    @staticmethod
    def _window(step: Step) -> Window:
        stream: _Utterance = step.stream
        if stream.start_samples is None:
            stream.start_samples = step.start_samples
        stream.sound.append(step.samples)
        return stream.window(step.flush)

    def _guarded(self, window: Window, draft: Draft) -> _Found:
        """The draft without what cannot have been said."""
        words = without_loops(draft.words)
        self._hits["loop"] += len(words) < len(draft.words)
        if not believable(words, len(window.samples)):
            self._hits["unbelievable"] += 1
            words = ()
        places: list[int] = []
        for place, word in enumerate(draft.words):
            if len(places) < len(words) and word is words[len(places)]:
                places.append(place)
        return _Found(draft, places, words)


def _stable(step: Step, window: Window, words: tuple[Word, ...]) -> Agreement:
    """How many of the words are committed before, and by this hypothesis."""
    if step.flush:
        return Agreement(0, len(words))
    stream: _Utterance = step.stream
    return stream.policy.take(stream.committed, words, window.start_samples)


def _advance(step: Step, found: _Found | None, stable: Agreement) -> Hypothesis:
    stream: _Utterance = step.stream
    words = found.words if found else ()
    if found is not None:
        stream.language = found.draft.language or stream.language
    if step.flush:
        return Hypothesis(committed=words, language=stream.language)
    if found is not None and (words or not stream.tentative):
        said, agreed = stable
        stream.committed += words[said : said + agreed]
        stream.tentative = words[said + agreed :]
    return Hypothesis(committed=stream.committed, tentative=stream.tentative, language=stream.language)
