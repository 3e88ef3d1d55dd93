"""Voices told apart in this process: labels as the server gives them, at once and by all that was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING

from asr.speakers.contract import SPEAKERS_MAX, SpeakerOptions
from asr.wire import VoicePrints
from protocol.words import Segment
from server.speaker_labels import label_of

if TYPE_CHECKING:
    from server.regrouping import Regrouped

TRACK = "trk_here"


class VoicesHere:
    """Of one recording. ``expected``: so many speak, where it is known."""

    def __init__(self, expected: int | None) -> None:
        self._options = SpeakerOptions(expected=expected, most=SPEAKERS_MAX)
        self._prints: list[VoicePrints] = []
        self._labels: dict[int, str] = {}

    def voiced(self, segment: Segment) -> Segment:
        """As it is told at once. Of whom nobody knows the voice is the first one's."""
        label = self._label(segment.voice or 0)
        return segment.said_by(label, label)

    def keep(self, prints: VoicePrints) -> None:
        self._prints.append(prints)

    async def told_anew(self, segments: Sequence[Segment]) -> list[Segment]:
        """The same words in their order, each under the label that all that was heard says; cut where several speak."""
        if not self._prints:
            return list(segments)
        return await asyncio.to_thread(self._told_anew, segments)

    def _told_anew(self, segments: Sequence[Segment]) -> list[Segment]:
        from server.regrouping import runs
        from server.segment_turns import most, pieces_of, turns_of, unheard
        from server.spare_labels import tidied

        found = self._regrouped()
        said = [runs(segment, found.steps) for segment in segments]
        labels = {run.voice: self._label(run.voice) for each in said for run in each}
        turns = [turns_of(each, labels) for each in said]
        heard = {turn.label for each in turns for turn in each}
        heard |= {segment.label or "" for segment, each in zip(segments, turns, strict=True) if not each}
        renamed = tidied(self._labels, heard=heard, kept=()).renamed
        told: list[Segment] = []
        for segment, each in zip(segments, turns, strict=True):
            pieces = pieces_of(segment, each) if len(each) > 1 else None
            one = most(each) or unheard(segment, {label: label for label in heard})
            for piece, turn in pieces or ([] if one is None else [(segment, one)]):
                label = renamed.get(turn.label, turn.label)
                voiced = {"voice": turn.voice, "speaker_confidence": turn.confidence}
                told.append(piece.said_by(label, label).model_copy(update=voiced))
        return told

    def _regrouped(self) -> Regrouped:
        from server.regrouping import regroup
        from server.store.voice_store import StoredPrints

        stored = [StoredPrints(TRACK, each.encoder, each.dim, each.steps, each.embeddings) for each in self._prints]
        taken = max(_numbers(self._prints), default=0) + 1
        return regroup(stored, [], self._options, taken=taken)

    def _label(self, number: int) -> str:
        """The first voice is the first speaker, each further one the lowest number that is free."""
        if number not in self._labels:
            taken = {*self._labels.values()} if number == 0 else {*self._labels.values(), label_of(1)}
            self._labels[number] = next(label for label in map(label_of, count(1)) if label not in taken)
        return self._labels[number]


def _numbers(prints: Iterable[VoicePrints]) -> set[int]:
    return {number for each in prints for _, _, number in each.steps}
