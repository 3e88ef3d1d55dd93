"""The voices of one session: what of its speech is to be embedded, and who spoke its words. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from asr import wire
from asr.contract import Samples
from asr.listening import ListeningSession
from asr.speakers.contract import (
    SPEAKERS_MAX,
    Embeddings,
    EncoderInfo,
    KnownVoice,
    LabelledStep,
    SpeakerOptions,
    SpeechWindow,
    Voice,
)
from asr.speakers.online import OnlineSpeakers
from asr.speakers.turns import turns
from asr.speakers.windows import Levels, SpeechWindows
from asr.utterances import Utterance
from asr.voice_prints import mean_of, packed_prints
from protocol.words import Word


@dataclass(frozen=True, slots=True)
class Pending:
    """A window that is due since ``due_s`` and not embedded yet."""

    window: SpeechWindow
    due_s: float


class TrackVoices:
    """What is kept is of utterances not said yet: they are bounded, and so are their steps. Raises whatever fails."""

    def __init__(self, info: EncoderInfo, opened: wire.Open) -> None:
        self._info = info
        self._opened = opened
        self._windows = SpeechWindows(info)
        self._levels = Levels()
        self._online = _speakers(info, opened)
        self._spoken = {voice.speaker for voice in self._online.voices}  # numbers of those that said words
        self._ended_samples = opened.start_samples  # of the last utterance whose windows are all there
        self.pending: deque[Pending] = deque()
        # Of the steps not said yet, by their start:
        self._embeddings: dict[int, Embeddings] = {}
        self._own: dict[int, tuple[int, int]] = {}  # of those that stand for others as well, the times of their own
        self._steps: list[LabelledStep] = []

    def plan(self, session: ListeningSession, now_s: float) -> None:
        """Note the windows that are due by what was listened to. An utterance that ended leaves none for later."""
        for owed in session.owed:
            if owed.utterance is not None and owed.utterance.end_samples > self._ended_samples:
                self._ended_samples = owed.utterance.end_samples
                self._due(self._windows.take(owed.utterance.voiced, self._ended_samples), now_s)
                self._due(self._windows.finish(), now_s)
        if session.utterances.open_samples is not None:
            utterances = session.utterances
            self._due(self._windows.take(utterances.voiced_spans(), utterances.listened_samples), now_s)

    def _due(self, windows: Sequence[SpeechWindow], now_s: float) -> None:
        self.pending.extend(Pending(window, now_s) for window in windows)

    def next_sound(self, session: ListeningSession) -> tuple[SpeechWindow, Samples] | None:
        """The first window that is pending, and its sound as the encoder wants it; None when that is gone."""
        window = self.pending.popleft().window
        start_samples = max(window.heard_from_samples, session.kept_samples)
        if start_samples >= window.heard_to_samples:
            self._own.pop(window.start_samples, None)
            return None
        return window, self._levels.normal(session.sound(start_samples, window.heard_to_samples))

    def embedded(self, window: SpeechWindow, embedding: Embeddings) -> None:
        """Windows come in order."""
        if not np.isfinite(embedding).all():
            raise ValueError("an embedding is no number")
        self._embeddings[window.start_samples] = embedding
        self._steps += self._online.push(window, embedding)

    def thin(self, end_samples: int, count_max: int) -> int:
        """Leave out windows before ``end_samples``, evenly, until ``count_max`` are left. Returns how many were.

        Those left stand for their neighbours as well: their steps reach over what is left out.
        """
        due = [pending for pending in self.pending if pending.window.start_samples < end_samples]
        if len(due) <= count_max:
            return 0
        left: list[Pending] = []
        for run in np.array_split(np.arange(len(due)), count_max):
            first, middle, last = (due[i] for i in (run[0], run[len(run) // 2], run[-1]))
            window = middle.window
            self._own[first.window.start_samples] = (window.start_samples, window.end_samples)
            wide = replace(window, start_samples=first.window.start_samples, end_samples=last.window.end_samples)
            left.append(Pending(wide, middle.due_s))
        self.pending = deque([*left, *list(self.pending)[len(due) :]])
        return len(due) - count_max

    def due_before(self, end_samples: int) -> int:
        return sum(pending.window.start_samples < end_samples for pending in self.pending)

    def so_far(self, words: Sequence[Word]) -> tuple[wire.Spoke, ...]:
        """Of an interim: all of it is the voice of its first word, if that is known."""
        step = next((step for step in self._steps if step.end_samples > words[0].start_samples), None)
        if step is None or step.start_samples >= words[0].end_samples:
            return ()
        return (self._spoke(step.speaker, len(words), step.confidence),)

    def said(self, utterance: Utterance, words: Sequence[Word], tags: Sequence[int] = ()) -> tuple[wire.Spoke, ...]:
        """Of a final: who spoke its words; nothing when that is known of none of them. ``tags``: as of a hypothesis."""
        self._steps += self._online.finish()
        found = turns(words, [step for step in self._steps if step.start_samples < utterance.end_samples], tags)
        return tuple(
            self._spoke(turn.speaker, len(turn.words), turn.confidence, of_one=turn.of_one)
            for turn in found
            if turn.speaker is not None
        )

    def found(self, found: wire.FoundVoices) -> None:
        """Go on with what a later pass made of the voices."""
        if found.encoder == self._info.name:
            heard, _ = _usable(found.voices, self._info)
            self._spoken |= {voice.speaker for voice in heard}
            self._online.adopt(heard, gone=found.gone)

    def forget(self, utterance: Utterance, *, had_words: bool) -> wire.VoicePrints | None:
        """The prints of an utterance that was said, to be told with it; None when there are none.

        What had no words was not speech: it is nobody's voice, and whoever was first heard in it is nobody.
        """
        mine = [step for step in self._steps if step.start_samples < utterance.end_samples]
        self._steps = self._steps[len(mine) :]
        rows = [self._embeddings.pop(step.start_samples) for step in mine]
        own = [self._own.pop(step.start_samples, (step.start_samples, step.end_samples)) for step in mine]
        heard = {step.speaker for step in mine}
        if not had_words:
            for number in sorted(heard - self._spoken - {step.speaker for step in self._steps}, reverse=True):
                self._online.forget(number)
            return None
        self._spoken |= heard
        if not mine:
            return None
        return wire.VoicePrints(
            session_id=self._opened.session_id,
            generation=self._opened.generation,
            encoder=self._info.name,
            dim=self._info.dim,
            # One that reaches over a cut is its first utterance's, so that what comes of the next stands apart.
            steps=tuple(
                (start, min(end, utterance.end_samples), step.speaker)
                for (start, end), step in zip(own, mine, strict=True)
            ),
            embeddings=packed_prints(np.array(rows)),
        )

    def _spoke(self, voice: int, words: int, confidence: float, *, of_one: bool = False) -> wire.Spoke:
        name = next((known.name for known in self._online.voices if known.speaker == voice), None)
        return wire.Spoke(voice=voice, words=words, confidence=round(confidence, 3), name=name, of_one=of_one)


def _speakers(info: EncoderInfo, opened: wire.Open) -> OnlineSpeakers:
    """Those that the session was opened with, by their numbers. What another encoder made of them is of no use, but no
    number is given again.
    """
    options = opened.options
    numbers = [voice.number for voice in opened.voices if voice.number is not None]
    heard, known = _usable(opened.voices if opened.encoder == info.name else (), info)
    most = options.max_speakers or SPEAKERS_MAX
    online = OnlineSpeakers(info, SpeakerOptions(options.speakers_expected, most, tuple(known)))
    online.adopt(heard, taken=max(numbers, default=-1) + 1)
    return online


def _usable(voices: Sequence[wire.HeardVoice], info: EncoderInfo) -> tuple[list[Voice], list[KnownVoice]]:
    """Those that have numbers, and those that are enrolled; damaged ones are left out."""
    heard, known = list[Voice](), list[KnownVoice]()
    for voice in voices:
        try:
            embedding = mean_of(voice.embedding)
        except ValueError:
            continue
        if embedding.shape != (info.dim,):
            continue
        if voice.number is not None:
            heard.append(Voice(voice.number, voice.name, embedding, voice.heard_samples))
        elif voice.name is not None:
            known.append(KnownVoice(voice.name, embedding))
    return heard, known
