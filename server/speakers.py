"""Who said what, set right by people: participants named, speakers merged, stretches of speech given to another.

A voice has a label ("Speaker 1"), which tracks and segments carry, and is shown under the name of the participant who
has that label. Whatever changes is told in the journal, so that readers relabel what they show; text never changes, and
every version of a segment is kept. What is still being said follows at once (``Voices``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

from protocol.errors import Conflict, NotFound, ValidationFailed
from protocol.events import SpeakerTurn, Transcribed
from protocol.words import Segment
from server.between import Between
from server.journal import Journal
from server.locks import Locks
from server.merging import join, part
from server.segment_pages import segment_pages
from server.speaker_cuts import cut
from server.speaker_labels import label_of
from server.store.merges import Merge
from server.store.participants import Changes
from server.store.records import Participant, StoredSegment, Track
from server.store.store import Store
from server.voices import Voices

TURN_SEGMENTS_MAX = 200  # of one event, which is one transaction: half an hour of talk, written in a few ms of the loop


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an assignment or merge changed. ``rounded``: segments on its edge that could not be cut by words;
    ``merge_id``: by which a merge is undone, if it can be."""

    speaker: str
    participant: Participant | None
    segments: int
    split: int = 0
    rounded: int = 0
    merge_id: str | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A segment that is another's from now on, as it is; ``voice``, ``speaker_set`` and ``taken_from`` are as in
    ``Segment``."""

    stored: StoredSegment
    label: str
    voice: int | None
    speaker_set: bool
    confidence: float = 1.0
    taken_from: int | None = None


class Speakers:
    """Changes of who said what, one after the other for each transcript.

    Each brings the rows of the store to where they should be first, in one transaction, and then the segments to what
    the rows say; a change that was cut short in between is completed by asking for it again, or by the next one.
    Every method raises ``NotFound``; those that change raise ``Conflict`` when the transcript is locked.
    """

    def __init__(self, store: Store, journal: Journal, voices: Voices) -> None:
        self._store = store
        self._journal = journal
        self._voices = voices
        self._locks = Locks()

    # Participants.

    async def participants(self, transcript_id: str) -> list[Participant]:
        await self._store.get_transcript(transcript_id)
        return await self._store.participants_of(transcript_id)

    async def participant(self, transcript_id: str, participant_id: str) -> Participant:
        for each in await self.participants(transcript_id):
            if each.id == participant_id:
                return each
        raise NotFound("Participant not found", details={"participant_id": participant_id[:64]})

    async def add(
        self,
        transcript_id: str,
        *,
        name: str,
        speaker: str | None = None,
        user_id: str | None = None,
        email: str | None = None,
    ) -> Participant:
        """Raises ``Conflict`` when somebody has the speaker already."""
        async with self._changing(transcript_id) as changes:
            return await changes.add(name=name, speaker=speaker, user_id=user_id, email=email)

    async def change(self, transcript_id: str, participant_id: str, **values: Any) -> Participant:
        """``name``, ``speaker``, ``user_id`` or ``email``, where given. Raises ``Conflict`` as ``add``."""
        async with self._changing(transcript_id) as changes:
            return await changes.change(participant_id, **values)

    async def remove(self, transcript_id: str, participant_id: str) -> None:
        async with self._changing(transcript_id) as changes:
            await changes.remove(participant_id)

    @asynccontextmanager
    async def alone(self, transcript_id: str) -> AsyncIterator[None]:
        """For whoever revises segments: meanwhile nobody else says who speaks in them."""
        async with self._locks.of(transcript_id):
            yield

    @asynccontextmanager
    async def renaming(self, transcript_id: str) -> AsyncIterator[None]:
        """For a transaction that changes who takes part, among other things; then segments follow what the rows say."""
        async with self._locks.of(transcript_id):
            async with self._voices.changing(transcript_id):
                yield
            await self._bring_up(transcript_id, lambda _, label: label)

    @asynccontextmanager
    async def _changing(self, transcript_id: str) -> AsyncIterator[Changes]:
        async with self.renaming(transcript_id), self._store.changing_participants(transcript_id) as changes:
            yield changes

    @asynccontextmanager
    async def _rows(self, transcript_id: str) -> AsyncIterator[Changes]:
        async with self._voices.changing(transcript_id), self._store.changing_participants(transcript_id) as changes:
            yield changes

    # Speakers.

    async def merge(
        self, transcript_id: str, speaker_from: str, speaker_to: str, *, participant_id: str | None = None
    ) -> Assigned:
        """One voice that was taken for two. What still comes of the first is the second's, too.

        ``participant_id``: who stays when both are somebody's. The other, left without a voice, is removed.
        Raises ``Conflict`` when both are and it is not said, or is neither of them; and ``NotFound`` where nobody here
        has that id, whoever the speakers are.
        """
        if speaker_from == speaker_to:
            raise ValidationFailed("name two speakers, not one twice", details={"field": "speaker_to"})
        async with self._locks.of(transcript_id):
            known, mine = await self._labels(transcript_id, of=speaker_from)
            async with self._rows(transcript_id) as changes:
                if participant_id is not None:
                    changes.get(participant_id)
                known |= {each.speaker for each in changes.all if each.speaker is not None}
                for label in (speaker_from, speaker_to):
                    if label not in known:
                        raise NotFound("Speaker not found", details={"speaker": label, "known": sorted(known)[:50]})
                first, second = changes.of_speaker(speaker_from), changes.of_speaker(speaker_to)
                moved = replace(await changes.owned(speaker_from), segments=mine)
                participant, stays = await join(changes, speaker_from, speaker_to, participant_id)
                await changes.move_tracks(speaker_from, speaker_to)
                merge_id = await changes.note_merge(Merge(speaker_from, speaker_to, moved, first, second, stays))
            count = await self._bring_up(transcript_id, lambda _, label: speaker_to if label == speaker_from else label)
            return Assigned(speaker_to, participant, count, merge_id=merge_id)

    async def unmerge(self, transcript_id: str, merge_id: str | None = None) -> Assigned:
        """Undo the last merge, which must be ``merge_id`` where that is given: two voices again, each with the name,
        tracks and segments that it had, as far as nobody changed them since, and with what came since.

        The first has the label that it had, or the lowest free one where somebody else has that now. Raises
        ``NotFound`` where nothing is left to undo, and ``Conflict`` where it is another merge that comes first.
        """
        async with self._locks.of(transcript_id):
            known, _ = await self._labels(transcript_id)
            async with self._rows(transcript_id) as changes:
                merge = await changes.last_merge()
                if merge is None:
                    raise NotFound("no speakers were made one here, or that was undone already")
                if merge_id not in (None, merge.id):
                    raise Conflict("another merge comes first", details={"merge": merge.id})
                label = merge.undone_as
                if label is None:
                    known |= {each.speaker for each in changes.all if each.speaker is not None}
                    label = self._free_label(transcript_id, known, merge.speaker_from)
                    await changes.undo_merge(merge, label)
                participant = await part(changes, merge, label)
            count = await self._bring_up(transcript_id, lambda stored, now: label if merge.takes_back(stored) else now)
            async with self._store.changing_participants(transcript_id) as changes:
                await changes.forget_merge(merge)
            return Assigned(label, participant, count)

    def _free_label(self, transcript_id: str, known: Collection[str], wanted: str) -> str:
        for label in (wanted, *map(label_of, range(1, len(known) + 2))):
            if label not in known and self._voices.reserve(transcript_id, label):
                return label
        raise AssertionError("more labels were tried than are known")

    async def assign(
        self,
        transcript_id: str,
        *,
        speaker: str | None = None,
        participant_id: str | None = None,
        from_s: float,
        to_s: float,
        track: str | None = None,
    ) -> Assigned:
        """Give what begins from ``from_s`` to ``to_s`` (seconds since the transcript's first track began) to a voice.

        Words count, each by its beginning; a segment that holds others as well is cut. One that cannot be cut is given
        away whole when at least half of its time lies between. ``track`` (id or name): only what is on it.
        """
        if (speaker is None) == (participant_id is None):
            raise ValidationFailed("name a speaker or a participant, and not both")
        async with self._locks.of(transcript_id):
            known = set[str]() if participant_id is None else (await self._labels(transcript_id))[0]
            async with self._rows(transcript_id) as changes:
                participant = None if participant_id is None else changes.get(participant_id)
                if participant is not None and participant.speaker is None:
                    known |= {each.speaker for each in changes.all if each.speaker is not None}
                    free = next(each for each in map(label_of, count(1)) if each not in known)
                    participant = await changes.change(participant.id, speaker=free)
                label = speaker if participant is None else participant.speaker
                assert label is not None, "a participant has a speaker by now"
                participant = participant or changes.of_speaker(label)
                participant = None if participant is None else await changes.confirm(participant)
            self._voices.reserve(transcript_id, label)
            between = Between(from_s, to_s, await self._store.tracks_of(transcript_id), track)
            return await self._give(transcript_id, between, label, participant)

    async def _give(
        self, transcript_id: str, between: Between, label: str, participant: Participant | None
    ) -> Assigned:
        await self._journal.flushed()
        names = await self.names(transcript_id)
        numbers = await self.numbers(transcript_id, label)
        whole: list[Whole] = []
        split: list[list[Transcribed]] = []
        rounded = 0
        async for stored in self._newest(transcript_id):
            segment = stored.segment
            if not between.touches(segment):
                continue
            if segment.label == label:
                # So it was told already; where that was a guess, it is one no more.
                if segment.voice is not None and not segment.speaker_set and between.covers(segment):
                    whole.append(Whole(stored, label, segment.voice, True))
                continue
            pieces = cut(segment, partial(between.holds, segment))
            if pieces is None:
                rounded += not between.covers(segment)
                if between.holds_half(segment):
                    whole.append(_given(stored, label, numbers))
            elif len(pieces) > 1:
                voice, taken_from = _whose(segment, numbers)
                given = {"voice": voice, "taken_from": taken_from, "speaker_confidence": 1.0, "speaker_set": True}
                told = [
                    piece.said_by(label, names.get(label, label)).model_copy(update=given) if theirs else piece
                    for piece, theirs in pieces
                ]
                split.append([Transcribed(segment=each, track_started_at=stored.track_started_at) for each in told])
            elif pieces[0][1]:
                whole.append(_given(stored, label, numbers))
        for events in split:
            await self._journal.append_all(transcript_id, events)
        await self.tell(transcript_id, whole, names)
        return Assigned(label, participant, len(whole) + len(split), len(split), rounded)

    # Segments.

    async def _bring_up(self, transcript_id: str, relabel: Callable[[StoredSegment, str], str]) -> int:
        """Give every segment the label that ``relabel`` makes of its own, and the name of that; how many changed."""
        await self._journal.flushed()
        names = await self.names(transcript_id)
        changed: list[Whole] = []
        async for stored in self._newest(transcript_id):
            before = stored.segment.label
            if before is not None:
                label = relabel(stored, before)
                if (label, names.get(label, label)) != (before, stored.segment.speaker):
                    changed.append(_as(stored, label))
        await self.tell(transcript_id, changed, names)
        return len(changed)

    async def tell(self, transcript_id: str, changed: Iterable[Whole], names: Mapping[str, str]) -> None:
        """For whoever is ``alone`` with the transcript. ``names``: by label."""
        groups: dict[tuple[str, str, int | None, bool, int | None], list[Whole]] = {}
        for each in changed:
            key = (each.stored.segment.track, each.label, each.voice, each.speaker_set, each.taken_from)
            groups.setdefault(key, []).append(each)
        for (_, label, *_), whole in groups.items():
            for at in range(0, len(whole), TURN_SEGMENTS_MAX):
                turn = _turn(names.get(label, label), whole[at : at + TURN_SEGMENTS_MAX])
                await self._journal.append(transcript_id, turn)

    async def numbers(self, transcript_id: str, label: str) -> dict[str, int]:
        """By track: the lowest number of a voice there that is called so."""
        found = {track.id: 0 for track in await self._store.tracks_of(transcript_id) if _is_its_own(track, label)}
        for (track_id, number), known in sorted((await self._store.voices.labels_of(transcript_id)).items()):
            if known == label:
                found.setdefault(track_id, number)
        return found

    async def names(self, transcript_id: str) -> dict[str, str]:
        """By label."""
        found = await self._store.participants_of(transcript_id)
        return {each.speaker: each.name for each in found if each.speaker is not None}

    async def _labels(self, transcript_id: str, of: str | None = None) -> tuple[set[str], frozenset[str]]:
        """Of the voices that were heard, or are; and the ids of segments ``of`` one that are known by no number."""
        await self._store.get_transcript(transcript_id)
        found = {track.speaker for track in await self._store.tracks_of(transcript_id)}
        found.update((await self._store.voices.labels_of(transcript_id)).values())
        mine = set[str]()
        async for stored in self._newest(transcript_id):
            segment = stored.segment
            found.add(segment.label)
            if segment.label == of and (segment.voice is None or segment.speaker_set):
                mine.add(segment.segment_id)
        return {label for label in found if label}, frozenset(mine)

    async def _newest(self, transcript_id: str) -> AsyncIterator[StoredSegment]:
        """Every segment. One that is missed as it comes carries what is right already, as ``Voices`` knew before."""
        async for page in segment_pages(self._store, transcript_id):
            for stored in page:
                yield stored


def _is_its_own(track: Track, label: str) -> bool:
    return track.diarize and track.speaker == label


def _as(stored: StoredSegment, label: str) -> Whole:
    """Under another label, or name, and otherwise as it was."""
    segment = stored.segment
    return Whole(stored, label, segment.voice, segment.speaker_set, taken_from=segment.taken_from)


def _given(stored: StoredSegment, label: str, numbers: Mapping[str, int]) -> Whole:
    """To whom a person said. ``numbers``: of their voice, by track."""
    voice, taken_from = _whose(stored.segment, numbers)
    return Whole(stored, label, voice, True, taken_from=taken_from)


def _whose(segment: Segment, numbers: Mapping[str, int]) -> tuple[int | None, int | None]:
    """The voice that they are given to; and, where that was none of the track, the one that they were told as."""
    voice = numbers.get(segment.track)
    told_as = segment.voice if segment.taken_from is None else segment.taken_from
    return voice, told_as if voice is None else None


def _turn(name: str, whole: Sequence[Whole]) -> SpeakerTurn:
    """``whole``: of one track, label and voice."""
    label, segments = whole[0].label, [each.stored.segment for each in whole]
    return SpeakerTurn(
        speaker=name,
        speaker_label=None if label == name else label,
        speaker_id=segments[0].track,
        track=segments[0].track,
        start_samples=min(segment.start_samples for segment in segments),
        end_samples=max(segment.end_samples for segment in segments),
        track_started_at=whole[0].stored.track_started_at,
        confidence=sum(each.confidence for each in whole) / len(whole),
        segment_ids=tuple(segment.segment_id for segment in segments),
        voice=whole[0].voice,
        speaker_set=whole[0].speaker_set,
        taken_from=whole[0].taken_from,
    )
