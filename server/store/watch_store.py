"""How far journals have come, for those who wait for more, and where they stand. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from protocol.events import StatusChanged
from server.store.database import Transaction
from server.store.events import latest
from server.store.tables import transcripts


class WatchStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction) -> None:
        self._read = read

    async def last_seqs(self, transcript_ids: Collection[str]) -> dict[str, int]:
        """Of those that are there; what is in the bin is not."""
        wanted = sa.select(transcripts.c.id, transcripts.c.last_seq).where(
            transcripts.c.id.in_(transcript_ids),
            transcripts.c.deleted_at.is_(None),
            transcripts.c.destroyed_at.is_(None),
        )
        async with self._read() as conn:
            return {row.id: row.last_seq for row in await conn.execute(wanted)}

    async def last_status(self, transcript_id: str) -> StatusChanged | None:
        """What its journal told last of where it stands."""
        async with self._read() as conn:
            told = [event.body for event in await latest(conn, transcript_id, "status", limit=1)]
        return next((body for body in told if isinstance(body, StatusChanged)), None)
