"""Statements about conversations and their chunks. Each runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound
from protocol.ids import is_transcript_id
from protocol.states import CHUNK_MOVES, ChunkState, move
from server.store.conversation_records import ATTEMPTS_MAX, SETTLED, Chunk, Conversation, Overview
from server.store.node_store import database_now, is_there, is_waiting_for
from server.store.project_tables import chunks, conversations
from server.store.records import storable
from server.store.tables import transcripts
from server.store.transcripts import records, selected

_LIVING = sa.and_(transcripts.c.deleted_at.is_(None), transcripts.c.destroyed_at.is_(None))
# What is tried again from the beginning has, besides its state.
AFRESH: dict[str, Any] = {"error": None, "attempts": 0, "next_try_at": None}
_RECEIVED = (ChunkState.CONFIRMED, ChunkState.TRANSCRIBED, ChunkState.FAILED)
_FOUND = sa.select(conversations).join(transcripts, transcripts.c.id == conversations.c.id).where(_LIVING)


def not_found() -> NotFound:
    return NotFound("no such conversation")


async def create(conn: AsyncConnection, conversation: Conversation) -> None:
    values = asdict(conversation) | {
        "name": storable(conversation.name),
        "email": None if conversation.email is None else storable(conversation.email),
        "tags": json.dumps(conversation.tags),
    }
    await conn.execute(sa.insert(conversations).values(**values))


async def get(conn: AsyncConnection, conversation_id: str, *, hold: bool = False) -> Conversation:
    """``hold``: nobody else changes it, or its chunks, before the transaction ends."""
    wanted = _FOUND.where(conversations.c.id == conversation_id)
    row = (await conn.execute(wanted.with_for_update(of=conversations) if hold else wanted)).one_or_none()
    if row is None:
        raise not_found()
    return _conversation(row)


async def redacts(conn: AsyncConnection, transcript_id: str) -> bool:
    found = await conn.execute(sa.select(conversations.c.redacts).where(conversations.c.id == transcript_id))
    return bool(found.scalar_one_or_none())


async def change(conn: AsyncConnection, conversation_id: str, values: dict[str, Any]) -> None:
    await conn.execute(sa.update(conversations).where(conversations.c.id == conversation_id).values(**values))


async def page(conn: AsyncConnection, project_id: str, *, number: int, size: int) -> tuple[list[Conversation], int]:
    """Newest first."""
    wanted = _FOUND.where(conversations.c.project_id == project_id)
    total = (await conn.execute(sa.select(sa.func.count()).select_from(wanted.subquery()))).scalar_one()
    rows = await conn.execute(
        wanted.order_by(conversations.c.created_at.desc(), conversations.c.id.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return [_conversation(row) for row in rows], total


async def overviews(conn: AsyncConnection, found: Sequence[Conversation]) -> list[Overview]:
    """Of each, in their order."""
    ids = [each.id for each in found]
    rows = (await conn.execute(selected().where(transcripts.c.id.in_(ids)))).all()
    of_id = {each.id: each for each in await records(conn, rows)}
    counted = await conn.execute(
        sa.select(
            chunks.c.conversation_id,
            chunks.c.state,
            sa.func.count().label("count"),
            sa.func.sum(sa.case((chunks.c.attempts >= ATTEMPTS_MAX, 1), else_=0)).label("tried_often"),
        )
        .where(chunks.c.conversation_id.in_(ids), chunks.c.state.in_([state.value for state in _RECEIVED]))
        .group_by(chunks.c.conversation_id, chunks.c.state)
    )
    received: Counter[str] = Counter()
    settled: Counter[str] = Counter()
    given_up: Counter[str] = Counter()
    for id_, state, count, tried_often in counted:
        received[id_] += count
        settled[id_] += count if ChunkState(state) in SETTLED else 0
        given_up[id_] += int(tried_often) if ChunkState(state) is ChunkState.FAILED else 0
    return [Overview(each, of_id[each.id], received[each.id], settled[each.id], given_up[each.id]) for each in found]


async def ids_after(
    conn: AsyncConnection, project_id: str, after: tuple[float, str], *, limit: int
) -> list[tuple[float, str]]:
    """When they were made and their ids, the oldest first, from behind ``after`` on."""
    key = sa.tuple_(conversations.c.created_at, conversations.c.id)
    rows = await conn.execute(
        sa.select(conversations.c.created_at, conversations.c.id)
        .join(transcripts, transcripts.c.id == conversations.c.id)
        .where(_LIVING, conversations.c.project_id == project_id, key > after)
        .order_by(conversations.c.created_at, conversations.c.id)
        .limit(limit)
    )
    return [(row.created_at, row.id) for row in rows]


async def unclosed(conn: AsyncConnection) -> list[Conversation]:
    rows = await conn.execute(_FOUND.where(conversations.c.closed_at.is_(None)))
    return [_conversation(row) for row in rows]


async def is_unclosed(conn: AsyncConnection, conversation_id: str) -> bool:
    found = sa.select(sa.exists().where(conversations.c.id == conversation_id, conversations.c.closed_at.is_(None)))
    return bool((await conn.execute(found)).scalar_one())


# Chunks.


async def add_chunk(conn: AsyncConnection, chunk: Chunk, *, chunks_max: int) -> None:
    """Raises ``Conflict`` where the conversation has as many as it may have. It is held already."""
    count = sa.select(sa.func.count()).select_from(chunks).where(chunks.c.conversation_id == chunk.conversation_id)
    if (await conn.execute(count)).scalar_one() >= chunks_max:
        raise Conflict("this conversation has as many chunks as it may have", details={"max": chunks_max})
    values = asdict(chunk) | {
        "state": chunk.state.value,
        "filename": storable(chunk.filename),
        "text": None if chunk.text is None else storable(chunk.text),
    }
    await conn.execute(sa.insert(chunks).values(**values))


async def get_chunk(conn: AsyncConnection, conversation_id: str, chunk_id: str) -> Chunk:
    if not is_transcript_id(chunk_id):
        raise NotFound("no such chunk")
    row = (
        await conn.execute(
            sa.select(chunks).where(chunks.c.id == chunk_id, chunks.c.conversation_id == conversation_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("no such chunk")
    return _chunk(row)


async def typed(conn: AsyncConnection, conversation_id: str, sha256: str) -> Chunk | None:
    wanted = sa.select(chunks).where(
        chunks.c.conversation_id == conversation_id, chunks.c.key.is_(None), chunks.c.sha256 == sha256
    )
    row = (await conn.execute(wanted.limit(1))).one_or_none()
    return None if row is None else _chunk(row)


async def move_chunk(
    conn: AsyncConnection, chunk: Chunk, state: ChunkState, values: dict[str, Any], *, now: float
) -> Chunk:
    """Raises ``IllegalMove``."""
    there = move(CHUNK_MOVES, chunk.state, state)
    await conn.execute(
        sa.update(chunks).where(chunks.c.id == chunk.id).values(**values, state=there.value, updated_at=now)
    )
    return await get_chunk(conn, chunk.conversation_id, chunk.id)


async def chunks_of(conn: AsyncConnection, conversation_id: str, *, including_deleted: bool = False) -> list[Chunk]:
    """In the order of what was said; those not confirmed last."""
    wanted = sa.select(chunks).where(chunks.c.conversation_id == conversation_id)
    if not including_deleted:
        wanted = wanted.where(chunks.c.state != ChunkState.DELETED.value)
    rows = await conn.execute(
        wanted.order_by(chunks.c.said_at.is_(None), chunks.c.said_at, chunks.c.created_at, chunks.c.id)
    )
    return [_chunk(row) for row in rows]


def _waiting(*, without: Sequence[str], limit: int) -> sa.Select[Any]:
    """Confirmed chunks of sound, the oldest first, but for those; of what is in the bin, none."""
    return (
        sa.select(chunks)
        .join(transcripts, transcripts.c.id == chunks.c.conversation_id)
        .where(
            _LIVING,
            chunks.c.state == ChunkState.CONFIRMED.value,
            chunks.c.key.is_not(None),
            chunks.c.id.not_in(without),
        )
        .order_by(chunks.c.said_at, chunks.c.id)
        .limit(limit)
    )


async def waiting(conn: AsyncConnection, *, without: Sequence[str], limit: int) -> list[Chunk]:
    return [_chunk(row) for row in await conn.execute(_waiting(without=without, limit=limit))]


async def claim(conn: AsyncConnection, node_id: str, *, without: Sequence[str], limit: int) -> list[Chunk]:
    """Those of ``waiting`` whose time has come and whose transcript nobody else holds; this one holds it from now on.
    What a node held that is gone is adopted first. An attempt of each is counted. None, for a node that was found to be
    gone."""
    has_come = sa.or_(chunks.c.next_try_at.is_(None), chunks.c.next_try_at <= database_now(conn))
    wanted = _waiting(without=without, limit=limit).where(has_come, is_waiting_for(node_id), is_there(node_id))
    # Each of several nodes that look at once takes those of other transcripts.
    rows = (await conn.execute(wanted.with_for_update(of=transcripts, skip_locked=True, key_share=True))).all()
    if not rows:
        return []
    held = {row.conversation_id for row in rows}
    await conn.execute(sa.update(transcripts).where(transcripts.c.id.in_(held)).values(held_by=node_id))
    mine = chunks.c.id.in_([row.id for row in rows])
    await conn.execute(sa.update(chunks).where(mine).values(attempts=chunks.c.attempts + 1))
    return [replace(chunk, attempts=chunk.attempts + 1) for chunk in map(_chunk, rows)]


async def postpone(
    conn: AsyncConnection, chunk: Chunk, *, pause_s: float, error: str | None, is_attempt: bool = True
) -> None:
    """A confirmed one is tried again no sooner than in so many seconds; unless ``is_attempt``, this was none."""
    attempts = chunks.c.attempts if is_attempt else sa.case((chunks.c.attempts > 0, chunks.c.attempts - 1), else_=0)
    await conn.execute(
        sa.update(chunks)
        .where(chunks.c.id == chunk.id, chunks.c.state == ChunkState.CONFIRMED.value)
        .values(next_try_at=database_now(conn) + pause_s, error=error, attempts=attempts)
    )


async def hurry(conn: AsyncConnection, conversation_id: str, error: str) -> None:
    """Confirmed chunks that wait for this reason need not wait any longer."""
    await conn.execute(
        sa.update(chunks)
        .where(
            chunks.c.conversation_id == conversation_id,
            chunks.c.state == ChunkState.CONFIRMED.value,
            chunks.c.error == error,
            chunks.c.next_try_at.is_not(None),
        )
        .values(next_try_at=None)
    )


async def change_chunk(conn: AsyncConnection, chunk_id: str, values: dict[str, Any]) -> None:
    await conn.execute(sa.update(chunks).where(chunks.c.id == chunk_id).values(**values))


async def try_again(conn: AsyncConnection, chunk: Chunk, error: str, *, now: float) -> None:
    """Others of its conversation that failed with this error."""
    there = move(CHUNK_MOVES, ChunkState.FAILED, ChunkState.CONFIRMED)
    await conn.execute(
        sa.update(chunks)
        .where(
            chunks.c.conversation_id == chunk.conversation_id,
            chunks.c.id != chunk.id,
            chunks.c.state == ChunkState.FAILED.value,
            chunks.c.error == error,
        )
        .values(state=there.value, updated_at=now, **AFRESH)
    )


async def to_erase(conn: AsyncConnection, *, limit: int) -> list[Chunk]:
    """Deleted chunks of which something may be left."""
    rows = await conn.execute(
        sa.select(chunks)
        .join(transcripts, transcripts.c.id == chunks.c.conversation_id)
        .where(
            _LIVING,
            chunks.c.state == ChunkState.DELETED.value,
            sa.or_(chunks.c.key.is_not(None), chunks.c.text.is_not(None)),
        )
        .limit(limit)
    )
    return [_chunk(row) for row in rows]


async def sound_tracks_of(conn: AsyncConnection, transcript_id: str) -> frozenset[str]:
    found = sa.select(chunks.c.track_id).where(chunks.c.conversation_id == transcript_id, chunks.c.key.is_not(None))
    return frozenset((await conn.execute(found)).scalars())


async def by_ids(conn: AsyncConnection, chunk_ids: Sequence[str]) -> list[Chunk]:
    """Those of them that there are, of conversations that were not destroyed."""
    rows = await conn.execute(
        sa.select(chunks)
        .join(transcripts, transcripts.c.id == chunks.c.conversation_id)
        .where(transcripts.c.destroyed_at.is_(None), chunks.c.id.in_(chunk_ids))
    )
    return [_chunk(row) for row in rows]


def _conversation(row: sa.Row[Any]) -> Conversation:
    values = {name: getattr(row, name) for name in Conversation.__dataclass_fields__}
    return Conversation(**values | {"tags": tuple(json.loads(row.tags))})


def _chunk(row: sa.Row[Any]) -> Chunk:
    values = {name: getattr(row, name) for name in Chunk.__dataclass_fields__}
    return Chunk(**values | {"state": ChunkState(row.state)})
