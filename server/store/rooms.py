"""Statements about rooms. Each runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound
from server.store.meeting_records import Room
from server.store.standing import Viewer, listed_for
from server.store.tables import rooms

_LIVING = rooms.c.deleted_at.is_(None)


def not_found() -> NotFound:
    return NotFound("no such room")


async def create(conn: AsyncConnection, room: Room) -> Room:
    """Raises ``Conflict`` when a living room has the name."""
    values = {name: getattr(room, name) for name in Room.__dataclass_fields__} | {"settings": json.dumps(room.settings)}
    async with _name_is_free(conn, room.name):
        await conn.execute(sa.insert(rooms).values(**values))
    return room


async def get(conn: AsyncConnection, room_id: str, *, hold: bool = False) -> Room:
    """A room that is not deleted. ``hold``: nobody else changes it, or what is in it, before the transaction ends."""
    wanted = sa.select(rooms).where(rooms.c.id == room_id, _LIVING)
    row = (await conn.execute(wanted.with_for_update() if hold else wanted)).one_or_none()
    if row is None:
        raise not_found()
    return record(row)


async def named(conn: AsyncConnection, name: str) -> Room:
    row = (await conn.execute(sa.select(rooms).where(rooms.c.name == name, _LIVING))).one_or_none()
    if row is None:
        raise not_found()
    return record(row)


async def page(conn: AsyncConnection, *, number: int, size: int, viewer: Viewer) -> tuple[list[Room], int]:
    """Newest first."""
    wanted = sa.and_(_LIVING, listed_for(rooms, viewer))
    total = (await conn.execute(sa.select(sa.func.count()).select_from(rooms).where(wanted))).scalar_one()
    rows = await conn.execute(
        sa.select(rooms)
        .where(wanted)
        .order_by(rooms.c.created_at.desc(), rooms.c.id.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return [record(row) for row in rows], total


async def count(conn: AsyncConnection) -> int:
    return (await conn.execute(sa.select(sa.func.count()).select_from(rooms).where(_LIVING))).scalar_one()


async def change(conn: AsyncConnection, room_id: str, values: dict[str, Any], *, now: float) -> Room:
    if "settings" in values:
        values = values | {"settings": json.dumps(values["settings"])}
    async with _name_is_free(conn, str(values.get("name", ""))):
        done = await conn.execute(
            sa.update(rooms).where(rooms.c.id == room_id, _LIVING).values(**values, updated_at=now)
        )
    if done.rowcount == 0:
        raise not_found()
    return await get(conn, room_id)


async def delete(conn: AsyncConnection, room_id: str, *, now: float) -> None:
    """It stays for the transcripts that name it; its own name is free again."""
    done = await conn.execute(
        sa.update(rooms).where(rooms.c.id == room_id, _LIVING).values(deleted_at=now, updated_at=now)
    )
    if done.rowcount == 0:
        raise not_found()


@asynccontextmanager
async def _name_is_free(conn: AsyncConnection, name: str) -> AsyncIterator[None]:
    """The index decides, so that of two who take a name at once one is told. What stood before stays usable."""
    try:
        async with conn.begin_nested():
            yield
    except IntegrityError:
        raise Conflict("a room of this name is there already; choose another name", details={"name": name}) from None


def record(row: sa.Row[Any]) -> Room:
    return Room(
        id=row.id,
        name=row.name,
        owner=row.owner,
        platform=row.platform,
        share_mode=row.share_mode,
        is_locked=row.is_locked,
        language=row.language,
        settings=json.loads(row.settings),
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )
