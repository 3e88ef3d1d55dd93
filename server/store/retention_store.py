"""What a project's retention is about. Every method is one transaction."""

from __future__ import annotations

import json

import sqlalchemy as sa

from server.store.database import Transaction
from server.store.project_tables import conversations, projects
from server.store.tables import transcripts

FIELD = "retention_days"


class RetentionStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction) -> None:
        self._read = read

    async def projects_after(self, after: str, *, limit: int) -> list[tuple[str, int]]:
        """Ids of projects with a retention, deleted ones as well, and how many days it is; by id, behind ``after``."""
        wanted = (
            sa.select(projects.c.id, projects.c.portal)
            .where(projects.c.id > after, projects.c.portal.contains(f'"{FIELD}"'))
            .order_by(projects.c.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return [(row.id, int(json.loads(row.portal).get(FIELD) or 0)) for row in await conn.execute(wanted)]

    async def ended_before(
        self, project_id: str, at: float, after: tuple[float, str], *, limit: int
    ) -> list[tuple[float, str]]:
        """When they were made and their ids, of the project's conversations that began before ``at`` and are at their
        end, those in the bin as well; the oldest first, from behind ``after`` on."""
        key = sa.tuple_(conversations.c.created_at, conversations.c.id)
        wanted = (
            sa.select(conversations.c.created_at, conversations.c.id)
            .join(transcripts, transcripts.c.id == conversations.c.id)
            .where(conversations.c.project_id == project_id, conversations.c.created_at < at, key > after)
            .where(sa.or_(conversations.c.closed_at.is_not(None), transcripts.c.deleted_at.is_not(None)))
            .where(transcripts.c.destroyed_at.is_(None))
            .order_by(conversations.c.created_at, conversations.c.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return [(row.created_at, row.id) for row in await conn.execute(wanted)]
