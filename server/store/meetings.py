"""Statements about meetings and their participants. Each runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import NotFound
from server.store.meeting_records import Attendance, Meeting, MeetingState, Room
from server.store.rooms import record as room_record
from server.store.standing import Viewer
from server.store.tables import attendances, meetings, rooms, transcripts

_OPEN = [MeetingState.ACTIVE.value, MeetingState.ENDING.value]


def not_found() -> NotFound:
    return NotFound("no such meeting")


async def create(conn: AsyncConnection, meeting: Meeting) -> None:
    values = {name: getattr(meeting, name) for name in Meeting.__dataclass_fields__ if name != "room"}
    await conn.execute(sa.insert(meetings).values(**values | {"state": meeting.state.value}))


async def get(conn: AsyncConnection, meeting_id: str, *, hold: bool = False) -> Meeting:
    """``hold``: nobody else joins, leaves or ends it before the transaction is over."""
    if hold:
        await conn.execute(sa.select(meetings.c.id).where(meetings.c.id == meeting_id).with_for_update())
    found = await _select(conn, meetings.c.id == meeting_id)
    if not found:
        raise not_found()
    return found[0]


async def active_in(conn: AsyncConnection, room_id: str) -> Meeting | None:
    wanted = sa.and_(meetings.c.room_id == room_id, meetings.c.state == MeetingState.ACTIVE.value)
    found = await _select(conn, wanted)
    return found[0] if found else None


async def open_ones(conn: AsyncConnection) -> list[Meeting]:
    """Those that are active, and those that something is still due for."""
    return await _select(conn, meetings.c.state.in_(_OPEN))


async def count_active(conn: AsyncConnection, *, owner: str | None = None) -> int:
    """Of one owner, or of all."""
    wanted: sa.ColumnElement[bool] = meetings.c.state == MeetingState.ACTIVE.value
    if owner is not None:
        wanted = sa.and_(wanted, meetings.c.owner == owner)
    return (await conn.execute(sa.select(sa.func.count()).select_from(meetings).where(wanted))).scalar_one()


async def page(
    conn: AsyncConnection,
    *,
    number: int,
    size: int,
    viewer: Viewer,
    room_id: str | None,
    active: bool | None,
) -> tuple[list[Meeting], int]:
    """Newest first: all of them, or those that ``viewer`` owns or attended."""
    conditions: list[sa.ColumnElement[bool]] = []
    if viewer.user_id is not None and not viewer.sees_all:
        attended = sa.select(attendances.c.meeting_id).where(attendances.c.user_id == viewer.user_id)
        conditions.append(sa.or_(meetings.c.owner == viewer.user_id, meetings.c.id.in_(attended)))
    elif not viewer.sees_all:
        conditions.append(meetings.c.owner.is_(None))
    if room_id is not None:
        conditions.append(meetings.c.room_id == room_id)
    if active is not None:
        is_active = meetings.c.state == MeetingState.ACTIVE.value
        conditions.append(is_active if active else sa.not_(is_active))
    wanted = sa.and_(sa.true(), *conditions)
    total = (await conn.execute(sa.select(sa.func.count()).select_from(meetings).where(wanted))).scalar_one()
    return await _select(conn, wanted, limit=size, offset=(number - 1) * size), total


async def set_state(
    conn: AsyncConnection, meeting_id: str, state: MeetingState, *, ended_at: float | None = None
) -> None:
    values: dict[str, Any] = {"state": state.value}
    if ended_at is not None:
        values["ended_at"] = ended_at
    await conn.execute(sa.update(meetings).where(meetings.c.id == meeting_id).values(**values))


async def _select(
    conn: AsyncConnection, wanted: sa.ColumnElement[bool], *, limit: int | None = None, offset: int = 0
) -> list[Meeting]:
    rows = (
        await conn.execute(
            sa.select(meetings)
            .where(wanted)
            .order_by(meetings.c.created_at.desc(), meetings.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
    ).all()
    # Deleted rooms too: their meetings still happened in them.
    found = await conn.execute(sa.select(rooms).where(rooms.c.id.in_({row.room_id for row in rows})))
    of_room = {row.id: room_record(row) for row in found}
    return [_record(row, of_room[row.room_id]) for row in rows]


def _record(row: sa.Row[Any], room: Room) -> Meeting:
    return Meeting(
        id=row.id,
        room_id=row.room_id,
        room=room,
        owner=row.owner,
        platform=row.platform,
        provider_id=row.provider_id,
        room_url=row.room_url,
        host_room_url=row.host_room_url,
        transcript_id=row.transcript_id,
        state=MeetingState(row.state),
        created_at=row.created_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
    )


# Participants.


async def attend(conn: AsyncConnection, attendance: Attendance, token_hash: str) -> None:
    values = {name: getattr(attendance, name) for name in Attendance.__dataclass_fields__}
    await conn.execute(sa.insert(attendances).values(**values, token_hash=token_hash))


async def attendances_of(conn: AsyncConnection, meeting_id: str) -> list[Attendance]:
    """In the order they joined."""
    rows = await conn.execute(
        sa.select(attendances)
        .where(attendances.c.meeting_id == meeting_id)
        .order_by(attendances.c.joined_at, attendances.c.id)
    )
    return _attendances(rows.all())


async def attendance_by_token(conn: AsyncConnection, token_hash: str) -> Attendance | None:
    rows = await conn.execute(sa.select(attendances).where(attendances.c.token_hash == token_hash))
    found = _attendances(rows.all())
    return found[0] if found else None


async def change_attendance(conn: AsyncConnection, attendance_id: str, values: dict[str, Any]) -> None:
    await conn.execute(sa.update(attendances).where(attendances.c.id == attendance_id).values(**values))


async def was_denied(conn: AsyncConnection, meeting_id: str) -> bool:
    """Whether anybody does not want the sound kept."""
    found = await conn.execute(
        sa.select(attendances.c.id)
        .where(attendances.c.meeting_id == meeting_id, attendances.c.consent.is_(False))
        .limit(1)
    )
    return found.first() is not None


async def has_sound(conn: AsyncConnection, meeting: Meeting) -> bool:
    """Whether sound may be kept of it, as far as its transcript says."""
    found = await conn.execute(
        sa.select(transcripts.c.id).where(
            transcripts.c.id == meeting.transcript_id,
            transcripts.c.audio_deleted.is_(False),
            transcripts.c.destroyed_at.is_(None),
        )
    )
    return found.first() is not None


def _attendances(rows: Sequence[sa.Row[Any]]) -> list[Attendance]:
    return [
        Attendance(
            id=row.id,
            meeting_id=row.meeting_id,
            name=row.name,
            user_id=row.user_id,
            joined_at=row.joined_at,
            left_at=row.left_at,
            consent=row.consent,
        )
        for row in rows
    ]
