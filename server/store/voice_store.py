"""Voices that are told apart on tracks: what each is called, and the prints they are known by. Every method is one
transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.states import OVER
from server.store.changes import check_unlocked, hold
from server.store.database import Transaction
from server.store.enrolled_store import EnrolledStore
from server.store.node_store import is_free_for
from server.store.records import Track
from server.store.segments import aside, is_heard
from server.store.tables import tracks, transcripts
from server.store.tracks import tracks_of
from server.store.voice_tables import track_voices, voice_prints

Step = tuple[int, int, int]  # start and end samples, and the number of the voice


@dataclass(frozen=True, slots=True)
class StoredPrints:
    """The embeddings of one final's speech: of each step a row of ``dim`` signed bytes."""

    track_id: str
    encoder: str
    dim: int
    steps: tuple[Step, ...]
    embeddings: bytes = field(repr=False)

    @property
    def start_samples(self) -> int:
        return min(start for start, _, _ in self.steps)

    @property
    def end_samples(self) -> int:
        return max(end for _, end, _ in self.steps)


class VoiceStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self.enrolled = EnrolledStore(read, write, clock)

    async def labels_of(self, transcript_id: str) -> dict[tuple[str, int], str]:
        """By track and number, but for voice 0 of each track."""
        async with self._read() as conn:
            return await labels_of(conn, transcript_id)

    async def is_heard(self, transcript_id: str, label: str) -> bool:
        """Whether a segment is of the speaker with this label."""
        async with self._read() as conn:
            return await is_heard(conn, transcript_id, label)

    async def put_labels(self, transcript_id: str, labels: Mapping[tuple[str, int], str]) -> None:
        """What was called something before stays so. Nothing is said of tracks that are gone."""
        async with self._write() as conn:
            await _put_labels(conn, transcript_id, labels)

    async def tidy_labels(self, track: Track, forgotten: Collection[int], renamed: Mapping[str, str]) -> None:
        """Voices of a track that have no label any more, by number, and labels that are called otherwise, each after
        those whose place it takes. Raises ``NotFound``, and ``Conflict`` where the transcript is locked."""
        of_track = track_voices.c.track_id == track.id
        async with self._write() as conn:
            check_unlocked(await hold(conn, track.transcript_id))
            await conn.execute(sa.delete(track_voices).where(of_track, track_voices.c.voice.in_(forgotten)))
            for label, new in renamed.items():
                await conn.execute(
                    sa.update(track_voices).where(of_track, track_voices.c.label == label).values(label=new)
                )

    async def keep(self, transcript_id: str, prints: StoredPrints) -> bool:
        """What is there of the same sound or of later is replaced: it was of words that were never told. False where
        none may be kept: the sound was deleted, or all of it."""
        async with self._write() as conn:
            kept = await conn.execute(
                sa.select(transcripts.c.id)
                .join(tracks, tracks.c.transcript_id == transcripts.c.id)
                .where(
                    transcripts.c.id == transcript_id,
                    tracks.c.id == prints.track_id,
                    transcripts.c.audio_deleted.is_(False),
                    transcripts.c.destroyed_at.is_(None),
                )
                .with_for_update(read=True, key_share=True)
            )
            if kept.first() is None:
                return False
            of_track = voice_prints.c.track_id == prints.track_id
            await conn.execute(
                sa.delete(voice_prints).where(of_track, voice_prints.c.end_samples > prints.start_samples)
            )
            row = {"transcript_id": transcript_id, **_row(prints)}
            await conn.execute(sa.insert(voice_prints).values(**row))
            await conn.execute(
                sa.update(tracks).where(tracks.c.id == prints.track_id).values(printed_samples=prints.end_samples)
            )
            return True

    async def prints_of(self, track_id: str) -> list[StoredPrints]:
        """In the order of their sound."""
        async with self._read() as conn:
            return await prints_of(conn, track_id)

    async def regroup(self, track: Track, steps: Mapping[int, Sequence[Step]]) -> None:
        """Say anew whose voice the steps of prints are, by where these begin. Raises ``NotFound``, and ``Conflict``
        where the transcript is locked."""
        async with self._write() as conn:
            check_unlocked(await hold(conn, track.transcript_id))
            if steps:
                await conn.execute(
                    sa.update(voice_prints)
                    .where(
                        voice_prints.c.track_id == track.id, voice_prints.c.start_samples == sa.bindparam("of_start")
                    )
                    .values(steps=sa.bindparam("new_steps")),
                    [{"of_start": start, "new_steps": _json(changed)} for start, changed in steps.items()],
                )

    async def ask(self, track_id: str, *, speakers_expected: int | None, max_speakers: int | None) -> None:
        """What is known of how many there are, from now on."""
        async with self._write() as conn:
            values = {"speakers_expected": speakers_expected, "max_speakers": max_speakers}
            await conn.execute(sa.update(tracks).where(tracks.c.id == track_id).values(**values))

    async def grouped(self, track_id: str, through_samples: int) -> None:
        """All prints up to there went into a pass, and all segments say what it found."""
        async with self._write() as conn:
            await conn.execute(sa.update(tracks).where(tracks.c.id == track_id).values(grouped_samples=through_samples))

    async def due(self, *, limit: int, without: Sequence[str] = (), node_id: str) -> list[str]:
        """Transcripts at their end with prints that no pass has had, and that may be changed, also by that node."""
        wanted = (
            sa.select(transcripts.c.id)
            .where(
                transcripts.c.state.in_([state.value for state in OVER]),
                transcripts.c.deleted_at.is_(None),
                transcripts.c.locked.is_(False),
                transcripts.c.id.not_in(without),
                is_free_for(node_id),
                transcripts.c.id.in_(
                    sa.select(tracks.c.transcript_id).where(tracks.c.printed_samples > tracks.c.grouped_samples)
                ),
            )
            .order_by(transcripts.c.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return list((await conn.execute(wanted)).scalars())


async def labels_of(conn: AsyncConnection, transcript_id: str) -> dict[tuple[str, int], str]:
    rows = await conn.execute(sa.select(track_voices).where(track_voices.c.transcript_id == transcript_id))
    return {(row.track_id, row.voice): row.label for row in rows}


async def _put_labels(conn: AsyncConnection, transcript_id: str, labels: Mapping[tuple[str, int], str]) -> None:
    if not labels:
        return
    there = {track.id for track in await tracks_of(conn, transcript_id)}
    known = await labels_of(conn, transcript_id)
    rows = [
        {"transcript_id": transcript_id, "track_id": track_id, "voice": voice, "label": label}
        for (track_id, voice), label in labels.items()
        if track_id in there and (track_id, voice) not in known
    ]
    if rows:
        await conn.execute(sa.insert(track_voices), rows)


async def prints_of(conn: AsyncConnection, track_id: str) -> list[StoredPrints]:
    rows = await conn.execute(
        sa.select(voice_prints).where(voice_prints.c.track_id == track_id).order_by(voice_prints.c.start_samples)
    )
    return await aside(_stored, rows.all())


def _row(prints: StoredPrints) -> dict[str, Any]:
    return {
        "track_id": prints.track_id,
        "start_samples": prints.start_samples,
        "end_samples": prints.end_samples,
        "encoder": prints.encoder,
        "dim": prints.dim,
        "steps": _json(prints.steps),
        "embeddings": prints.embeddings,
    }


def _json(steps: Sequence[Step]) -> str:
    return json.dumps(steps, separators=(",", ":"))


def _stored(row: sa.Row[Any]) -> StoredPrints:
    steps = tuple((start, end, voice) for start, end, voice in json.loads(row.steps))
    return StoredPrints(row.track_id, row.encoder, row.dim, steps, row.embeddings)
