"""Whose words are being said: the labels of the voices that are live, and the names that people gave them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from server.locks import Locks
from server.speaker_labels import label_of
from server.store.records import Track
from server.store.store import Store

FREE_KNOWN = 4  # labels that are looked up before they are wanted: an interim with a new voice cannot wait for it

Key = tuple[str, int]  # a track, and the number of a voice on it


@dataclass(frozen=True, slots=True)
class Voice:
    """``label`` is what a voice is called by itself, ``name`` who readers are told it is."""

    label: str | None
    name: str | None


@dataclass(slots=True)
class _Cast:
    labels: dict[str, str | None] = field(default_factory=dict)  # by track
    voices: dict[Key, str] = field(default_factory=dict)  # that were told apart, but for voice 0 of each track
    unsaved: dict[Key, str] = field(default_factory=dict)  # those of them that the store does not know yet
    names: dict[str, str] = field(default_factory=dict)  # by label
    free: list[str] = field(default_factory=list)  # labels that nobody has, the lowest first
    given: set[str] = field(default_factory=set)  # labels that somebody is about to get
    last: str | None = None  # the label of who spoke last

    @property
    def told(self) -> set[str]:
        return {label for label in self.labels.values() if label} | {*self.voices.values()}

    @property
    def taken(self) -> set[str]:
        return self.told | self.given

    def allocate(self, key: Key) -> str:
        taken = self.taken
        label = next(each for each in self._candidates() if each not in taken)
        self.voices[key] = self.unsaved[key] = label
        return label

    def _candidates(self) -> Iterator[str]:
        yield from self.free
        last = max((int(each.rpartition(" ")[2]) for each in self.free), default=0)
        yield from map(label_of, count(last + 1))


class Voices:
    """What the store says of the speakers of transcripts with sessions, kept for those that tell words.

    Voice 0 of a track is called what the track is; each further one gets the lowest free ``Speaker N`` of the
    transcript when it is first asked for, and keeps it. The store hears of that by ``save``, which whoever tells a
    final awaits before.

    Invariant: after ``changing`` no word is told under what was before. The store is the truth, and is read again after
    each change; reading and changing happen one after the other for each transcript.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._casts: dict[str, _Cast] = {}  # of transcripts with sessions
        self._locks = Locks()

    async def learn(self, transcript_id: str) -> None:
        """There is a session from now on. Idempotent."""
        async with self._locks.of(transcript_id):
            await self._save(transcript_id)
            await self._read(transcript_id)

    def forget(self, transcript_id: str) -> None:
        """There is no session any more."""
        self._casts.pop(transcript_id, None)

    @asynccontextmanager
    async def changing(self, transcript_id: str) -> AsyncIterator[None]:
        """For whoever changes labels, or names, in the store."""
        async with self._locks.of(transcript_id):
            await self._save(transcript_id)
            try:
                yield
            finally:
                if transcript_id in self._casts:
                    await self._read(transcript_id)

    async def save(self, track: Track) -> None:
        """What its voices are called is in the store when this returns."""
        cast = self._casts.get(track.transcript_id)
        if cast is not None and cast.unsaved:
            async with self._locks.of(track.transcript_id):
                await self._save(track.transcript_id)
                await self._look_for_free(track.transcript_id, cast)

    def of(self, track: Track, number: int | None = None) -> Voice:
        """``number``: which of the track's voices, where they are told apart."""
        cast = self._casts.get(track.transcript_id)
        if cast is None:
            return Voice(track.speaker, track.speaker)
        if number:
            label: str | None = cast.voices.get((track.id, number)) or cast.allocate((track.id, number))
        else:
            label = cast.labels.get(track.id, track.speaker)
        return Voice(label, label if label is None else cast.names.get(label, label))

    def begins(self, track: Track, number: int | None = None) -> bool:
        """Whether the voice is another than the one that spoke last in the transcript; now it is the last."""
        cast = self._casts.get(track.transcript_id)
        if cast is None:
            return True
        label = self.of(track, number).label or ""
        before, cast.last = cast.last, label
        return before != label

    def reserve(self, transcript_id: str, label: str) -> bool:
        """For whoever gives that label to somebody in the store: no voice gets it. False when one has it now."""
        cast = self._casts.get(transcript_id)
        if cast is None:
            return True
        is_free = label not in cast.told
        cast.given.add(label)
        return is_free

    async def _save(self, transcript_id: str, cast: _Cast | None = None) -> None:
        cast = cast or self._casts.get(transcript_id)
        if cast is not None and cast.unsaved:
            unsaved = dict(cast.unsaved)
            await self._store.voices.put_labels(transcript_id, unsaved)
            for key in unsaved:
                cast.unsaved.pop(key, None)

    async def labels(self, track: Track, numbers: Iterable[int]) -> dict[int, str | None]:
        """What these voices of a track are called, stored; also of a transcript without sessions."""
        async with self._locks.of(track.transcript_id):
            await self._save(track.transcript_id)
            cast = self._casts.get(track.transcript_id) or await self._read(track.transcript_id, _Cast())
            found: dict[int, str | None] = {}
            for number in numbers:
                known = cast.voices.get((track.id, number)) if number else cast.labels.get(track.id)
                found[number] = known if known or not number else cast.allocate((track.id, number))
            await self._save(track.transcript_id, cast)
            return found

    async def call(self, track: Track, number: int, label: str) -> None:
        """A voice that was not told apart before is called so."""
        async with self.changing(track.transcript_id):
            await self._store.voices.put_labels(track.transcript_id, {(track.id, number): label})

    async def tidy(self, track: Track, forgotten: Collection[int], renamed: Mapping[str, str]) -> None:
        """Voices of these numbers are called nothing any more, and those with these labels otherwise."""
        if forgotten or renamed:
            async with self.changing(track.transcript_id):
                await self._store.voices.tidy_labels(track, forgotten, renamed)

    async def _read(self, transcript_id: str, cast: _Cast | None = None) -> _Cast:
        tracks = await self._store.tracks_of(transcript_id)
        participants = await self._store.participants_of(transcript_id)
        voices = await self._store.voices.labels_of(transcript_id)
        cast = cast or self._casts.setdefault(transcript_id, _Cast())
        cast.labels = {track.id: track.speaker for track in tracks}
        cast.voices = voices | cast.unsaved
        cast.names = {each.speaker: each.name for each in participants if each.speaker is not None}
        if any(track.diarize for track in tracks):
            await self._look_for_free(transcript_id, cast)
        return cast

    async def _look_for_free(self, transcript_id: str, cast: _Cast) -> None:
        """Labels that people told apart in segments are not free; those that they only named may be."""
        free: list[str] = []
        taken = cast.taken
        for label in map(label_of, count(1)):
            if label not in taken and not await self._store.voices.is_heard(transcript_id, label):
                free.append(label)
            if len(free) == FREE_KNOWN:
                cast.free = free
                return
