"""Lists of transcripts: which ones, in which order, who may see them. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.states import TranscriptState
from server.store.records import Transcript, TranscriptKind, storable
from server.store.standing import EVERYBODY, Viewer, listed_for
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
        else (_created_at(wanted).desc(), transcripts.c.id.desc())
    )
    rows = await conn.execute(selected().where(*where).order_by(*ordered).limit(size).offset((number - 1) * size))
    return [_shown(each, wanted.viewer) for each in await records(conn, rows.all())], total


def _shown(transcript: Transcript, viewer: Viewer) -> Transcript:
    """Of what somebody else shared and deleted nothing is told but that: each field but these is made up."""
    if transcript.deleted_at is None or viewer.sees_all or transcript.owner == viewer.user_id:
        return transcript
    return Transcript(
        id=transcript.id,
        change_seq=transcript.change_seq,
        deleted_at=transcript.deleted_at,
        destroyed_at=transcript.destroyed_at,
        created_at=transcript.deleted_at,
        updated_at=transcript.destroyed_at or transcript.deleted_at,
        is_withheld=True,
        name="",
        title="",
        summary=None,
        owner=None,
        state=TranscriptState.IDLE,
        language="",
        source_kind="live",
        share_mode="private",
        locked=False,
        audio_deleted=False,
        last_seq=0,
        segments=0,
        words=0,
        duration_samples=0,
        room_id=None,
        room_name=None,
        meeting_id=None,
    )


def _withheld(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Of which ``_shown`` tells nothing."""
    if viewer.sees_all:
        return sa.false()
    # Never unknown, as a comparison with NULL is: what nobody owns is not the viewer's.
    not_own = transcripts.c.owner.is_distinct_from(viewer.user_id)
    return sa.and_(transcripts.c.deleted_at.is_not(None), not_own)


def _created_at(wanted: Wanted) -> sa.ColumnElement[float]:
    """What is told as such: the order must not tell what the records do not."""
    if wanted.deleted != "destroyed" or wanted.viewer.sees_all:
        return transcripts.c.created_at
    return sa.case((_withheld(wanted.viewer), transcripts.c.deleted_at), else_=transcripts.c.created_at)


def conditions(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    column = transcripts.c
    if wanted.deleted == "without":
        yield column.deleted_at.is_(None)
    elif wanted.deleted == "with":
        yield column.destroyed_at.is_(None)
        yield sa.not_(_withheld(wanted.viewer))
    narrowed = sa.and_(sa.true(), *_narrowed(wanted))
    if wanted.deleted == "destroyed":
        # Who keeps copies of some is told that one of them is gone, whatever it was; and what is withheld or empty
        # must not be found by what it held.
        narrowed = sa.or_(narrowed, column.destroyed_at.is_not(None), _withheld(wanted.viewer))
    yield narrowed
    if wanted.changed_after is not None:
        yield column.change_seq > wanted.changed_after
    yield listed_for(transcripts, wanted.viewer)


def _narrowed(wanted: Wanted) -> Iterator[sa.ColumnElement[bool]]:
    """By what it is about."""
    column = transcripts.c
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
