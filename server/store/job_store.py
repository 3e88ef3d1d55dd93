"""Files that somebody wants words of, as the store keeps them. Every method is one transaction.

A job is a transcript, and has its id, owner, state and times; what was asked for stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound
from protocol.events import Failed
from protocol.states import OVER, TranscriptState
from server.store import transcripts
from server.store.changes import hold
from server.store.database import Transaction
from server.store.events import latest
from server.store.node_store import is_free_for
from server.store.records import Transcript, storable
from server.store.standing import Viewer, owned_by
from server.store.tables import jobs, tracks
from server.store.tables import transcripts as all_transcripts

ERRORS_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Job:
    """``*_at`` are epoch seconds."""

    transcript: Transcript
    model: str
    diarize: bool
    filename: str
    created_at: float
    cancelled_at: float | None

    @property
    def id(self) -> str:
        return self.transcript.id

    @property
    def has_ended(self) -> bool:
        return self.transcript.state in OVER


class JobStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def create(
        self,
        *,
        owner: str | None,
        language: str,
        model: str,
        diarize: bool,
        filename: str,
        node_id: str | None = None,
        job_id: str | None = None,
    ) -> Job:
        """A job whose file is about to come, and its transcript; ``node_id``: who holds it from the beginning;
        ``job_id``: a new one that is known already."""
        now = self._clock()
        async with self._write() as conn:
            transcript = await transcripts.create(
                conn,
                job_id or ids.new_transcript_id(),
                name=filename,
                language=language,
                owner=owner,
                now=now,
                source_kind="file",
            )
            if node_id is not None:
                own = all_transcripts.c.id == transcript.id
                await conn.execute(sa.update(all_transcripts).where(own).values(held_by=node_id))
            await conn.execute(
                sa.insert(jobs).values(
                    transcript_id=transcript.id,
                    model=model,
                    diarize=diarize,
                    filename=storable(filename),
                    created_at=now,
                )
            )
            return await _get(conn, transcript.id)

    async def get(self, job_id: str) -> Job:
        """Raises ``NotFound``, too, for one in the bin."""
        async with self._read() as conn:
            return await _get(conn, job_id)

    async def newest(self, viewer: Viewer, *, limit: int) -> list[Job]:
        """One's own that are not in the bin, the newest first."""
        mine = sa.true() if viewer.sees_all else owned_by(all_transcripts, viewer)
        wanted = _selected().where(mine).order_by(jobs.c.created_at.desc(), jobs.c.transcript_id).limit(limit)
        async with self._read() as conn:
            return await _jobs(conn, wanted)

    async def cancel(self, job_id: str) -> bool:
        """Nobody wants it any more; False where that is known. Raises ``Conflict`` for one that has ended."""
        async with self._write() as conn:
            await hold(conn, job_id)
            job = await _get(conn, job_id)
            if job.cancelled_at is not None:
                return False
            if job.has_ended:
                raise Conflict("the job has ended already", details={"state": job.transcript.state.value})
            now = self._clock()
            await conn.execute(sa.update(jobs).where(jobs.c.transcript_id == job_id).values(cancelled_at=now))
            return True

    async def unfinished(self, node_id: str) -> list[Job]:
        """Whose file never came, or that were cancelled, and that have not ended; without those that another node
        holds, which may be taking a file in just now."""
        open_ = all_transcripts.c.state.not_in([state.value for state in OVER])
        is_idle = all_transcripts.c.state == TranscriptState.IDLE.value
        is_heard = sa.exists().where(tracks.c.transcript_id == all_transcripts.c.id, tracks.c.state == "open")
        is_cancelled = sa.and_(jobs.c.cancelled_at.is_not(None), sa.or_(open_, is_heard))
        wanted = _selected().where(sa.or_(sa.and_(open_, is_idle), is_cancelled), is_free_for(node_id))
        async with self._read() as conn:
            return await _jobs(conn, wanted)

    async def cancelled(self, job_ids: Collection[str]) -> list[Job]:
        """Those of these that nobody wants any more."""
        wanted = _selected().where(jobs.c.transcript_id.in_(job_ids), jobs.c.cancelled_at.is_not(None))
        async with self._read() as conn:
            return await _jobs(conn, wanted)

    async def failure(self, job_id: str) -> Failed | None:
        """The newest error that its readers were told, after which it did not go on."""
        return next((error for error in await self.errors(job_id) if not error.recoverable), None)

    async def errors(self, job_id: str) -> list[Failed]:
        """What its readers were told went wrong, the newest first; the last twenty."""
        async with self._read() as conn:
            bodies = [event.body for event in await latest(conn, job_id, "error", limit=ERRORS_LOOKED_AT)]
        return [body for body in bodies if isinstance(body, Failed)]


def _selected() -> sa.Select[Any]:
    """With what a transcript is made from; columns of the job have names of their own."""
    return (
        transcripts.selected()
        .add_columns(
            jobs.c.model.label("job_model"),
            jobs.c.diarize.label("job_diarize"),
            jobs.c.filename.label("job_filename"),
            jobs.c.created_at.label("job_created_at"),
            jobs.c.cancelled_at.label("job_cancelled_at"),
        )
        .join(jobs, jobs.c.transcript_id == all_transcripts.c.id)
        .where(all_transcripts.c.deleted_at.is_(None), all_transcripts.c.destroyed_at.is_(None))
    )


async def _get(conn: AsyncConnection, job_id: str) -> Job:
    found = await _jobs(conn, _selected().where(jobs.c.transcript_id == job_id))
    if not found:
        raise NotFound("no such job", details={"job_id": job_id})
    return found[0]


async def _jobs(conn: AsyncConnection, wanted: sa.Select[Any]) -> list[Job]:
    rows = (await conn.execute(wanted)).all()
    return [
        Job(
            transcript=transcript,
            model=row.job_model,
            diarize=row.job_diarize,
            filename=row.job_filename,
            created_at=row.job_created_at,
            cancelled_at=row.job_cancelled_at,
        )
        for transcript, row in zip(await transcripts.records(conn, rows), rows, strict=True)
    ]
