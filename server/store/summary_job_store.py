"""Summaries that somebody asked for, as the store keeps them. Every method is one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import NotFound, Overloaded
from protocol.states import SUMMARY_MOVES, SummaryState, move
from server.store.database import Transaction
from server.store.job_tables import summary_jobs
from server.store.standing import share_of

RETRY_S = 30.0


@dataclass(frozen=True, slots=True)
class SummaryJob:
    """``result`` of one that is completed, ``error`` (code, message, details) of one that failed. ``*_at`` are epoch
    seconds."""

    id: str
    owner: str | None
    transcript_id: str | None
    state: SummaryState
    progress: int  # per cent
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    attempts: int  # begun so often
    created_at: float
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """One that whoever got this is to make now. ``body``: as it was asked for."""

    id: str
    transcript_id: str | None
    body: str
    attempts: int  # this one included


class SummaryJobStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def ask(
        self, owner: str | None, body: str, *, transcript_id: str | None, waiting_max: int, kept_max: int
    ) -> SummaryJob:
        """One that is to be made. Of the owner's that are made, those beyond ``kept_max`` go, the oldest first.

        Raises ``Overloaded`` where ``waiting_max`` wait, or the owner's share of them.
        """
        now = self._clock()
        of_owner = summary_jobs.c.owner.is_(None) if owner is None else summary_jobs.c.owner == owner
        is_open = summary_jobs.c.state == SummaryState.PROCESSING.value
        async with self._write() as conn:
            waiting = await _count(conn, is_open)
            own = 0 if owner is None else await _count(conn, is_open, of_owner)
            if waiting >= waiting_max or own >= share_of(waiting_max):
                raise Overloaded("too many summaries wait already; try again", retry_after_s=RETRY_S)
            old = (
                sa.select(summary_jobs.c.id)
                .where(of_owner, ~is_open)
                .order_by(summary_jobs.c.created_at.desc(), summary_jobs.c.id)
                .offset(kept_max - 1)
            )
            gone = list((await conn.execute(old.limit(1000))).scalars())
            if gone:
                await conn.execute(sa.delete(summary_jobs).where(summary_jobs.c.id.in_(gone)))
            id_ = ids.new_summary_id()
            values = {"state": SummaryState.PROCESSING.value, "progress": 0, "attempts": 0, "created_at": now}
            await conn.execute(
                sa.insert(summary_jobs).values(id=id_, owner=owner, transcript_id=transcript_id, body=body, **values)
            )
            return await _get(conn, id_)

    async def get(self, job_id: str) -> SummaryJob:
        async with self._read() as conn:
            return await _get(conn, job_id)

    # Making them.

    async def claim(self, *, lease_s: float) -> ClaimedJob | None:
        """The one that was asked for first and that nobody makes; ``renew`` it, or somebody else will."""
        now = self._clock()
        wanted = (
            sa.select(summary_jobs.c.id)
            .where(
                summary_jobs.c.state == SummaryState.PROCESSING.value,
                sa.or_(summary_jobs.c.leased_until.is_(None), summary_jobs.c.leased_until < now),
            )
            .order_by(summary_jobs.c.created_at, summary_jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        async with self._write() as conn:
            id_ = (await conn.execute(wanted)).scalar_one_or_none()
            if id_ is None:
                return None
            claimed = await conn.execute(
                sa.update(summary_jobs)
                .where(summary_jobs.c.id == id_)
                .values(leased_until=now + lease_s, attempts=summary_jobs.c.attempts + 1)
                .returning(
                    summary_jobs.c.id, summary_jobs.c.transcript_id, summary_jobs.c.body, summary_jobs.c.attempts
                )
            )
            return ClaimedJob(*claimed.one())

    async def renew(self, job: ClaimedJob, *, progress: int, lease_s: float) -> bool:
        """It is still being made. False where somebody else makes it by now, whose it is, or it is at its end."""
        values = {"leased_until": self._clock() + lease_s, "progress": progress}
        async with self._write() as conn:
            done = await conn.execute(sa.update(summary_jobs).where(_is_claimed(job)).values(**values))
            return bool(done.rowcount)

    async def give_back(self, job: ClaimedJob) -> None:
        """It was begun, and is to be begun again as if it had not been."""
        values = {"leased_until": None, "attempts": summary_jobs.c.attempts - 1, "progress": 0}
        async with self._write() as conn:
            await conn.execute(sa.update(summary_jobs).where(_is_claimed(job)).values(**values))

    async def give_back_of_dead(self) -> None:
        """At the start: nobody makes what was being made when this server died. Of servers that share a PostgreSQL
        nobody knows which of them lives; there, others wait for the lease to end."""
        async with self._write() as conn:
            if conn.dialect.name == "sqlite":
                await conn.execute(sa.update(summary_jobs).values(leased_until=None))

    async def finish(self, job: ClaimedJob, result: Mapping[str, Any]) -> None:
        """What it was made of is not kept. Nothing where it is gone, at its end already, or made by somebody else."""
        await self._end(job, SummaryState.COMPLETED, {"result": json.dumps(result), "progress": 100})

    async def fail(self, job: ClaimedJob, error: Mapping[str, Any]) -> None:
        await self._end(job, SummaryState.FAILED, {"error": json.dumps(error)})

    async def delete_old(self, *, kept_s: float) -> int:
        """Those that came to their end longer ago; how many."""
        async with self._write() as conn:
            gone = await conn.execute(
                sa.delete(summary_jobs).where(summary_jobs.c.finished_at < self._clock() - kept_s)
            )
            return gone.rowcount

    async def _end(self, job: ClaimedJob, state: SummaryState, values: dict[str, Any]) -> None:
        there = move(SUMMARY_MOVES, SummaryState.PROCESSING, state)
        ended = {"state": there.value, "body": "", "leased_until": None, "finished_at": self._clock()}
        async with self._write() as conn:
            await conn.execute(sa.update(summary_jobs).where(_is_claimed(job)).values(**values, **ended))


def _is_claimed(job: ClaimedJob) -> sa.ColumnElement[bool]:
    """Still by whoever claimed it then: a claim after that would count as another attempt."""
    is_open = summary_jobs.c.state == SummaryState.PROCESSING.value
    return sa.and_(summary_jobs.c.id == job.id, is_open, summary_jobs.c.attempts == job.attempts)


async def _count(conn: AsyncConnection, *where: sa.ColumnElement[bool]) -> int:
    counted = sa.select(sa.func.count()).select_from(summary_jobs).where(*where)
    return (await conn.execute(counted)).scalar_one()


async def _get(conn: AsyncConnection, job_id: str) -> SummaryJob:
    columns = [summary_jobs.c[name] for name in SummaryJob.__dataclass_fields__]
    row = (await conn.execute(sa.select(*columns).where(summary_jobs.c.id == job_id))).one_or_none()
    if row is None:
        raise NotFound("no such summary")
    values = row._asdict()
    read = {name: None if values[name] is None else json.loads(values[name]) for name in ("result", "error")}
    return SummaryJob(**values | read | {"state": SummaryState(row.state)})
