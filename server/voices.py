"""Whose words are being said: the labels of the tracks that are live, and the names that people gave them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from server.locks import Locks
from server.store.records import Track
from server.store.store import Store


@dataclass(frozen=True, slots=True)
class Voice:
    """``label`` is what a track's voice is called by itself, ``name`` who readers are told it is."""

    label: str | None
    name: str | None


@dataclass(slots=True)
class _Cast:
    labels: dict[str, str | None] = field(default_factory=dict)  # by track
    names: dict[str, str] = field(default_factory=dict)  # by label
    last: str | None = None  # the label of who spoke last


class Voices:
    """What the store says of the speakers of transcripts with sessions, kept for those that tell words.

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
            await self._read(transcript_id)

    def forget(self, transcript_id: str) -> None:
        """There is no session any more."""
        self._casts.pop(transcript_id, None)

    @asynccontextmanager
    async def changing(self, transcript_id: str) -> AsyncIterator[None]:
        """For whoever changes labels of tracks, or names, in the store."""
        async with self._locks.of(transcript_id):
            try:
                yield
            finally:
                if transcript_id in self._casts:
                    await self._read(transcript_id)

    def of(self, track: Track) -> Voice:
        cast = self._casts.get(track.transcript_id)
        if cast is None:
            return Voice(track.speaker, track.speaker)
        label = cast.labels.get(track.id, track.speaker)
        return Voice(label, label if label is None else cast.names.get(label, label))

    def begins(self, track: Track) -> bool:
        """Whether the track's voice is another than the one that spoke last in the transcript; now it is the last."""
        cast = self._casts.get(track.transcript_id)
        if cast is None:
            return True
        label = self.of(track).label or ""
        before, cast.last = cast.last, label
        return before != label

    async def _read(self, transcript_id: str) -> None:
        tracks = await self._store.tracks_of(transcript_id)
        participants = await self._store.participants_of(transcript_id)
        cast = self._casts.setdefault(transcript_id, _Cast())
        cast.labels = {track.id: track.speaker for track in tracks}
        cast.names = {each.speaker: each.name for each in participants if each.speaker is not None}
