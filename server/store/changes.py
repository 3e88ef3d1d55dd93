"""The number of the latest change, one counter for all transcripts: who has read up to one reads on from there.

The counter's row is held until the commit, so changes are seen in the order of their numbers: once a reader sees one,
no smaller number can still come. For that to hold, and for no two transactions to wait for each other, whoever takes a
number holds its transcripts' rows already and takes no further row of a transcript after it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound
from protocol.states import TranscriptState
from server.store.records import Transcript
from server.store.tables import counters, transcripts

CHANGES = "changes"


def not_found(transcript_id: str) -> NotFound:
    return NotFound("no such transcript", details={"transcript_id": transcript_id})


async def take_number(conn: AsyncConnection) -> int:
    taken = await conn.execute(
        sa.update(counters)
        .where(counters.c.name == CHANGES)
        .values(value=counters.c.value + 1)
        .returning(counters.c.value)
    )
    number: int = taken.scalar_one()
    return number


def check_unlocked(transcript: Held | Transcript) -> None:
    """Raise ``Conflict`` where sound, words and who said them stay as they are. Whatever changes or removes any of it
    asks here, in the transaction that does so."""
    if transcript.locked:
        raise Conflict("Transcript is locked; unlock it first", details={"locked": True})


def check_takes_sound(transcript: Held | Transcript) -> None:
    """Raise ``Conflict`` where no sound may be added: the transcript is locked, or may keep none."""
    if transcript.locked:
        raise Conflict("Transcript is locked", details={"locked": True})
    if transcript.audio_deleted:
        raise Conflict("its sound was removed for privacy; make another transcript for more")


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a transcript whose row this transaction holds."""

    state: TranscriptState
    deleted_at: float | None
    audio_deleted: bool
    locked: bool
    change_seq: int


async def hold(conn: AsyncConnection, transcript_id: str, *, including_deleted: bool = False) -> Held:
    """Hold a transcript's row for the transaction. Raises ``NotFound``; destroyed ones are never found."""
    # Not against those that only point to it: two that both add to it would wait for each other.
    columns = transcripts.c
    rows = await conn.execute(
        sa.select(columns.state, columns.deleted_at, columns.audio_deleted, columns.locked, columns.change_seq)
        .where(
            columns.id == transcript_id,
            columns.destroyed_at.is_(None) if including_deleted else columns.deleted_at.is_(None),
        )
        .with_for_update(key_share=True)
    )
    row = rows.one_or_none()
    if row is None:
        raise not_found(transcript_id)
    state, deleted_at, audio_deleted, locked, change_seq = row
    return Held(TranscriptState(state), deleted_at, audio_deleted, locked, change_seq)


async def touch(conn: AsyncConnection, transcript_ids: Collection[str], *, now: float) -> int:
    """Number a change of these transcripts, made in this transaction; the last statement that changes any of them.

    Unknown ids are no error. Returns the number of the latest.
    """
    wanted = sorted(set(transcript_ids))  # in one order everywhere
    await conn.execute(
        sa.select(transcripts.c.id)
        .where(transcripts.c.id.in_(wanted))
        .order_by(transcripts.c.id)
        .with_for_update(key_share=True)
    )
    number = 0
    for transcript_id in wanted:
        number = await take_number(conn)
        await conn.execute(
            sa.update(transcripts).where(transcripts.c.id == transcript_id).values(change_seq=number, updated_at=now)
        )
    return number
