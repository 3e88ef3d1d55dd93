"""Titles and summaries that are made of conversations' words. Every method is one transaction.

The text of the summary itself is written by its event (``transcripts.write_summaries``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store import transcripts, webhooks
from server.store.changes import hold
from server.store.database import Transaction
from server.store.project_tables import conversation_summaries as made
from server.store.project_tables import conversations
from server.store.records import storable
from server.store.tables import transcripts as all_transcripts

SUMMARIZED = "conversation.summarized"


@dataclass(frozen=True, slots=True)
class Due:
    """A conversation that came to its end at ``closed_at`` (epoch seconds), and has no summary of that end."""

    conversation_id: str
    project_id: str
    closed_at: float
    was_made: bool  # of an end before


class SummaryStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def due(self, *, limit: int) -> list[Due]:
        """The longest due first."""
        is_stale = sa.or_(made.c.made_for.is_(None), made.c.made_for != conversations.c.closed_at)
        wanted = (
            sa.select(
                conversations.c.id,
                conversations.c.project_id,
                conversations.c.closed_at,
                sa.func.coalesce(made.c.title, "") != "",
            )
            .join(all_transcripts, all_transcripts.c.id == conversations.c.id)
            .outerjoin(made, made.c.conversation_id == conversations.c.id)
            .where(conversations.c.closed_at.is_not(None), is_stale)
            .where(all_transcripts.c.deleted_at.is_(None), all_transcripts.c.destroyed_at.is_(None))
            .order_by(conversations.c.closed_at, conversations.c.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return [Due(*row) for row in await conn.execute(wanted)]

    async def settle(self, due: Due, title: str, *, is_told: bool = False) -> bool:
        """What was due is made: ``title`` becomes the transcript's, unless somebody gave it another, or took ours
        away, or its text stays as it is. ``is_told``: webhooks are told. Whether it was still due."""
        async with self._write() as conn:
            held = await hold(conn, due.conversation_id)
            row = (
                await conn.execute(
                    sa.select(made.c.made_for, made.c.title).where(made.c.conversation_id == due.conversation_id)
                )
            ).one_or_none()
            if row is not None and row.made_for == due.closed_at:
                return False
            before = "" if row is None else row.title
            kept = (await transcripts.get(conn, due.conversation_id)).title
            title = storable(title)
            if title and kept == before and not held.locked:
                if title != kept:
                    await transcripts.change(conn, due.conversation_id, {"title": title}, now=self._clock())
            else:
                title = before
            await self._keep(conn, due, title, is_new=row is None)
            if is_told:
                told_at = self._clock()
                await webhooks.note(conn, due.project_id, SUMMARIZED, now=told_at, transcript_id=due.conversation_id)
            return True

    async def _keep(self, conn: AsyncConnection, due: Due, title: str, *, is_new: bool) -> None:
        values = {"made_for": due.closed_at, "title": title}
        if is_new:
            await conn.execute(sa.insert(made).values(conversation_id=due.conversation_id, **values))
        else:
            await conn.execute(sa.update(made).where(made.c.conversation_id == due.conversation_id).values(**values))
