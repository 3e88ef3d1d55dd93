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
from asr.speakers.recut import cut
from asr.speakers.segmentation import Segmentation, Span
from asr.speakers.turns import turns
from asr.speakers.windows import Levels, SpeechWindows
from asr.track_changes import TrackChanges
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
        self._planned: dict[int, SpeechWindow] = {}  # those as they were planned
        self._changes = TrackChanges()
        # Windows in which a voice changes, as was found later: what is to be embedded instead, and what was.
        self._parts: dict[int, tuple[SpeechWindow, ...]] = {}
        self._part_rows: dict[SpeechWindow, Embeddings] = {}

    def plan(self, session: ListeningSession, now_s: float) -> None:
        """Note the windows that are due by what was listened to. An utterance that ended leaves none for later."""
        for owed in session.owed:
            if owed.utterance is not None and owed.utterance.end_samples > self._ended_samples:
                self._ended_samples = owed.utterance.end_samples
                windows = self._windows.take(owed.utterance.voiced, self._ended_samples) + self._windows.finish()
                self._due(windows, now_s)
        if session.utterances.open_samples is not None:
            utterances = session.utterances
            self._due(self._windows.take(utterances.voiced_spans(), utterances.listened_samples), now_s)

    def _due(self, windows: Sequence[SpeechWindow], now_s: float) -> None:
        """Where it is known already that voices change in them, they are cut there."""
        self._planned |= {window.start_samples: window for window in windows}
        for window in windows:
            for part in self._cut(window):
                self._planned[part.start_samples] = part
                self.pending.append(Pending(part, now_s))

    # Changes of voices.

    def chunk_due(self, session: ListeningSession) -> tuple[int, Span] | None:
        """In which utterance, by where it begins, changes are to be looked for next, and in what of it."""
        utterance = session.owed[0].utterance if session.owed else session.utterances.expected
        if utterance is not None:
            begun_samples, span = utterance.start_samples, (utterance.start_samples, utterance.end_samples)
        elif not session.owed and session.utterances.open_samples is not None:
            begun_samples = session.utterances.open_samples
            span = begun_samples, session.utterances.listened_samples
        else:
            return None
        due = self._changes.due(*span, ends=utterance is not None)
        return None if due is None or due[0] < session.kept_samples else (begun_samples, due)

    def changes(self, begun_samples: int, span: Span, found: Segmentation) -> None:
        """``found`` in what was due. Windows that hold two voices are to be embedded again, in parts."""
        self._changes.took(begun_samples, span, found)
        for window in list(self._planned.values()):
            parts = self._cut(window) if window.start_samples not in self._own else (window,)
            if parts != (window,):
                self._parts[window.start_samples] = parts
            else:
                self._parts.pop(window.start_samples, None)

    def _cut(self, window: SpeechWindow) -> tuple[SpeechWindow, ...]:
        changes = self._changes.all_told().changes
        if not any(window.heard_from_samples < at < window.heard_to_samples for at in changes):
            return (window,)
        first = last = window
        before = {planned.end_samples: planned for planned in self._planned.values()}
        while first.start_samples in before:
            first = before[first.start_samples]
        while last.end_samples in self._planned:
            last = self._planned[last.end_samples]
        voiced = first.start_samples, max(last.end_samples, window.heard_to_samples)
        return cut(window, voiced, changes, self._info.window_samples)

    def parts_due(self) -> list[SpeechWindow]:
        """What is to be embedded again."""
        return [part for parts in self._parts.values() for part in parts if part not in self._part_rows]

    def part_sound(self, part: SpeechWindow, session: ListeningSession) -> Samples | None:
        if part.heard_from_samples < session.kept_samples:
            return None
        return self._levels.again(session.sound(part.heard_from_samples, part.heard_to_samples))

    def part_embedded(self, part: SpeechWindow, embedding: Embeddings) -> None:
        self._part_rows[part] = embedding

    def overlaps(self, utterance: Utterance) -> tuple[Span, ...]:
        """Where two speak at once in it."""
        return self._changes.told(utterance.start_samples).overlaps

    def left_out(self, utterance: Utterance) -> bool:
        """Whether changes were not looked for in all of it, or what was found is not all embedded."""
        return bool(self.parts_due()) or not self._changes.is_known(utterance.start_samples, utterance.end_samples)

    def _put_parts(self) -> None:
        """Instead of each step with a change in it, its parts, if all were embedded."""
        steps: list[LabelledStep] = []
        for step in self._steps:
            parts = self._parts.pop(step.start_samples, ())
            rows = [self._part_rows.pop(part, None) for part in parts]
            known = [(part, row) for part, row in zip(parts, rows, strict=True) if row is not None]
            if not parts or len(known) < len(parts) or parts[-1].end_samples != step.end_samples:
                steps.append(step)
                continue
            del self._embeddings[step.start_samples]
            for part, row in known:
                self._embeddings[part.start_samples] = row
                steps.append(self._online.again(step, part, row))
        self._steps = steps

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
            for i in run:
                start_samples = due[i].window.start_samples
                self._planned.pop(start_samples, None)
                self._parts.pop(start_samples, None)
            self._planned[wide.start_samples] = wide
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
        self._put_parts()
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
        self._forget_changes(utterance.end_samples)
        if not had_words:
            heard |= {voice.speaker for voice in self._online.voices}  # also in windows whose parts are others'
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

    def _forget_changes(self, end_samples: int) -> None:
        self._changes.forget(end_samples)
        self._planned = {start: window for start, window in self._planned.items() if start >= end_samples}
        self._parts = {start: parts for start, parts in self._parts.items() if start >= end_samples}
        self._part_rows = {part: row for part, row in self._part_rows.items() if part.start_samples >= end_samples}

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
