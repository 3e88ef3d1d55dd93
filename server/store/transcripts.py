"""Statements about transcripts. Each runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import NotFound
from protocol.events import Event, Summarised
from protocol.states import TRANSCRIPT_MOVES, TranscriptState, move
from server.store.records import Track, Transcript, covered_samples, storable
from server.store.standing import Viewer, listed_for
from server.store.tables import tracks, transcripts
from server.store.tracks import tracks_of

UNFINISHED = (TranscriptState.RECORDING, TranscriptState.PAUSED, TranscriptState.PROCESSING)


def not_found(transcript_id: str) -> NotFound:
    return NotFound("no such transcript", details={"transcript_id": transcript_id})


async def create(
    conn: AsyncConnection, transcript_id: str, *, name: str, language: str, owner: str | None, now: float
) -> Transcript:
    await conn.execute(
        sa.insert(transcripts).values(
            id=transcript_id,
            name=storable(name),
            state=TranscriptState.IDLE.value,
            language=storable(language),
            created_at=now,
            updated_at=now,
            owner=owner,
            last_seq=0,
            segments=0,
            words=0,
        )
    )
    return await get(conn, transcript_id)


async def put_and_take(conn: AsyncConnection, transcript_id: str, *, now: float) -> None:
    """Write, and leave nothing: both databases put even this on their disk at the commit, as they do not know."""
    await create(conn, transcript_id, name="", language="", owner=None, now=now)
    await conn.execute(sa.delete(transcripts).where(transcripts.c.id == transcript_id))


async def get(conn: AsyncConnection, transcript_id: str) -> Transcript:
    row = (await conn.execute(sa.select(transcripts).where(transcripts.c.id == transcript_id))).one_or_none()
    if row is None:
        raise not_found(transcript_id)
    return (await _records(conn, [row]))[0]


async def page(
    conn: AsyncConnection, *, number: int, size: int, search: str, viewer: Viewer
) -> tuple[list[Transcript], int]:
    """Page ``number`` (from 1), newest first, and how many there are in all."""
    wanted = listed_for(transcripts, viewer)
    if search:
        wanted &= transcripts.c.name.icontains(storable(search), autoescape=True)
    total = (await conn.execute(sa.select(sa.func.count()).select_from(transcripts).where(wanted))).scalar_one()
    rows = await conn.execute(
        sa.select(transcripts)
        .where(wanted)
        .order_by(transcripts.c.created_at.desc(), transcripts.c.id.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return await _records(conn, rows.all()), total


async def change(conn: AsyncConnection, transcript_id: str, values: dict[str, Any], *, now: float) -> Transcript:
    if "summary" in values:
        values["summary"] = None if values["summary"] is None else json.dumps(values["summary"])
    values = {key: storable(value) if isinstance(value, str) else value for key, value in values.items()}
    done = await conn.execute(
        sa.update(transcripts).where(transcripts.c.id == transcript_id).values(**values, updated_at=now)
    )
    if done.rowcount == 0:
        raise not_found(transcript_id)
    return await get(conn, transcript_id)


async def set_state(conn: AsyncConnection, transcript_id: str, there: TranscriptState, *, now: float) -> Transcript:
    # The row is held, so that of two moves at once the second sees where the first one went.
    here = await conn.execute(sa.select(transcripts.c.state).where(transcripts.c.id == transcript_id).with_for_update())
    state = here.scalar_one_or_none()
    if state is None:
        raise not_found(transcript_id)
    moved = move(TRANSCRIPT_MOVES, TranscriptState(state), there)
    return await change(conn, transcript_id, {"state": moved.value}, now=now)


async def delete(conn: AsyncConnection, transcript_id: str) -> list[Track]:
    """Everything of it goes with it (foreign keys cascade). Returns its tracks: their files are the caller's."""
    held = await conn.execute(sa.select(transcripts.c.id).where(transcripts.c.id == transcript_id).with_for_update())
    if held.scalar_one_or_none() is None:
        raise not_found(transcript_id)
    gone = await tracks_of(conn, transcript_id)
    await conn.execute(sa.delete(transcripts).where(transcripts.c.id == transcript_id))
    return gone


async def unfinished(conn: AsyncConnection) -> list[Transcript]:
    rows = await conn.execute(
        sa.select(transcripts)
        .where(transcripts.c.state.in_([state.value for state in UNFINISHED]))
        .order_by(transcripts.c.created_at, transcripts.c.id)
    )
    return await _records(conn, rows.all())


async def write_summaries(conn: AsyncConnection, events: Iterable[Event]) -> None:
    """The newest summary of each transcript in ``events`` becomes the transcript's."""
    newest = {event.transcript_id: event.body for event in events if isinstance(event.body, Summarised)}
    for transcript_id, body in newest.items():
        text = json.dumps(body.model_dump(exclude={"type"}))
        await conn.execute(sa.update(transcripts).where(transcripts.c.id == transcript_id).values(summary=text))


async def _records(conn: AsyncConnection, rows: Sequence[sa.Row[Any]]) -> list[Transcript]:
    lengths: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    if rows:
        found = await conn.execute(
            sa.select(tracks.c.transcript_id, tracks.c.started_at, tracks.c.length_samples).where(
                tracks.c.transcript_id.in_([row.id for row in rows])
            )
        )
        for transcript_id, started_at, length_samples in found:
            lengths[transcript_id].append((started_at, length_samples))
    return [_record(row, covered_samples(lengths[row.id])) for row in rows]


def _record(row: sa.Row[Any], duration_samples: int) -> Transcript:
    return Transcript(
        id=row.id,
        name=row.name,
        state=TranscriptState(row.state),
        language=row.language,
        created_at=row.created_at,
        updated_at=row.updated_at,
        owner=row.owner,
        summary=None if row.summary is None else json.loads(row.summary),
        last_seq=row.last_seq,
        segments=row.segments,
        words=row.words,
        duration_samples=duration_samples,
    )
