"""What a pass says of one segment: whose it is, or whose each part of it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from asr.speakers.contract import LabelledStep
from protocol.events import Transcribed
from protocol.words import Segment
from server.regrouping import Run, runs
from server.speaker_cuts import cut, joined
from server.store.erasure import without_words
from server.store.records import StoredSegment


@dataclass(frozen=True, slots=True)
class Turn:
    """Words in a row that are told under one label."""

    label: str
    voice: int | None
    words: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Again:
    """Neighbours that were cut from one segment and are one voice's after all; ``whole`` is what they are together."""

    pieces: Sequence[StoredSegment]
    whole: StoredSegment
    turn: Turn

    def told(self, names: Mapping[str, str]) -> list[Transcribed]:
        """The others go before the first grows, so that no word is there twice."""
        gone = [_taken_back(piece) for piece in self.pieces[:0:-1]]
        return [*gone, told_of(self.whole, self.whole.segment, self.turn, names)]


def all_runs(segments: Sequence[StoredSegment], steps: Sequence[LabelledStep]) -> list[list[Run]]:
    return [runs(stored.segment, steps) for stored in segments]


def again_one(
    segments: Sequence[StoredSegment],
    said: Mapping[str, Sequence[Run]],
    steps: Sequence[LabelledStep],
    labels: Mapping[int, str | None],
) -> list[Again]:
    """``segments``: all of a track, in order; ``said``: by id, what a pass says of those that no person gave away."""

    def whose(stored: StoredSegment) -> tuple[str, int | None]:
        heard = said.get(stored.segment.segment_id, ())
        return stored.segment.cut_from or stored.segment.segment_id, heard[0].voice if len(heard) == 1 else None

    found = []
    for (_, voice), row in groupby(segments, key=whose):
        pieces, label = list(row), None if voice is None else labels.get(voice)
        if label is not None and len(pieces) > 1:
            found.append(_again(pieces, label, steps))
    return [each for each in found if each is not None]


def _again(pieces: Sequence[StoredSegment], label: str, steps: Sequence[LabelledStep]) -> Again | None:
    """None where they would be cut again."""
    whole = replace(pieces[0], segment=joined([piece.segment for piece in pieces]))
    heard = runs(whole.segment, steps)
    if [run.words for run in heard] != [len(whole.segment.words)]:
        return None
    return Again(pieces, whole, Turn(label, heard[0].voice, heard[0].words, min(1.0, heard[0].confidence)))


def _taken_back(piece: StoredSegment) -> Transcribed:
    """A final version without words, and nobody's: its label is free."""
    segment = without_words(piece.segment, revision=piece.segment.revision + 1).said_by(None, None)
    nobodys = segment.model_copy(update={"voice": None, "speaker_confidence": None})
    return Transcribed(segment=nobodys, track_started_at=piece.track_started_at)


def turns_of(said: Sequence[Run], labels: Mapping[int, str | None]) -> list[Turn]:
    """Voices that people made one are one."""
    turns: list[Turn] = []
    for label, same in groupby(said, key=lambda run: labels.get(run.voice)):
        mine = list(same)
        if label is not None:
            words = sum(run.words for run in mine)
            sure = sum(run.confidence * max(run.words, 1) for run in mine) / max(words, 1)
            turns.append(Turn(label, max(mine, key=lambda run: run.words).voice, words, min(1.0, sure)))
    return turns


def most(turns: Sequence[Turn]) -> Turn | None:
    return max(turns, key=lambda each: each.words, default=None)


def unheard(segment: Segment, renamed: Mapping[str, str]) -> Turn | None:
    """One of whose words no voice is known has the label that it had, by its new name."""
    label = renamed.get(segment.label or "")
    return None if label is None else Turn(label, segment.voice, len(segment.words), segment.speaker_confidence or 0.0)


def pieces_of(segment: Segment, turns: Sequence[Turn]) -> list[tuple[Segment, Turn]] | None:
    """None where its words cannot be found in its text."""
    if sum(turn.words for turn in turns) != len(segment.words):
        return None
    numbers = (number for number, turn in enumerate(turns) for _ in range(turn.words))
    pieces = cut(segment, lambda _word: next(numbers))
    return None if pieces is None else [(piece, turns[number]) for piece, number in pieces]


def told_of(stored: StoredSegment, piece: Segment, turn: Turn, names: Mapping[str, str]) -> Transcribed:
    voiced = {"voice": turn.voice, "speaker_confidence": turn.confidence}
    segment = piece.said_by(turn.label, names.get(turn.label, turn.label)).model_copy(update=voiced)
    return Transcribed(segment=segment, track_started_at=stored.track_started_at)
