"""Statements about sound that is gone. Each runs inside the caller's transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.sound_tables import gone_sound


async def note_gone(conn: AsyncConnection, path: str, *, now: float) -> None:
    """``path``: of a track, or the id of a transcript, whose row this transaction holds. Next: remove it everywhere."""
    await forget(conn, path)
    await conn.execute(sa.insert(gone_sound).values(path=path, gone_at=now))


async def gone_after(conn: AsyncConnection, after: str, limit: int) -> list[tuple[str, float]]:
    """Paths and since when they are gone, by path."""
    rows = await conn.execute(
        sa.select(gone_sound.c.path, gone_sound.c.gone_at)
        .where(gone_sound.c.path > after)
        .order_by(gone_sound.c.path)
        .limit(limit)
    )
    return [(row.path, row.gone_at) for row in rows]


async def forget(conn: AsyncConnection, path: str) -> None:
    await conn.execute(sa.delete(gone_sound).where(gone_sound.c.path == path))
