"""Who speaks, live: each step is told at most ``AHEAD`` steps after it, and never again by this module. Pure.

The speakers so far, each with the mean of its voice, and somebody new are the states of a hidden chain; the steps that
are not told yet go through it on the likeliest way (Viterbi with a fixed lag). Steps of somebody new, two in a row,
make a speaker. What is kept is the means and the steps not told yet, however long it goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr.speakers.contract import (
    Embeddings,
    EncoderInfo,
    LabelledStep,
    SpeakerOptions,
    SpeechWindow,
    Voice,
)
from asr.speakers.path import CHANGE_COST, PAUSE_COST, UNKNOWN, likeliest, sureness

AHEAD = 2  # steps that are heard before one is told
NEW_STEPS = 2  # of somebody new in a row before it is believed
FULL_SHARE = 0.8  # of a window; by what is shorter no voice is learned
LEARN_MARGIN = 0.05  # so much more like its speaker than like the next best, to be learned
AGAIN_MARGIN = 0.05  # so much more like another than like whom it was told of
REMEMBERED = 60.0  # windows whose mean a voice is; it may drift
SHORT_MALUS = 0.15  # to somebody new, of a window that is not full
FEW_BONUS = 0.04  # to a voice of one window, half of it to one of two: their means are not yet where they will be


@dataclass(eq=False)
class _Speaker:
    """``number`` is None until it is heard; ``fixed``: an enrolled voice, which is not learned."""

    number: int | None
    name: str | None
    sum: Embeddings
    weight: float
    fixed: bool = False
    heard_samples: int = 0

    @property
    def centre(self) -> Embeddings:
        centre: Embeddings = self.sum / max(float(np.linalg.norm(self.sum)), 1e-9)
        return centre

    def learn(self, embedding: Embeddings) -> None:
        if self.fixed:
            return
        if self.weight >= REMEMBERED:
            self.sum *= np.float32(1 - 1 / REMEMBERED)
            self.weight -= self.weight / REMEMBERED
        self.sum += embedding
        self.weight += 1.0


class OnlineSpeakers:
    """Of one track. Steps come in order, with their embeddings, and go out in order, each once."""

    def __init__(self, info: EncoderInfo, options: SpeakerOptions) -> None:
        self._info = info
        self._limit = options.limit
        self._speakers = [
            _Speaker(None, voice.name, voice.embedding.astype(np.float32), 1.0, fixed=True) for voice in options.known
        ]
        self._next = 0  # number
        self._last: _Speaker | None = None  # whom the step before was told to be
        self._last_end_samples = 0
        self._learned = 0  # steps to come whose voice is in the means already
        self._steps: list[tuple[SpeechWindow, Embeddings]] = []  # not told yet, without a pause between them

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Who was heard so far, by number."""
        heard = [
            Voice(speaker.number, speaker.name, speaker.centre, speaker.heard_samples)
            for speaker in self._speakers
            if speaker.number is not None
        ]
        return tuple(sorted(heard, key=lambda voice: voice.speaker))

    @property
    def taken(self) -> int:
        """Numbers from here on were given to nobody."""
        return self._next

    def push(self, window: SpeechWindow, embedding: Embeddings) -> list[LabelledStep]:
        """The next step. Returns what is told now."""
        told = []
        if self._steps and window.start_samples > self._steps[-1][0].end_samples:
            told = self.finish()
        self._steps.append((window, embedding))
        while len(self._steps) > AHEAD:
            told.append(self._tell())
        return told

    def finish(self) -> list[LabelledStep]:
        """The voice ended, for now: all that is left is told."""
        told = []
        while self._steps:
            told.append(self._tell())
        return told

    def again(self, step: LabelledStep, window: SpeechWindow, embedding: Embeddings) -> LabelledStep:
        """A part of a ``step`` that was told, by a window that holds one voice: whoever of those heard it is most like.

        Nobody is learned by it, and nobody is new; where it is hardly more like another, it stays whose it was.
        """
        heard = [speaker for speaker in self._speakers if speaker.number is not None]
        alike = [float(embedding @ speaker.centre) for speaker in heard]
        own = next((i for i, speaker in enumerate(heard) if speaker.number == step.speaker), None)
        who = max(range(len(heard)), key=lambda i: alike[i] + (AGAIN_MARGIN if i == own else 0.0), default=None)
        if who is None:
            return replace(step, start_samples=window.start_samples, end_samples=window.end_samples)
        sure = float(sureness(np.array([alike], np.float32), np.array([who]))[0])
        number = heard[who].number
        assert number is not None
        return LabelledStep(window.start_samples, window.end_samples, number, sure)

    def adopt(self, voices: Sequence[Voice], *, gone: Collection[int] = (), taken: int = 0) -> None:
        """Go on with the voices that a later pass found, by their numbers; numbers below ``taken`` are not given again.

        Speakers with numbers in ``gone`` turned out to be nobody, and are forgotten; others it did not hear.
        """
        anew = {voice.speaker for voice in voices} | set(gone)
        names = {voice.name: voice.speaker for voice in voices if voice.name is not None}
        last = self._last.number if self._last else None
        self._speakers = [speaker for speaker in self._speakers if speaker.fixed or speaker.number not in anew]
        for speaker in self._speakers:
            if speaker.fixed and (speaker.name in names or speaker.number in anew):
                speaker.number = names.get(speaker.name or "")
        mine = {speaker.number for speaker in self._speakers}
        for voice in voices:
            if voice.speaker not in mine:
                weight = min(REMEMBERED, max(1.0, voice.heard_samples / self._info.step_samples))
                total = voice.embedding.astype(np.float32) * np.float32(weight)
                self._speakers.append(
                    _Speaker(voice.speaker, voice.name, total, weight, heard_samples=voice.heard_samples)
                )
        self._last = next((one for one in self._speakers if last is not None and one.number == last), None)
        self._next = max([self._next, taken, *(voice.speaker + 1 for voice in voices)])

    def forget(self, number: int) -> None:
        """Whoever has that number said nothing. It is given again, if it is the last that was given."""
        for speaker in self._speakers:
            if speaker.number == number:
                speaker.number, speaker.heard_samples = None, 0
        self._speakers = [speaker for speaker in self._speakers if speaker.fixed or speaker.number is not None]
        if self._last is not None and self._last.number is None:
            self._last = None
        if number == self._next - 1:
            self._next = number

    def _tell(self) -> LabelledStep:
        """Tell the first of the steps, by those behind it."""
        window, embedding = self._steps[0]
        scores = self._scores()
        path = likeliest(scores, [step for step, _ in self._steps], np.full(len(scores), UNKNOWN))
        known, new = scores[:, :-1], scores.shape[1] - 1
        run = int(np.argmin(np.append(path == new, False)))
        heard = [i for i, speaker in enumerate(self._speakers) if speaker.number is not None]
        if run >= NEW_STEPS or (run and not heard):
            speaker, sure, learned = self._somebody(run), 0.5, True
        else:
            who = int(path[0]) if path[0] != new else max(heard, key=lambda i: float(known[0, i]))
            speaker = self._speakers[who]
            sure = float(sureness(known[:1], np.array([who]))[0])
            rival = float(np.delete(known[0], who).max(initial=-1.0))
            learned = path[0] != new and float(known[0, who]) - rival >= LEARN_MARGIN
        if self._learned:
            self._learned -= 1
        elif learned and self._is_full(window):
            speaker.learn(embedding)
        if speaker.number is None:
            speaker.number, self._next = self._next, self._next + 1
        speaker.heard_samples += window.end_samples - window.start_samples
        self._last, self._last_end_samples = speaker, window.end_samples
        del self._steps[0]
        return LabelledStep(window.start_samples, window.end_samples, speaker.number, sure)

    def _scores(self) -> Embeddings:
        """How much each step's voice is like each speaker's, and, last, like somebody new: (steps, speakers + 1)."""
        scores = np.full((len(self._steps), len(self._speakers) + 1), self._info.new_speaker, np.float32)
        embeddings = np.array([embedding for _, embedding in self._steps])
        if self._speakers:
            scores[:, :-1] = embeddings @ np.array([speaker.centre for speaker in self._speakers]).T
            scores[:, :-1] += np.array([self._bonus(speaker) for speaker in self._speakers], np.float32)
            # Of a short window it is hard to tell; it is hardly ever somebody's first word.
            scores[[not self._is_full(window) for window, _ in self._steps], -1] -= SHORT_MALUS
        unheard = np.array([speaker.number is None for speaker in self._speakers] + [True])
        if np.count_nonzero(~unheard) >= self._limit:
            scores[:, unheard] = -2.0
        if self._last is not None:
            pause = self._steps[0][0].start_samples > self._last_end_samples
            others = np.array([speaker is not self._last for speaker in self._speakers] + [True])
            scores[0, others] -= PAUSE_COST if pause else CHANGE_COST
        return scores

    def _bonus(self, speaker: _Speaker) -> float:
        if not speaker.fixed:
            return FEW_BONUS / max(speaker.weight, 1.0)
        # A name is not given lightly; once it is, its voice is a voice like others.
        return self._info.new_speaker - self._info.known if speaker.number is None else 0.0

    def _somebody(self, run: int) -> _Speaker:
        """A new speaker, of the first ``run`` steps."""
        full = [embedding for window, embedding in self._steps[:run] if self._is_full(window)]
        learned = full or [embedding for _, embedding in self._steps[:run]]
        speaker = _Speaker(None, None, np.sum(learned, axis=0, dtype=np.float32), float(len(full)) or 0.5)
        self._speakers.append(speaker)
        self._learned = run
        return speaker

    def _is_full(self, window: SpeechWindow) -> bool:
        return window.heard_to_samples - window.heard_from_samples >= FULL_SHARE * self._info.window_samples
