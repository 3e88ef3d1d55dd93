"""What a pass says of one segment: whose it is, or whose each part of it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from asr.speakers.contract import LabelledStep
from protocol.events import Transcribed
from protocol.words import Segment
from server.regrouping import Run, runs
from server.speaker_cuts import cut
from server.store.records import StoredSegment


@dataclass(frozen=True, slots=True)
class Turn:
    """Words in a row that are told under one label."""

    label: str
    voice: int | None
    words: int
    confidence: float


def all_runs(segments: Sequence[StoredSegment], steps: Sequence[LabelledStep]) -> list[list[Run]]:
    return [runs(stored.segment, steps) for stored in segments]


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
