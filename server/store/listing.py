"""Lists of transcripts: which ones, in which order, who may see them. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.states import TranscriptState
from server.store.records import Transcript, TranscriptKind, storable
from server.store.standing import EVERYBODY, Viewer, listed_for, owned_by
from server.store.tables import transcripts
from server.store.transcripts import records, selected

# Newest first, for people; or as they changed, for those that keep copies.
Order = Literal["created_at", "change_seq"]
# Without what is in the bin; with it; or with what was destroyed, too, for those that keep copies.
Deleted = Literal["without", "with", "destroyed"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transcripts a list is of; what is left out says nothing. Times are epoch seconds, both inclusive."""

    search: str = ""  # a part of the name or the title
    states: tuple[TranscriptState, ...] | None = None
    source_kinds: tuple[TranscriptKind, ...] = ()  # it is each of these: two different ones, nothing is
    room_id: str | None = None
    created_from: float | None = None
    created_to: float | None = None
    changed_after: int | None = None  # only later changes than this number
    deleted: Deleted = "without"
    viewer: Viewer = EVERYBODY


EVERYTHING = Wanted()


async def page(
    conn: AsyncConnection, wanted: Wanted, *, number: int, size: int, order: Order
) -> tuple[list[Transcript], int]:
    """Page ``number`` (from 1) and how many there are in all."""
    where = list(conditions(wanted))
    count = sa.select(sa.func.count()).select_from(transcripts).where(*where)
    total = (await conn.execute(count)).scalar_one()
    ordered = (
        (transcripts.c.change_seq, transcripts.c.id)
        if order == "change_seq"
        else (transcripts.c.created_at.desc(), transcripts.c.id.desc())
    )
    rows = await conn.execute(selected().where(*where).order_by(*ordered).limit(size).offset((number - 1) * size))
    return [_shown(each, wanted.viewer) for each in await records(conn, rows.all())], total


def _shown(transcript: Transcript, viewer: Viewer) -> Transcript:
    """Of what somebody else shared and deleted nothing is told but that."""
    if transcript.deleted_at is None or viewer.sees_all or transcript.owner == viewer.user_id:
        return transcript
    return replace(transcript, name="", title="", summary=None)


def conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    column = transcripts.c
    if wanted.deleted == "without":
        yield column.deleted_at.is_(None)
    elif wanted.deleted == "with":
        yield column.destroyed_at.is_(None)
        if not wanted.viewer.sees_all:
            yield column.deleted_at.is_(None) | owned_by(transcripts, wanted.viewer)
    if wanted.search:
        text = storable(wanted.search)
        yield sa.or_(*(where.icontains(text, autoescape=True) for where in (column.name, column.title)))
    if wanted.states is not None:
        yield column.state.in_([state.value for state in wanted.states])
    for kind in wanted.source_kinds:
        yield column.source_kind == kind
    if wanted.room_id is not None:
        yield column.room_id == storable(wanted.room_id)
    if wanted.created_from is not None:
        yield column.created_at >= wanted.created_from
    if wanted.created_to is not None:
        yield column.created_at <= wanted.created_to
    if wanted.changed_after is not None:
        yield column.change_seq > wanted.changed_after
    yield listed_for(transcripts, wanted.viewer)
