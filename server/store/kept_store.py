"""Where the sound of tracks lies: in which folder, and whether all of it is in the bucket. Every method is one
transaction."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from server.store.database import Transaction
from server.store.gone_sound import forget, gone_after
from server.store.node_store import check_held, database_now
from server.store.records import Track
from server.store.tables import tracks, transcripts
from server.store.tracks import get, not_found, record

_HAS_SOUND = sa.exists().where(
    transcripts.c.id == tracks.c.transcript_id,
    transcripts.c.audio_deleted.is_(False),
    transcripts.c.destroyed_at.is_(None),
)


class KeptStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read = read
        self._write = write

    async def take(self, track_id: str, folder: str, *, held_by: str | None = None) -> int:
        """The track's file in that folder is the one that grows from now on; returns its turn, greater than any before,
        also of a track of the same id that was deleted. ``held_by``: the node that must hold its transcript; raises
        ``HeldElsewhere``."""
        async with self._write() as conn:
            # By one clock for all: that of the node that had a deleted one of this id may have been ahead of ours.
            first = sa.cast(database_now(conn), sa.BigInteger)
            if held_by is not None:
                await check_held(conn, (await get(conn, track_id)).transcript_id, held_by)
            rows = await conn.execute(
                sa.update(tracks)
                .where(tracks.c.id == track_id)
                .values(
                    kept_in=folder,
                    kept_turn=sa.case((tracks.c.kept_turn == 0, first), else_=tracks.c.kept_turn + 1),
                    is_remote=False,
                )
                .returning(tracks.c.kept_turn)
            )
            turn = rows.scalar_one_or_none()
        if turn is None:
            raise not_found(track_id)
        return int(turn)

    async def next_turn(self, track_id: str, turn: int) -> int | None:
        """The one after ``turn``, of the same folder; None when another has begun, or there is no such track."""
        async with self._write() as conn:
            done = await conn.execute(
                sa.update(tracks).where(tracks.c.id == track_id, tracks.c.kept_turn == turn).values(kept_turn=turn + 1)
            )
            return turn + 1 if done.rowcount else None

    async def arrived(self, track_id: str, turn: int) -> bool:
        """All of its file is in the bucket, unless another turn has begun. False where none of it may be there: it was
        deleted."""
        async with self._write() as conn:
            await conn.execute(
                sa.update(tracks)
                .where(tracks.c.id == track_id, tracks.c.kept_turn == turn, _HAS_SOUND)
                .values(is_remote=True)
            )
            found = await conn.execute(sa.select(tracks.c.id).where(tracks.c.id == track_id, _HAS_SOUND))
            return found.scalar_one_or_none() is not None

    async def left(self, folder: str, after: str, *, limit: int, nobodys: bool = False) -> list[Track]:
        """Tracks at their end whose file lies in that folder, or in nobody knows which (``nobodys``), and is not all in
        the bucket; by id, behind ``after``."""
        here = tracks.c.kept_in == folder
        wanted = (
            sa.select(tracks)
            .where(tracks.c.id > after, tracks.c.is_remote.is_(False), tracks.c.state != "open", _HAS_SOUND)
            .where(sa.or_(here, tracks.c.kept_in.is_(None)) if nobodys else here)
            .order_by(tracks.c.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return [record(row) for row in await conn.execute(wanted)]

    async def folders(self, track_ids: Sequence[str]) -> dict[str, str | None]:
        """In which folder the file of each lies; without those that there are not."""
        wanted = sa.select(tracks.c.id, tracks.c.kept_in).where(tracks.c.id.in_(track_ids), _HAS_SOUND)
        async with self._read() as conn:
            return {row.id: row.kept_in for row in await conn.execute(wanted)}

    async def gone(self, after: str, *, limit: int) -> list[tuple[str, float]]:
        """Paths of which nothing may be in the bucket, and since when; by path, behind ``after``."""
        async with self._read() as conn:
            return await gone_after(conn, after, limit)

    async def is_again(self, path: str) -> bool:
        """Whether there is a track of that path, after all."""
        async with self._read() as conn:
            found = await conn.execute(sa.select(tracks.c.id).where(tracks.c.path == path).limit(1))
            return found.scalar_one_or_none() is not None

    async def forget_gone(self, path: str) -> None:
        async with self._write() as conn:
            await forget(conn, path)
