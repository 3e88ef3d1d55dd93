"""Voices that hosts have enrolled, to be recognised later. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound
from server.store import projects
from server.store.database import Transaction
from server.store.project_tables import conversations
from server.store.records import storable
from server.store.standing import Viewer, owned_by
from server.store.tables import transcripts
from server.store.voice_tables import enrolled_voices, recognised_voices

ENROLLED_MAX = 100  # of one owner in one project, or in none
LISTED_MAX = 1000


@dataclass(frozen=True, slots=True)
class EnrolledVoice:
    """``embedding``: the mean of what was heard, ``dim`` float16, little-endian; it leaves the server by no way but
    a recogniser's. ``project_id``: in whose conversations it is recognised; None: in transcripts of no project."""

    id: str
    owner: str | None
    project_id: str | None
    name: str
    encoder: str
    dim: int
    embedding: bytes = field(repr=False)
    heard_samples: int
    transcript_id: str  # that it was taken from
    created_at: float


class EnrolledStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def create(
        self,
        *,
        owner: str | None,
        project_id: str | None,
        name: str,
        encoder: str,
        dim: int,
        embedding: bytes,
        heard_samples: int,
        transcript_id: str,
    ) -> EnrolledVoice:
        """Raises ``Conflict`` when there are as many as may be, ``NotFound`` for a project that is gone."""
        made = EnrolledVoice(
            id=ids.new_enrolled_voice_id(),
            owner=owner,
            project_id=project_id,
            name=storable(name),
            encoder=encoder,
            dim=dim,
            embedding=embedding,
            heard_samples=heard_samples,
            transcript_id=transcript_id,
            created_at=self._clock(),
        )
        async with self._write() as conn:
            if project_id is not None:
                await projects.get(conn, project_id, hold=True)
            there = sa.select(sa.func.count()).select_from(enrolled_voices).where(_of(owner, project_id))
            if (await conn.execute(there)).scalar_one() >= ENROLLED_MAX:
                raise Conflict(
                    "there are as many enrolled voices as may be; delete one first", details={"max": ENROLLED_MAX}
                )
            await conn.execute(sa.insert(enrolled_voices).values(**asdict(made)))
        return made

    async def page(self, viewer: Viewer, *, project_id: str | None = None) -> list[EnrolledVoice]:
        """Newest first; with ``project_id`` those of that project alone."""
        wanted = sa.true() if viewer.sees_all else owned_by(enrolled_voices, viewer)
        if project_id is not None:
            wanted = sa.and_(wanted, enrolled_voices.c.project_id == project_id)
        newest = enrolled_voices.c.created_at.desc(), enrolled_voices.c.id.desc()
        async with self._read() as conn:
            return await _records(conn, sa.select(enrolled_voices).where(wanted).order_by(*newest).limit(LISTED_MAX))

    async def rename(self, voice_id: str, name: str) -> EnrolledVoice:
        """Who was recognised already keeps the name that was given. Raises ``NotFound``."""
        own = enrolled_voices.c.id == voice_id
        async with self._write() as conn:
            await conn.execute(sa.update(enrolled_voices).where(own).values(name=storable(name)))
            found = await _records(conn, sa.select(enrolled_voices).where(own))
        if not found:
            raise _not_found()
        return found[0]

    async def delete(self, voice_id: str) -> None:
        """For good; what was recognised stays called as it is. Raises ``NotFound``."""
        async with self._write() as conn:
            done = await conn.execute(sa.delete(enrolled_voices).where(enrolled_voices.c.id == voice_id))
        if done.rowcount == 0:
            raise _not_found()

    async def known_in(self, transcript_id: str, *, of_nobody: bool) -> list[EnrolledVoice]:
        """Those that may be recognised in a transcript: its owner's, of its project where it is a conversation of one,
        else of none. ``of_nobody``: also where nobody owns it, which is then all of one and the same."""
        whose = (
            sa.select(transcripts.c.owner, conversations.c.project_id)
            .outerjoin(conversations, conversations.c.id == transcripts.c.id)
            .where(transcripts.c.id == transcript_id)
        )
        async with self._read() as conn:
            found = (await conn.execute(whose)).one_or_none()
            if found is None or (found.owner is None and not of_nobody):
                return []
            wanted = sa.select(enrolled_voices).where(_of(found.owner, found.project_id))
            return await _records(conn, wanted.order_by(enrolled_voices.c.created_at).limit(ENROLLED_MAX))

    async def recognised_in(self, transcript_id: str) -> dict[str, str]:
        """By label: the id of the voice that it was recognised as, whatever people called it afterwards."""
        rows = sa.select(recognised_voices.c.label, recognised_voices.c.voice_id)
        async with self._read() as conn:
            found = await conn.execute(rows.where(recognised_voices.c.transcript_id == transcript_id))
            return {row.label: row.voice_id for row in found}


def _of(owner: str | None, project_id: str | None) -> sa.ColumnElement[bool]:
    of_project = enrolled_voices.c.project_id
    return sa.and_(
        owned_by(enrolled_voices, Viewer(owner)),
        of_project.is_(None) if project_id is None else of_project == project_id,
    )


async def delete_of(conn: AsyncConnection, project_id: str) -> None:
    await conn.execute(sa.delete(enrolled_voices).where(enrolled_voices.c.project_id == project_id))


async def _records(conn: AsyncConnection, wanted: sa.Select[Any]) -> list[EnrolledVoice]:
    return [EnrolledVoice(**row._mapping) for row in await conn.execute(wanted)]


def _not_found() -> NotFound:
    return NotFound("no such enrolled voice")
