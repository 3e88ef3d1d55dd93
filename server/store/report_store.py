"""Reports and the digests that they are made of, as the store keeps them. Every method is one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound
from protocol.ids import is_transcript_id
from protocol.states import REPORT_MOVES, ReportState, move
from server.store import projects, webhooks
from server.store.database import Transaction
from server.store.project_tables import conversations, report_digests, reports
from server.store.project_tables import projects as all_projects
from server.store.records import storable
from server.store.report_records import KeptDigest, Report
from server.store.tables import transcripts
from server.store.webhook_records import Prepared

_OPEN = (ReportState.QUEUED.value, ReportState.WORKING.value)


def not_found() -> NotFound:
    return NotFound("no such report")


class ReportStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def ask(self, project_id: str, *, is_published: bool, reports_max: int) -> tuple[Report, bool]:
        """A report that is to be made, and whether it was made now: one that is to be made already is that one.

        Raises ``Conflict`` where the project has as many as it may have.
        """
        now = self._clock()
        async with self._write() as conn:
            await projects.get(conn, project_id, hold=True)
            of_project = reports.c.project_id == project_id
            row = (await conn.execute(sa.select(reports).where(of_project, reports.c.state.in_(_OPEN)))).first()
            if row is not None:
                return _report(row), False
            count = sa.select(sa.func.count()).select_from(reports).where(of_project)
            if (await conn.execute(count)).scalar_one() >= reports_max:
                raise Conflict(
                    "this project has as many reports as it may have; delete one first", details={"max": reports_max}
                )
            report = Report(
                id=ids.new_report_id(),
                project_id=project_id,
                state=ReportState.QUEUED,
                is_published=is_published,
                conversations=await _conversations_of(conn, project_id),
                digested=0,
                after_at=0.0,
                after_id="",
                attempts=0,
                note="",
                error=None,
                created_at=now,
                updated_at=now,
                finished_at=None,
            )
            await conn.execute(sa.insert(reports).values(**asdict(report) | {"state": report.state.value}))
            return report, True

    async def get(self, project_id: str, report_id: str) -> Report:
        async with self._read() as conn:
            return await _get(conn, report_id, reports.c.project_id == project_id)

    async def page(self, project_id: str, *, page: int, size: int) -> tuple[list[Report], int]:
        """Of a project, the newest first, from page 1."""
        wanted = sa.select(reports).where(reports.c.project_id == project_id)
        async with self._read() as conn:
            total = (await conn.execute(sa.select(sa.func.count()).select_from(wanted.subquery()))).scalar_one()
            rows = await conn.execute(
                wanted.order_by(reports.c.created_at.desc(), reports.c.id.desc()).limit(size).offset((page - 1) * size)
            )
            return [_report(row) for row in rows], total

    async def newest_published(self, project_id: str) -> Report | None:
        """Of those that are made."""
        wanted = (
            sa.select(reports)
            .where(
                reports.c.project_id == project_id,
                reports.c.state == ReportState.DONE.value,
                reports.c.is_published.is_(True),
            )
            .order_by(reports.c.created_at.desc(), reports.c.id.desc())
            .limit(1)
        )
        async with self._read() as conn:
            row = (await conn.execute(wanted)).one_or_none()
            return None if row is None else _report(row)

    async def publish(self, project_id: str, report_id: str, *, is_published: bool) -> Report:
        async with self._write() as conn:
            await _get(conn, report_id, reports.c.project_id == project_id)
            return await self._change(conn, report_id, {"is_published": is_published})

    async def delete(self, report_id: str) -> None:
        """Its files are the caller's. Idempotent."""
        async with self._write() as conn:
            await conn.execute(sa.delete(report_digests).where(report_digests.c.report_id == report_id))
            await conn.execute(sa.delete(reports).where(reports.c.id == report_id))

    # Making them.

    async def next_open(self, *, without: Sequence[str] = ()) -> Report | None:
        """The one that is to be made and was asked for first, but for those."""
        wanted = sa.select(reports).where(reports.c.state.in_(_OPEN), reports.c.id.not_in(without))
        async with self._read() as conn:
            row = (await conn.execute(wanted.order_by(reports.c.created_at, reports.c.id).limit(1))).one_or_none()
            return None if row is None else _report(row)

    async def begin(self, report: Report) -> Report:
        """It is worked at from now on; nothing where it was already, or is at its end. Raises ``NotFound`` when it is
        gone."""
        async with self._write() as conn:
            found = await _get(conn, report.id)
            if found.state is not ReportState.QUEUED:
                return found
            there = move(REPORT_MOVES, found.state, ReportState.WORKING)
            return await self._change(conn, report.id, {"state": there.value})

    async def add_digests(self, report: Report, digests: Sequence[KeptDigest], after: tuple[float, str]) -> Report:
        """``after``: the last conversation that was looked at, whose turn it was. Raises ``NotFound`` when the report
        is gone."""
        async with self._write() as conn:
            await _get(conn, report.id)
            if digests:
                rows = [
                    {
                        "report_id": report.id,
                        "conversation_id": each.conversation_id,
                        "number": each.number,
                        "body": json.dumps(each.body),
                    }
                    for each in digests
                ]
                await conn.execute(sa.insert(report_digests), rows)
            moved = {"after_at": after[0], "after_id": after[1], "digested": report.digested + len(digests)}
            return await self._change(conn, report.id, moved)

    async def digests(self, report_id: str, *, after: int = -1, limit: int) -> list[KeptDigest]:
        """By their numbers, from behind ``after`` on."""
        wanted = (
            sa.select(report_digests)
            .where(report_digests.c.report_id == report_id, report_digests.c.number > after)
            .order_by(report_digests.c.number)
            .limit(limit)
        )
        async with self._read() as conn:
            rows = await conn.execute(wanted)
            return [KeptDigest(row.conversation_id, row.number, json.loads(row.body)) for row in rows]

    async def finish(self, report: Report, *, note: str, told: Prepared | None = None) -> Report:
        """Its files are there. What its digests said is not kept, but whose words are in it. ``told``: to webhooks."""
        return await self._end(report, ReportState.DONE, {"note": storable(note), "error": None}, told=told)

    async def fail(self, report: Report, why: str) -> Report:
        return await self._end(report, ReportState.FAILED, {"error": storable(why)})

    async def count_attempt(self, report: Report) -> int:
        """How often it failed for a reason that nobody foresaw, this time included."""
        async with self._write() as conn:
            counted = await conn.execute(
                sa.update(reports)
                .where(reports.c.id == report.id)
                .values(attempts=reports.c.attempts + 1)
                .returning(reports.c.attempts)
            )
            return int(counted.scalar_one_or_none() or 0)

    async def _end(
        self, report: Report, state: ReportState, values: dict[str, Any], *, told: Prepared | None = None
    ) -> Report:
        async with self._write() as conn:
            found = await _get(conn, report.id)
            there = move(REPORT_MOVES, found.state, state)
            await conn.execute(
                sa.update(report_digests).where(report_digests.c.report_id == report.id).values(body="{}")
            )
            now = self._clock()
            if told is not None:
                await webhooks.note(
                    conn, report.project_id, told.event, now=now, body=told.body, event_id=told.event_id
                )
            return await self._change(conn, report.id, {**values, "state": there.value, "finished_at": now})

    # What may not be kept any longer.

    async def quoting(self, conversation_id: str) -> list[str]:
        """Ids of the reports that a conversation's words may be in."""
        wanted = sa.select(report_digests.c.report_id).where(report_digests.c.conversation_id == conversation_id)
        async with self._read() as conn:
            return list((await conn.execute(wanted)).scalars())

    async def quoting_gone(self, project_id: str, *, limit: int) -> list[str]:
        """Ids of the project's reports that the words of a conversation may be in which is gone for good."""
        is_there = sa.exists().where(conversations.c.id == report_digests.c.conversation_id)
        wanted = (
            sa.select(report_digests.c.report_id)
            .join(reports, reports.c.id == report_digests.c.report_id)
            .where(reports.c.project_id == project_id, ~is_there)
            .distinct()
            .limit(limit)
        )
        async with self._read() as conn:
            return list((await conn.execute(wanted)).scalars())

    async def of_deleted_projects(self, *, limit: int) -> list[str]:
        wanted = (
            sa.select(reports.c.id)
            .join(all_projects, all_projects.c.id == reports.c.project_id)
            .where(all_projects.c.deleted_at.is_not(None))
            .limit(limit)
        )
        async with self._read() as conn:
            return list((await conn.execute(wanted)).scalars())

    async def _change(self, conn: AsyncConnection, report_id: str, values: dict[str, Any]) -> Report:
        now = self._clock()
        await conn.execute(sa.update(reports).where(reports.c.id == report_id).values(**values, updated_at=now))
        return await _get(conn, report_id)


async def _get(conn: AsyncConnection, report_id: str, *where: sa.ColumnElement[bool]) -> Report:
    if not is_transcript_id(report_id):
        raise not_found()
    row = (await conn.execute(sa.select(reports).where(reports.c.id == report_id, *where))).one_or_none()
    if row is None:
        raise not_found()
    return _report(row)


async def _conversations_of(conn: AsyncConnection, project_id: str) -> int:
    living = sa.and_(transcripts.c.deleted_at.is_(None), transcripts.c.destroyed_at.is_(None))
    count = (
        sa.select(sa.func.count())
        .select_from(conversations)
        .join(transcripts, transcripts.c.id == conversations.c.id)
        .where(conversations.c.project_id == project_id, living)
    )
    return (await conn.execute(count)).scalar_one()


def _report(row: sa.Row[Any]) -> Report:
    values = {name: getattr(row, name) for name in Report.__dataclass_fields__}
    return Report(**values | {"state": ReportState(row.state)})
