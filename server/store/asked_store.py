"""What the source of a track asked for, as text that ``server.heard_as`` makes and reads."""

from __future__ import annotations

import sqlalchemy as sa

from server.store.database import Transaction
from server.store.tables import tracks


class AskedStore:
    """Raises as ``Store`` does."""

    def __init__(self, write: Transaction) -> None:
        self._write = write

    async def put(self, track_id: str, asked: str | None) -> None:
        """Nothing where the track is gone."""
        async with self._write() as conn:
            await conn.execute(sa.update(tracks).where(tracks.c.id == track_id).values(asked=asked))
