"""Titles and summaries that are made of what transcripts say. Every method is one transaction.

The text of the summary itself is written by its event (``transcripts.write_summaries``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from protocol.states import OVER, UNFINISHED
from server.store import transcripts, webhooks
from server.store.changes import hold, touch
from server.store.database import Transaction
from server.store.erasure import erase_made
from server.store.node_store import is_done_elsewhere, is_free_for
from server.store.project_tables import conversations
from server.store.records import storable
from server.store.tables import transcripts as all_transcripts

SUMMARIZED = "conversation.summarized"
RUNNING_MAX = 1000
DUTY = "summary "  # and its id: whoever has that duty makes it


@dataclass(frozen=True, slots=True)
class Due:
    """A transcript that has ``words``. ``is_over``: as long as no more comes; ``was_made``: it had one before."""

    transcript_id: str
    project_id: str | None  # a conversation's
    words: int
    summed_words: int  # as the table has it
    is_over: bool
    was_made: bool


class SummaryStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def due(
        self,
        *,
        limit: int,
        without: Collection[str] = (),
        only: str | None = None,
        quiet_s: float = 0.0,
        node_id: str = "",
    ) -> list[Due]:
        """Those at their end that have no summary of all that is said by then, the newest first: somebody may wait for
        that. Those whose words were heard again after their end only when nothing changed for ``quiet_s``. Without
        those that another node than that one makes now."""
        is_unsummed = all_transcripts.c.words != all_transcripts.c.summed_words
        # A conversation is at its end when all its chunks are, whatever its state between two of them.
        is_over = sa.case(
            (conversations.c.id.is_(None), all_transcripts.c.state.in_([state.value for state in OVER])),
            else_=conversations.c.closed_at.is_not(None),
        )
        is_quiet = sa.or_(all_transcripts.c.summed_words >= 0, all_transcripts.c.updated_at <= self._clock() - quiet_s)
        is_made = is_done_elsewhere(sa.literal(DUTY) + all_transcripts.c.id, node_id)
        which = all_transcripts.c.id.not_in(without) if only is None else all_transcripts.c.id == only
        wanted = (
            _selected(is_over=True)
            .where(is_unsummed, is_over, is_quiet, which, ~is_made)
            .order_by(all_transcripts.c.updated_at.desc(), all_transcripts.c.id)
            .limit(limit)
        )
        async with self._read() as conn:
            return [Due(**row) for row in (await conn.execute(wanted)).mappings()]

    async def running(self, *, words_min: int, node_id: str, unheld: bool) -> list[Due]:
        """Those that are still being recorded, or heard, and say something, and that this node holds; ``unheld``: or
        nobody. ``RUNNING_MAX`` at most."""
        mine = is_free_for(node_id) if unheld else all_transcripts.c.held_by == node_id
        states = [state.value for state in UNFINISHED]
        wanted = (
            _selected(is_over=False)
            .where(all_transcripts.c.state.in_(states), all_transcripts.c.words >= words_min, mine)
            .order_by(all_transcripts.c.id)
            .limit(RUNNING_MAX)
        )
        async with self._read() as conn:
            return [Due(**row) for row in (await conn.execute(wanted)).mappings()]

    async def settle(self, due: Due, title: str, *, is_told: bool = False) -> bool:
        """What was due at its end is made: ``title`` becomes the transcript's, unless it has a name (conversations have
        that of who spoke), somebody gave it another title, or took ours away, or its text stays as it is. ``is_told``:
        webhooks are told. Whether it was still due."""
        own = all_transcripts.c.id == due.transcript_id
        async with self._write() as conn:
            held = await hold(conn, due.transcript_id)
            columns = all_transcripts.c
            wanted = sa.select(
                columns.words, columns.summed_words, columns.made_title, columns.title, columns.name
            ).where(own)
            row = (await conn.execute(wanted)).one()
            if row.summed_words != due.summed_words or row.words < due.words:
                return False  # it was made meanwhile, or words were heard again, or erased, which the title may name
            title = storable(title)
            is_free = row.title == row.made_title and (due.project_id is not None or not row.name)
            if title and is_free and not held.locked:
                if title != row.title:
                    await transcripts.change(conn, due.transcript_id, {"title": title}, now=self._clock())
            else:
                title = row.made_title
            values = {"summed_words": due.words, "made_title": title}
            await conn.execute(sa.update(all_transcripts).where(own).values(**values))
            if is_told and due.project_id is not None:
                told_at = self._clock()
                await webhooks.note(conn, due.project_id, SUMMARIZED, now=told_at, transcript_id=due.transcript_id)
            return True

    async def take_back(self, transcript_id: str) -> None:
        """All that was made of its words, which is due again. What somebody wrote stays."""
        async with self._write() as conn:
            await hold(conn, transcript_id)
            await erase_made(conn, transcript_id)
            await touch(conn, [transcript_id], now=self._clock())


def _selected(*, is_over: bool) -> sa.Select[Any]:
    """What a ``Due`` is made from, of those that are not deleted."""
    columns = all_transcripts.c
    return (
        sa.select(
            columns.id.label("transcript_id"),
            conversations.c.project_id,
            columns.words,
            columns.summed_words,
            sa.literal(is_over).label("is_over"),
            columns.was_summed.label("was_made"),
        )
        .outerjoin(conversations, conversations.c.id == columns.id)
        .where(columns.deleted_at.is_(None), columns.destroyed_at.is_(None))
    )
