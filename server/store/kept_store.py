"""Where the sound of tracks lies, and what is gone. Every method is one transaction."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.database import Transaction
from server.store.gone_sound import forget, gone_after
from server.store.kept_picture_store import KeptPictureStore
from server.store.kept_rows import KeptRows
from server.store.node_store import check_held, database_now
from server.store.records import Track
from server.store.tables import tracks
from server.store.tracks import get, not_found, record


class KeptStore(KeptRows[Track]):
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        super().__init__(read, write, tracks, record, tracks.c.state != "open")
        self.pictures = KeptPictureStore(read, write)

    async def take(self, id_: str, folder: str, *, held_by: str | None = None) -> int:
        """The track's file in that folder is the one that grows from now on; returns its turn, greater than any before,
        also of a track of the same id that was deleted. ``held_by``: the node that must hold its transcript; raises
        ``HeldElsewhere``."""
        async with self._write() as conn:
            # By one clock for all: that of the node that had a deleted one of this id may have been ahead of ours.
            first = sa.cast(database_now(conn), sa.BigInteger)
            if held_by is not None:
                await check_held(conn, (await get(conn, id_)).transcript_id, held_by)
            rows = await conn.execute(
                sa.update(tracks)
                .where(tracks.c.id == id_)
                .values(
                    kept_in=folder,
                    kept_turn=sa.case((tracks.c.kept_turn == 0, first), else_=tracks.c.kept_turn + 1),
                    is_remote=False,
                )
                .returning(tracks.c.kept_turn)
            )
            turn = rows.scalar_one_or_none()
        if turn is None:
            raise not_found(id_)
        return int(turn)

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
