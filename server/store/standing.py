"""Whose a row is and who may see it, of every table that has owners: what access is decided by, in one cheap query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from server.store.bot_tables import bots
from server.store.job_tables import summary_jobs
from server.store.project_tables import conversations, projects, webhooks
from server.store.tables import api_keys, jobs, meetings, rooms, transcripts
from server.store.voice_tables import enrolled_voices

SHARE_DIVISOR = 10
SHARE_MIN = 8

# private: its owner; semi-private: whoever is signed in may read; public: whoever has the id may read.
ShareMode = Literal["private", "semi-private", "public"]


@dataclass(frozen=True, slots=True)
class Standing:
    owner: str | None
    share_mode: ShareMode = "private"
    is_deleted: bool = False


def share_of(everyones_max: int) -> int:
    """How many of the places that all share one owner may take, so that nobody takes the places of all."""
    return min(everyones_max, max(SHARE_MIN, everyones_max // SHARE_DIVISOR))


@dataclass(frozen=True, slots=True)
class Viewer:
    """For whom something is listed. ``user_id`` None: somebody who owns what nobody owns."""

    user_id: str | None = None
    sees_all: bool = False


EVERYBODY = Viewer(sees_all=True)

_PRIVATE = sa.literal("private", sa.String(16))
_NEVER = sa.null()
# By kind: how a row's id leads to its owner, share mode and time of deletion.
_LOOKS: dict[str, sa.Select[Any]] = {
    "transcript": sa.select(transcripts.c.owner, transcripts.c.share_mode, transcripts.c.deleted_at).where(
        transcripts.c.id == sa.bindparam("wanted"), transcripts.c.destroyed_at.is_(None)
    ),
    "room": sa.select(rooms.c.owner, rooms.c.share_mode, rooms.c.deleted_at).where(
        rooms.c.id == sa.bindparam("wanted")
    ),
    # By its name, or its id as well: links may have both.
    "room_named": sa.select(rooms.c.owner, rooms.c.share_mode, _NEVER).where(
        sa.or_(rooms.c.name == sa.bindparam("wanted"), rooms.c.id == sa.bindparam("wanted")),
        rooms.c.deleted_at.is_(None),
    ),
    "job": sa.select(transcripts.c.owner, transcripts.c.share_mode, transcripts.c.deleted_at)
    .join(jobs, jobs.c.transcript_id == transcripts.c.id)
    .where(transcripts.c.id == sa.bindparam("wanted"), transcripts.c.destroyed_at.is_(None)),
    "bot": sa.select(transcripts.c.owner, transcripts.c.share_mode, transcripts.c.deleted_at)
    .join(bots, bots.c.transcript_id == transcripts.c.id)
    .where(bots.c.id == sa.bindparam("wanted"), transcripts.c.destroyed_at.is_(None)),
    "recording": sa.select(transcripts.c.owner, transcripts.c.share_mode, transcripts.c.deleted_at)
    .join(bots, bots.c.transcript_id == transcripts.c.id)
    .where(transcripts.c.id == sa.bindparam("wanted"), transcripts.c.destroyed_at.is_(None)),
    # A meeting is shared as its room is, for as long as there is that room.
    "meeting": sa.select(
        meetings.c.owner, sa.case((rooms.c.deleted_at.is_(None), rooms.c.share_mode), else_=_PRIVATE), _NEVER
    )
    .join(rooms, rooms.c.id == meetings.c.room_id)
    .where(meetings.c.id == sa.bindparam("wanted")),
    # Nobody reads a project but its owner; what participants see of it is another thing (``Action.TAKE_PART``).
    "project": sa.select(projects.c.owner, _PRIVATE, projects.c.deleted_at).where(
        projects.c.id == sa.bindparam("wanted")
    ),
    "conversation": sa.select(transcripts.c.owner, _PRIVATE, transcripts.c.deleted_at)
    .join(conversations, conversations.c.id == transcripts.c.id)
    .where(transcripts.c.id == sa.bindparam("wanted"), transcripts.c.destroyed_at.is_(None)),
    # A webhook is its project's.
    "webhook": sa.select(projects.c.owner, _PRIVATE, projects.c.deleted_at)
    .join(webhooks, webhooks.c.project_id == projects.c.id)
    .where(webhooks.c.id == sa.bindparam("wanted")),
    # A summary that somebody asked for is theirs alone, and is in the bin with the transcript that it is of.
    "summary": sa.select(summary_jobs.c.owner, _PRIVATE, transcripts.c.deleted_at)
    .outerjoin(transcripts, transcripts.c.id == summary_jobs.c.transcript_id)
    .where(summary_jobs.c.id == sa.bindparam("wanted")),
    "voice": sa.select(enrolled_voices.c.owner, _PRIVATE, _NEVER).where(enrolled_voices.c.id == sa.bindparam("wanted")),
    "api_key": sa.select(api_keys.c.owner, _PRIVATE, api_keys.c.revoked_at).where(
        api_keys.c.id == sa.bindparam("wanted")
    ),
}


async def look(conn: AsyncConnection, kind: str, id_: str) -> Standing | None:
    """None: there is none of this id."""
    row = (await conn.execute(_LOOKS[kind], {"wanted": id_})).one_or_none()
    if row is None:
        return None
    owner, share_mode, deleted_at = row
    return Standing(owner, share_mode, deleted_at is not None)


def listed_for(table: sa.Table, viewer: Viewer) -> sa.ColumnElement[bool]:
    """Which rows of ``table`` (with ``owner`` and ``share_mode``) a list shows: one's own and what is shared with all
    who are signed in. What is public is read by those who were given its id, and is listed for nobody else."""
    if viewer.sees_all:
        return sa.true()
    return owned_by(table, viewer) | (table.c.share_mode == "semi-private")


def owned_by(table: sa.Table, viewer: Viewer) -> sa.ColumnElement[bool]:
    own: sa.ColumnElement[bool] = table.c.owner.is_(None) if viewer.user_id is None else table.c.owner == viewer.user_id
    return own
