"""Where what happens in meetings is delivered to while it does. Every method is one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from server.store.bot_tables import realtime_endpoints
from server.store.database import Transaction
from server.store.node_store import is_done_elsewhere, is_free_for
from server.store.records import storable
from server.store.tables import transcripts

DUTY = "endpoint "  # and its id: whoever has that duty delivers to it

EndpointType = Literal["webhook", "websocket"]
EndpointStatus = Literal["running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    type: EndpointType
    url: str = field(repr=False)  # it may hold a secret
    events: tuple[str, ...]
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``delivered_seq``: of the newest event of the journal that was taken there; ``sub_code``: why it failed."""

    id: str
    transcript_id: str
    type: EndpointType
    url: str = field(repr=False)
    events: tuple[str, ...]
    secret: str = field(repr=False)
    status: EndpointStatus
    sub_code: str | None
    delivered_seq: int
    created_at: float
    updated_at: float


class EndpointStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def of_transcript(self, transcript_id: str) -> list[Endpoint]:
        """In the order in which they were named."""
        async with self._read() as conn:
            return await of_transcripts(conn, [transcript_id])

    async def unfinished(self, limit: int, node_id: str, *, without: Sequence[str] = ()) -> list[str]:
        """Transcripts of which something is still to be delivered, the newest first; but for ``without``, endpoints,
        and for what another node delivers, or holds, where it is heard first."""
        newest = sa.func.max(realtime_endpoints.c.created_at)
        is_there = transcripts.c.deleted_at.is_(None), transcripts.c.destroyed_at.is_(None)
        wanted = (
            sa.select(realtime_endpoints.c.transcript_id)
            .join(transcripts)
            .where(
                *is_there,
                is_free_for(node_id),
                realtime_endpoints.c.status == "running",
                realtime_endpoints.c.id.not_in(without),
                ~is_done_elsewhere(sa.literal(DUTY) + realtime_endpoints.c.id, node_id),
            )
        )
        wanted = wanted.group_by(realtime_endpoints.c.transcript_id).order_by(newest.desc()).limit(limit)
        async with self._read() as conn:
            return list((await conn.execute(wanted)).scalars())

    async def note(
        self, endpoint_id: str, *, delivered_seq: int, status: EndpointStatus = "running", sub_code: str | None = None
    ) -> None:
        """How far it is. One that is gone stays gone."""
        values = {"delivered_seq": delivered_seq, "status": status, "sub_code": sub_code, "updated_at": self._clock()}
        own = sa.update(realtime_endpoints).where(realtime_endpoints.c.id == endpoint_id)
        async with self._write() as conn:
            await conn.execute(own.values(**values))


async def add(conn: AsyncConnection, transcript_id: str, new: Sequence[NewEndpoint], *, now: float) -> None:
    for number, each in enumerate(new):
        values = {
            "id": ids.new_endpoint_id(),
            "transcript_id": transcript_id,
            "type": each.type,
            "url": storable(each.url),
            "events": json.dumps(each.events),
            "secret": each.secret,
            "status": "running",
            "created_at": now + number * 1e-6,  # so that they keep their order
            "updated_at": now,
        }
        await conn.execute(sa.insert(realtime_endpoints).values(**values))


async def of_transcripts(conn: AsyncConnection, transcript_ids: Sequence[str]) -> list[Endpoint]:
    wanted = sa.select(realtime_endpoints).where(realtime_endpoints.c.transcript_id.in_(transcript_ids))
    rows = await conn.execute(wanted.order_by(realtime_endpoints.c.created_at, realtime_endpoints.c.id))
    return [_endpoint(row) for row in rows]


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    values: dict[str, Any] = dict(row._mapping)
    return Endpoint(**values | {"events": tuple(json.loads(values["events"]))})
