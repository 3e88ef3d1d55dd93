"""Speakers that people made one, and how it is undone. Each runs inside the caller's transaction, which holds the
transcript's row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.ids import new_merge_id
from protocol.words import Segment
from server.store.records import Participant, StoredSegment, storable
from server.store.tables import tracks
from server.store.voice_tables import speaker_merges, track_voices

MERGES_MAX = 50  # of a transcript, the last ones: those before cannot be undone any more
PARTS_MAX = 5000  # tracks, voices, or segments that are named: 200 KB; a merge of more cannot be undone


@dataclass(frozen=True, slots=True)
class Moved:
    """What is told of one speaker: the ids of their tracks, numbers of voices on tracks, and the ids of segments that
    are not known by such a number."""

    tracks: frozenset[str] = frozenset()
    voices: frozenset[tuple[str, int]] = frozenset()
    segments: frozenset[str] = frozenset()

    @property
    def is_too_much(self) -> bool:
        return max(len(self.tracks), len(self.voices), len(self.segments)) > PARTS_MAX

    def brings(self, segment: Segment) -> bool:
        """Whether it is a guess by a voice of theirs, or of a track of their own."""
        if segment.speaker_set:
            return False
        if segment.voice:
            return (segment.track, segment.voice) in self.voices
        return segment.track in self.tracks


@dataclass(frozen=True, slots=True)
class Merge:
    """``first`` and ``second``: who each was before; ``stays``: the id of who was left, if both were somebody.

    ``undone_as``: it is being undone, and the first is called so from now on.
    """

    speaker_from: str
    speaker_to: str
    moved: Moved
    first: Participant | None
    second: Participant | None
    stays: str | None
    at: float = 0.0
    id: str = ""
    undone_as: str | None = None

    def takes_back(self, stored: StoredSegment) -> bool:
        """Whether it was the first's, or would have been."""
        segment = stored.segment
        if segment.label != self.speaker_to:
            return False
        if segment.segment_id in self.moved.segments:
            return True
        starts_at = stored.track_started_at + segment.start_samples / SAMPLE_RATE_HZ
        return self.moved.brings(segment) and (segment.voice is not None or starts_at >= self.at)


_MERGE = TypeAdapter(Merge)


async def owned(conn: AsyncConnection, transcript_id: str, speaker: str) -> Moved:
    """Tracks and voices of a speaker."""
    label = storable(speaker)
    here = tracks.c.transcript_id == transcript_id, tracks.c.speaker == label
    own = (await conn.execute(sa.select(tracks.c.id).where(*here))).scalars().all()
    there = track_voices.c.transcript_id == transcript_id, track_voices.c.label == label
    voices = (await conn.execute(sa.select(track_voices.c.track_id, track_voices.c.voice).where(*there))).all()
    return Moved(frozenset(own), frozenset((row.track_id, row.voice) for row in voices))


async def give_back(conn: AsyncConnection, transcript_id: str, merge: Merge, label: str) -> None:
    """Tracks and voices that still are the second's are the first's again, who is called ``label``."""
    was, new = storable(merge.speaker_to), storable(label)
    await conn.execute(
        sa.update(tracks)
        .where(tracks.c.transcript_id == transcript_id, tracks.c.speaker == was, tracks.c.id.in_(merge.moved.tracks))
        .values(speaker=new)
    )
    for track_id, voice in sorted(merge.moved.voices):
        await conn.execute(
            sa.update(track_voices)
            .where(track_voices.c.transcript_id == transcript_id, track_voices.c.label == was)
            .where(track_voices.c.track_id == track_id, track_voices.c.voice == voice)
            .values(label=new)
        )


async def note(conn: AsyncConnection, transcript_id: str, merge: Merge) -> str | None:
    """Its id, by which it is undone; None where that is too much to be kept. Then none before it can be undone, too."""
    here = speaker_merges.c.transcript_id == transcript_id
    if merge.moved.is_too_much:
        await conn.execute(sa.delete(speaker_merges).where(here))
        return None
    last = (await conn.execute(sa.select(sa.func.max(speaker_merges.c.number)).where(here))).scalar_one_or_none() or 0
    made = replace(merge, id=new_merge_id())
    values = {"id": made.id, "transcript_id": transcript_id, "number": last + 1, "created_at": merge.at}
    await conn.execute(sa.insert(speaker_merges).values(**values, body=_MERGE.dump_json(made).decode()))
    await conn.execute(sa.delete(speaker_merges).where(here, speaker_merges.c.number <= last + 1 - MERGES_MAX))
    return made.id


async def last(conn: AsyncConnection, transcript_id: str) -> Merge | None:
    """The last that was not undone."""
    found = await conn.execute(
        sa.select(speaker_merges.c.body, speaker_merges.c.undone_as)
        .where(speaker_merges.c.transcript_id == transcript_id)
        .order_by(speaker_merges.c.number.desc())
        .limit(1)
    )
    row = found.first()
    return None if row is None else replace(_MERGE.validate_json(row.body), undone_as=row.undone_as)


async def note_undone(conn: AsyncConnection, transcript_id: str, merge: Merge, label: str) -> None:
    """From now on the first is called so; segments follow. Merges before it that tell of that one by another label
    cannot be undone any more."""
    if label != merge.speaker_from:
        others = speaker_merges.c.transcript_id == transcript_id, speaker_merges.c.id != merge.id
        await conn.execute(sa.delete(speaker_merges).where(*others))
    await conn.execute(
        sa.update(speaker_merges).where(speaker_merges.c.id == merge.id).values(undone_as=storable(label))
    )


async def forget(conn: AsyncConnection, merge: Merge) -> None:
    """It was undone, with all that follows."""
    await conn.execute(sa.delete(speaker_merges).where(speaker_merges.c.id == merge.id))
