"""Who said what, set right by people: participants named, speakers merged, stretches of speech given to another.

A voice has a label ("Speaker 1"), which tracks and segments carry, and is shown under the name of the participant who
has that label. Whatever changes is told in the journal, so that readers relabel what they show; text never changes, and
every version of a segment is kept. What is still being said follows at once (``Voices``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import Conflict, NotFound, ValidationFailed
from protocol.events import SpeakerTurn, Transcribed
from protocol.words import Segment, Word
from server.journal import Journal
from server.locks import Locks
from server.segment_pages import segment_pages
from server.speaker_cuts import cut
from server.speaker_labels import label_of
from server.store.participants import Changes
from server.store.records import Participant, StoredSegment, Track
from server.store.store import Store
from server.voices import Voices

TURN_SEGMENTS_MAX = 200  # of one event, which is one transaction: half an hour of talk, written in a few ms of the loop


@dataclass(frozen=True, slots=True)
class Assigned:
    """What an assignment or merge changed. ``rounded``: segments on its edge that could not be cut by words."""

    speaker: str
    participant: Participant | None
    segments: int
    split: int = 0
    rounded: int = 0


@dataclass(frozen=True, slots=True)
class Whole:
    """A segment that is another's from now on, as it is; ``voice`` and ``speaker_set`` are as in ``Segment``."""

    stored: StoredSegment
    label: str
    voice: int | None
    speaker_set: bool
    confidence: float = 1.0


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
            await self._bring_up(transcript_id, lambda label: label)

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
            raise ValidationFailed("name two speakers, not one twice", details={"speaker": speaker_from})
        async with self._locks.of(transcript_id):
            known = await self._labels(transcript_id)
            async with self._rows(transcript_id) as changes:
                if participant_id is not None:
                    changes.get(participant_id)
                known |= {each.speaker for each in changes.all if each.speaker is not None}
                for label in (speaker_from, speaker_to):
                    if label not in known:
                        raise NotFound("Speaker not found", details={"speaker": label, "known": sorted(known)[:50]})
                first, second = changes.of_speaker(speaker_from), changes.of_speaker(speaker_to)
                if first is not None and second is not None:
                    first, second = await _joined(changes, first, second, participant_id)
                if first is not None:
                    second = await changes.change(first.id, speaker=speaker_to)
                await changes.move_tracks(speaker_from, speaker_to)
            moved = await self._bring_up(transcript_id, lambda label: speaker_to if label == speaker_from else label)
            return Assigned(speaker_to, second, moved)

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
            known = set[str]() if participant_id is None else await self._labels(transcript_id)
            async with self._rows(transcript_id) as changes:
                participant = None if participant_id is None else changes.get(participant_id)
                if participant is not None and participant.speaker is None:
                    known |= {each.speaker for each in changes.all if each.speaker is not None}
                    free = next(each for each in map(label_of, count(1)) if each not in known)
                    participant = await changes.change(participant.id, speaker=free)
                label = speaker if participant is None else participant.speaker
                assert label is not None, "a participant has a speaker by now"
                participant = participant or changes.of_speaker(label)
            self._voices.reserve(transcript_id, label)
            between = _Between(from_s, to_s, await self._store.tracks_of(transcript_id), track)
            return await self._give(transcript_id, between, label, participant)

    async def _give(
        self, transcript_id: str, between: _Between, label: str, participant: Participant | None
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
                    whole.append(Whole(stored, label, numbers.get(segment.track), True))
            elif len(pieces) > 1:
                given = {"voice": numbers.get(segment.track), "speaker_confidence": 1.0, "speaker_set": True}
                told = [
                    piece.said_by(label, names.get(label, label)).model_copy(update=given) if theirs else piece
                    for piece, theirs in pieces
                ]
                split.append([Transcribed(segment=each, track_started_at=stored.track_started_at) for each in told])
            elif pieces[0][1]:
                whole.append(Whole(stored, label, numbers.get(segment.track), True))
        for events in split:
            await self._journal.append_all(transcript_id, events)
        await self.tell(transcript_id, whole, names)
        return Assigned(label, participant, len(whole) + len(split), len(split), rounded)

    # Segments.

    async def _bring_up(self, transcript_id: str, relabel: Callable[[str], str]) -> int:
        """Give every segment the label that ``relabel`` makes of its own, and the name of that; how many changed."""
        await self._journal.flushed()
        names = await self.names(transcript_id)
        changed: list[Whole] = []
        async for stored in self._newest(transcript_id):
            before = stored.segment.label
            if before is not None:
                label = relabel(before)
                if (label, names.get(label, label)) != (before, stored.segment.speaker):
                    changed.append(Whole(stored, label, stored.segment.voice, stored.segment.speaker_set))
        await self.tell(transcript_id, changed, names)
        return len(changed)

    async def tell(self, transcript_id: str, changed: Iterable[Whole], names: Mapping[str, str]) -> None:
        """For whoever is ``alone`` with the transcript. ``names``: by label."""
        groups: dict[tuple[str, str, int | None, bool], list[Whole]] = {}
        for each in changed:
            key = (each.stored.segment.track, each.label, each.voice, each.speaker_set)
            groups.setdefault(key, []).append(each)
        for (_, label, _, _), whole in groups.items():
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

    async def _labels(self, transcript_id: str) -> set[str]:
        """Of the voices that were heard, or are."""
        await self._store.get_transcript(transcript_id)
        found = {track.speaker for track in await self._store.tracks_of(transcript_id)}
        found.update((await self._store.voices.labels_of(transcript_id)).values())
        async for stored in self._newest(transcript_id):
            found.add(stored.segment.label)
        return {label for label in found if label}

    async def _newest(self, transcript_id: str) -> AsyncIterator[StoredSegment]:
        """Every segment. One that is missed as it comes carries what is right already, as ``Voices`` knew before."""
        async for page in segment_pages(self._store, transcript_id):
            for stored in page:
                yield stored


class _Between:
    """A stretch of a transcript's time, as its tracks count it; to the millisecond, as readers are told times."""

    def __init__(self, from_s: float, to_s: float, tracks: Sequence[Track], only: str | None) -> None:
        if to_s < from_s:
            raise ValidationFailed("timestamp_to must not be before timestamp_from")
        self._from_s, self._to_s = round(from_s, 3), round(to_s, 3)
        began_at = min((track.started_at for track in tracks), default=0.0)
        self._offsets_s = {track.id: track.started_at - began_at for track in tracks}
        self._tracks = {track.id for track in tracks if only in (None, track.id, track.name)}
        if only is not None and not self._tracks:
            raise NotFound("no such track", details={"track": only[:64]})

    def touches(self, segment: Segment) -> bool:
        if segment.track not in self._tracks and segment.track in self._offsets_s:
            return False
        return self._at_s(segment, segment.start_samples) <= self._to_s and (
            self._from_s <= self._at_s(segment, segment.end_samples)
        )

    def holds(self, segment: Segment, word: Word) -> bool:
        return self._from_s <= self._at_s(segment, word.start_samples) <= self._to_s

    def covers(self, segment: Segment) -> bool:
        return self._shared_s(segment) >= self._length_s(segment)

    def holds_half(self, segment: Segment) -> bool:
        return self._shared_s(segment) * 2 >= self._length_s(segment)

    def _shared_s(self, segment: Segment) -> float:
        start_s, end_s = self._at_s(segment, segment.start_samples), self._at_s(segment, segment.end_samples)
        return min(end_s, self._to_s) - max(start_s, self._from_s)

    def _length_s(self, segment: Segment) -> float:
        return self._at_s(segment, segment.end_samples) - self._at_s(segment, segment.start_samples)

    def _at_s(self, segment: Segment, samples: int) -> float:
        return round(self._offsets_s.get(segment.track, 0.0) + samples / SAMPLE_RATE_HZ, 3)


async def _joined(
    changes: Changes, first: Participant, second: Participant, staying_id: str | None
) -> tuple[Participant | None, Participant | None]:
    """Both are one person: who is left of them. An account or address that the other alone had goes along."""
    if staying_id not in (first.id, second.id):
        details = {"participants": [first.id, second.id]}
        raise Conflict("Both speakers are assigned to participants", details=details)
    stays, gone = (first, second) if staying_id == first.id else (second, first)
    await changes.remove(gone.id)
    stays = await changes.change(stays.id, email=stays.email or gone.email, user_id=stays.user_id or gone.user_id)
    return (stays, None) if staying_id == first.id else (None, stays)


def _is_its_own(track: Track, label: str) -> bool:
    return track.diarize and track.speaker == label


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
    )
