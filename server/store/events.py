"""Statements about the numbered events. Each runs inside the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.events import BODY, Event
from server.store.node_store import held_by_others
from server.store.records import NewEvent
from server.store.segments import aside, write_segments
from server.store.tables import events, transcripts
from server.store.tracks import write_heard
from server.store.transcripts import write_summaries


async def append(conn: AsyncConnection, batch: Sequence[NewEvent], *, now: float, again: bool) -> list[Event | None]:
    """Number and store a batch; None stands where the transcript does not exist (any more), or is another node's.

    ``again``: this batch was tried before, and whether that commit happened is not known; what is there already is
    returned, not stored twice.
    """
    stored = await _stored(conn, batch) if again else {}
    fresh = [new for new in batch if new.key not in stored]
    if claims := [(new.transcript_id, new.holder) for new in fresh if new.holder is not None]:
        lost = await held_by_others(conn, claims)
        fresh = [new for new in fresh if (new.transcript_id, new.holder) not in lost]
    next_seq = await _take_numbers(conn, Counter(new.transcript_id for new in fresh), now)
    told: list[Event] = []
    rows = []
    for new in fresh:
        seq = next_seq.get(new.transcript_id)
        if seq is None:
            continue
        next_seq[new.transcript_id] = seq + 1
        event = Event(transcript_id=new.transcript_id, seq=seq, at=now, body=new.body)
        stored[new.key] = event
        told.append(event)
        rows.append({"transcript_id": event.transcript_id, "seq": seq, "at": now, "key": new.key, "body": new.json})
    if rows:
        await conn.execute(sa.insert(events), rows)
        await write_segments(conn, told)
        await write_heard(conn, told)
        await write_summaries(conn, told, now=now)
    return [stored.get(new.key) for new in batch]


async def _take_numbers(conn: AsyncConnection, counts: Counter[str], now: float) -> dict[str, int]:
    """The first free seq of each transcript. The update holds the rows until the commit, so no two nodes get the same
    number, and a number taken by a transaction that fails is free again: no holes."""
    if not counts:
        return {}
    wanted = transcripts.c.id.in_(sorted(counts))
    if len(counts) > 1 and conn.dialect.name == "postgresql":
        # In one order everywhere, which the update does not promise: two nodes cannot wait for each other.
        held = sa.select(transcripts.c.id).where(wanted).order_by(transcripts.c.id)
        await conn.execute(held.with_for_update(key_share=True))
    count = sa.case(dict(counts), value=transcripts.c.id)
    taken = await conn.execute(
        sa.update(transcripts)
        .where(wanted, transcripts.c.destroyed_at.is_(None))
        .values(last_seq=transcripts.c.last_seq + count, updated_at=now)
        .returning(transcripts.c.id, transcripts.c.last_seq)
    )
    return {row.id: row.last_seq - counts[row.id] + 1 for row in taken}


async def _stored(conn: AsyncConnection, batch: Sequence[NewEvent]) -> dict[str, Event]:
    # The first try may still be running at the database: wait for its rows before looking.
    ids = sorted({new.transcript_id for new in batch})
    await conn.execute(
        sa.select(transcripts.c.id).where(transcripts.c.id.in_(ids)).order_by(transcripts.c.id).with_for_update()
    )
    rows = await conn.execute(sa.select(events).where(events.c.key.in_([new.key for new in batch])))
    bodies = {new.key: new.body for new in batch}
    return {
        row.key: Event(transcript_id=row.transcript_id, seq=row.seq, at=row.at, body=bodies[row.key]) for row in rows
    }


async def after(conn: AsyncConnection, transcript_id: str, seq: int, limit: int) -> list[Event]:
    rows = await conn.execute(
        sa.select(events)
        .where(events.c.transcript_id == transcript_id, events.c.seq > seq)
        .order_by(events.c.seq)
        .limit(limit)
    )
    return await aside(_event, rows.all())


async def latest(conn: AsyncConnection, transcript_id: str, kind: str, *, limit: int) -> list[Event]:
    """Those of one ``kind`` (``EventBody.type``), the newest first."""
    rows = await conn.execute(
        sa.select(events)
        .where(events.c.transcript_id == transcript_id, events.c.body.startswith(f'{{"type":"{kind}"'))
        .order_by(events.c.seq.desc())
        .limit(limit)
    )
    return [_event(row) for row in rows]


def _event(row: sa.Row[Any]) -> Event:
    return Event(transcript_id=row.transcript_id, seq=row.seq, at=row.at, body=BODY.validate_json(row.body))
