"""The speakers of one track, from its voiced spans to labels: live, and corrected by what was heard since. Pure.

    track.due(spans, through) -> windows;  track.level(window, sound);  embed them, with those of other tracks
    track.heard(windows, embeddings) -> steps told now;  track.paused() -> those that wait for nothing any more
    track.question(...) -> answered, in any thread -> track.correct(answer) -> steps that are told otherwise

Of each step its times, its speaker and its embedding are kept, for ten hours of speech: 540 bytes, 5 MB an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr.contract import Samples
from asr.speakers.contract import Embeddings, EncoderInfo, LabelledStep, SpeakerOptions, SpeechWindow, Voice
from asr.speakers.groups import Ints
from asr.speakers.offline import STEPS_MAX, Told, tell
from asr.speakers.online import OnlineSpeakers
from asr.speakers.path import UNKNOWN
from asr.speakers.windows import Levels, SpeechWindows

FIRST_QUESTION_STEPS = 40  # 16 s of speech: what was told by so little is most often wrong
QUESTION_GROWTH = 0.5  # and again when there is so much more: all passes cost but a few times what the last one does
QUESTION_APART_STEPS = 750  # at the latest after five minutes of speech, or a tenth of all

Said = tuple[int, int, int]  # start and end in samples, and the number of the speaker, as a person said


@dataclass(frozen=True, eq=False)
class Question:
    """What a later pass needs to know of a track, as it was at one moment."""

    windows: Sequence[SpeechWindow]
    embeddings: Embeddings
    before: Ints
    fixed: Ints
    taken: int
    info: EncoderInfo
    options: SpeakerOptions

    def answered(self) -> Told:
        """Takes 0.04 s of processor for a minute of speech, 0.5 s for ten, 25 s for ten hours."""
        return tell(
            self.windows,
            self.embeddings,
            self.info,
            self.options,
            before=self.before.tolist(),
            fixed=self.fixed.tolist(),
            taken=self.taken,
        )


class SpeakerTrack:
    """Not for two threads at once. Windows go to ``heard`` in the order in which they were ``due``."""

    def __init__(self, info: EncoderInfo, options: SpeakerOptions) -> None:
        self._info, self._options = info, options
        self._windows = SpeechWindows(info)
        self._levels = Levels()
        self._online = OnlineSpeakers(info, options)
        self._due_count = 0  # windows, all in all
        self._count = 0
        # Of each step, as the embeddings: start, end, and whose it was told to be (UNKNOWN: nobody's yet).
        self._times = np.zeros((64, 2), np.int64)
        self._told = np.full(64, UNKNOWN, np.int64)
        self._embeddings = np.zeros((64, info.dim), np.float16)
        self._told_count = 0
        self._forgotten = 0  # steps, all in all
        self._asked_steps = 0

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._online.voices

    def due(self, voiced: Iterable[tuple[int, int]], through_samples: int) -> list[SpeechWindow]:
        """The windows to be embedded now; see ``SpeechWindows.take``."""
        return self._counted(self._windows.take(voiced, through_samples))

    def last_due(self) -> list[SpeechWindow]:
        """The track ends."""
        return self._counted(self._windows.finish())

    def level(self, sound: Samples) -> Samples:
        """The sound of the next window, as it is to be embedded."""
        return self._levels.normal(sound)

    def heard(self, windows: Sequence[SpeechWindow], embeddings: Embeddings) -> list[LabelledStep]:
        """The next windows with their embeddings. Returns what is told now, in order, each step once."""
        told = []
        for window, embedding in zip(windows, embeddings, strict=True):
            self._keep(window, embedding)
            told += self._noted(self._online.push(window, embedding))
        return told

    def paused(self) -> list[LabelledStep]:
        """What is told when no voice goes on and all that was due is heard; nothing else. After each ``due`` without
        windows and each ``heard``.
        """
        if self._windows.open or self._due_count > self._forgotten + self._count:
            return []
        return self._noted(self._online.finish())

    @property
    def question_due(self) -> bool:
        """Whether it is worth while to ask again."""
        latest = max(QUESTION_APART_STEPS, self._asked_steps // 10)
        apart = min(max(FIRST_QUESTION_STEPS, self._asked_steps * QUESTION_GROWTH), latest)
        return self._forgotten + self._told_count >= self._asked_steps + apart

    def question(self, said: Iterable[Said] = (), *, last: bool = False) -> Question:
        """To be answered by all that was told so far. ``said``: by people; the last one counts.

        ``last``: the track ended; before, not all of the speakers that are expected need have spoken.
        """
        count = self._told_count
        self._asked_steps = self._forgotten + count
        fixed = np.full(count, UNKNOWN, np.int64)
        middles = self._times[:count].sum(axis=1) // 2
        for start_samples, end_samples, speaker in said:
            fixed[(middles >= start_samples) & (middles < end_samples)] = speaker
        windows = [SpeechWindow(start, end, start, end) for start, end in self._times[:count].tolist()]
        embeddings = self._embeddings[:count].astype(np.float32)
        before, taken = self._told[:count].copy(), self._online.taken
        options = self._options if last else replace(self._options, most=self._options.limit, expected=None)
        return Question(windows, embeddings, before, fixed, taken, self._info, options)

    def correct(self, answer: Told) -> list[LabelledStep]:
        """Go on by what a pass found. Returns the steps that it tells otherwise; steps told meanwhile stay."""
        changed = []
        places = {start: at for at, start in enumerate(self._times[: self._told_count, 0].tolist())}
        for step in answer.steps:
            at = places.get(step.start_samples)
            if at is not None and self._told[at] != step.speaker:
                self._told[at] = step.speaker
                changed.append(step)
        if answer.steps:
            self._online.adopt(answer.voices, max(step.speaker for step in answer.steps) + 1)
        return changed

    def _counted(self, due: list[SpeechWindow]) -> list[SpeechWindow]:
        self._due_count += len(due)
        return due

    def _noted(self, told: list[LabelledStep]) -> list[LabelledStep]:
        for step in told:
            self._told[self._told_count] = step.speaker
            self._told_count += 1
        return told

    def _keep(self, window: SpeechWindow, embedding: Embeddings) -> None:
        if self._count == STEPS_MAX:
            self._forget(STEPS_MAX // 10)
        if self._count == len(self._told):
            more = min(len(self._told), STEPS_MAX - len(self._told))
            self._times = np.concatenate([self._times, np.zeros((more, 2), np.int64)])
            self._told = np.concatenate([self._told, np.full(more, UNKNOWN, np.int64)])
            self._embeddings = np.concatenate([self._embeddings, np.zeros((more, self._info.dim), np.float16)])
        self._times[self._count] = window.start_samples, window.end_samples
        self._embeddings[self._count] = embedding
        self._count += 1

    def _forget(self, steps: int) -> None:
        """The oldest; they stay as they were told."""
        for kept in (self._times, self._told, self._embeddings):
            kept[: self._count - steps] = kept[steps : self._count].copy()
        self._told[self._count - steps :] = UNKNOWN
        self._count -= steps
        self._told_count -= steps
        self._forgotten += steps
