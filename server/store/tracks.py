"""Statements about tracks. Each runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import NotFound
from protocol.events import Event, Transcribed
from server.store.changes import check_takes_sound, hold, touch
from server.store.node_store import check_held
from server.store.records import Track, storable
from server.store.tables import tracks, transcripts


def not_found(track_id: str) -> NotFound:
    return NotFound("no such track", details={"track_id": track_id})


async def create(conn: AsyncConnection, track: Track, *, now: float, held_by: str | None = None) -> Track:
    """``held_by``: as for ``change``."""
    if held_by is not None:
        await check_held(conn, track.transcript_id, held_by)
    # The transcript's row is held, so that it cannot go between the look and the insert.
    check_takes_sound(await hold(conn, track.transcript_id))
    speaker = None if track.speaker is None else storable(track.speaker)
    track = replace(track, name=storable(track.name), speaker=speaker)
    await conn.execute(sa.insert(tracks).values(**asdict(track)))
    if track.source == "file":
        await _of_a_file(conn, track, now)
    return track


async def _of_a_file(conn: AsyncConnection, track: Track, now: float) -> None:
    """A transcript made to stream into that a file comes to first is one of a file."""
    others = sa.exists().where(tracks.c.transcript_id == track.transcript_id, tracks.c.id != track.id)
    done = await conn.execute(
        sa.update(transcripts)
        .where(transcripts.c.id == track.transcript_id, transcripts.c.source_kind == "live", ~others)
        .values(source_kind="file")
    )
    if done.rowcount:
        await touch(conn, [track.transcript_id], now=now)


async def get(conn: AsyncConnection, track_id: str) -> Track:
    row = (await conn.execute(sa.select(tracks).where(tracks.c.id == track_id))).one_or_none()
    if row is None:
        raise not_found(track_id)
    return record(row)


async def tracks_of(conn: AsyncConnection, transcript_id: str) -> list[Track]:
    """In the order they began; of those that began as one, as a meeting's do, by their speakers' numbers."""
    speaker = tracks.c.speaker
    order = tracks.c.started_at, sa.func.length(speaker), speaker, tracks.c.id
    rows = await conn.execute(sa.select(tracks).where(tracks.c.transcript_id == transcript_id).order_by(*order))
    return [record(row) for row in rows]


async def change(conn: AsyncConnection, track_id: str, values: dict[str, Any], *, held_by: str | None = None) -> Track:
    """``held_by``: the node that must hold its transcript. Raises ``NotFound``, ``HeldElsewhere``."""
    if held_by is not None:
        await check_held(conn, (await get(conn, track_id)).transcript_id, held_by)
    if values.get("state") == "open":  # again: more sound is to come
        check_takes_sound(await hold(conn, (await get(conn, track_id)).transcript_id))
    values = {key: storable(value) if isinstance(value, str) else value for key, value in values.items()}
    if values:
        await conn.execute(sa.update(tracks).where(tracks.c.id == track_id).values(**values))
    return await get(conn, track_id)


async def delete(conn: AsyncConnection, track_id: str, *, held_by: str | None = None) -> None:
    """Idempotent. ``held_by``: as for ``change``."""
    if held_by is not None:
        try:
            await check_held(conn, (await get(conn, track_id)).transcript_id, held_by)
        except NotFound:
            return
    await conn.execute(sa.delete(tracks).where(tracks.c.id == track_id))


async def write_heard(conn: AsyncConnection, events: Sequence[Event]) -> None:
    """Let each track's ``transcribed_samples`` follow its finals: stored with them, so that a restart that hears the
    rest again says none of them twice."""
    heard: dict[str, int] = {}
    for event in events:
        if isinstance(event.body, Transcribed):
            segment = event.body.segment
            end_samples = max([event.body.heard_samples, segment.end_samples, *(w.end_samples for w in segment.words)])
            heard[segment.track] = max(end_samples, heard.get(segment.track, 0))
    if not heard:
        return
    end = sa.bindparam("end_samples", type_=sa.BigInteger)
    await conn.execute(
        sa.update(tracks)
        .where(tracks.c.id == sa.bindparam("of_track"), tracks.c.transcribed_samples < end)
        .values(
            transcribed_samples=end,
            # So that it can be seen to grow while it is recorded; the finish writes what it is.
            length_samples=sa.case((tracks.c.length_samples < end, end), else_=tracks.c.length_samples),
        ),
        [{"of_track": track_id, "end_samples": end_samples} for track_id, end_samples in sorted(heard.items())],
    )


def record(row: sa.Row[Any]) -> Track:
    return Track(**row._mapping)
