"""What other recognisers sent of meetings, as they sent it. Every method is one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from protocol.errors import NotFound
from protocol.participants import MeetingParticipant
from server.store.bot_tables import provider_parts
from server.store.database import Transaction
from server.store.tables import transcripts


@dataclass(frozen=True, slots=True)
class ProviderPart:
    """``event``: what the message was called. ``participant``: of whose sound; None: of the whole room's. ``offset_s``:
    where that sound is, in seconds since the recording began. ``payload``: JSON, as it came."""

    id: str
    transcript_id: str
    created_at: float
    event: str
    participant: MeetingParticipant | None
    offset_s: float
    payload: str


class ProviderPartStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read = read
        self._write = write

    async def add(self, parts: Sequence[ProviderPart]) -> None:
        """Of one transcript; raises ``NotFound`` where that is gone. One that is there already is left as it is."""
        async with self._write() as conn:
            living = sa.select(transcripts.c.id).where(
                transcripts.c.id == parts[0].transcript_id,
                transcripts.c.deleted_at.is_(None),
                transcripts.c.destroyed_at.is_(None),
            )
            if (await conn.execute(living.with_for_update(read=True, key_share=True))).scalar_one_or_none() is None:
                raise NotFound("no such recording")
            ids = [part.id for part in parts]
            known = await conn.execute(sa.select(provider_parts.c.id).where(provider_parts.c.id.in_(ids)))
            old = set(known.scalars())
            if new := [_values(part) for part in parts if part.id not in old]:
                await conn.execute(sa.insert(provider_parts), new)

    async def of_transcript(self, transcript_id: str) -> list[ProviderPart]:
        """In the order in which they came."""
        own = sa.select(provider_parts).where(provider_parts.c.transcript_id == transcript_id)
        async with self._read() as conn:
            rows = await conn.execute(own.order_by(provider_parts.c.created_at, provider_parts.c.id))
            return [_part(row) for row in rows]

    async def size(self, transcript_id: str) -> tuple[int, int]:
        """How many there are, and how many characters they have."""
        length = sa.func.coalesce(sa.func.sum(sa.func.length(provider_parts.c.payload)), 0)
        own = sa.select(sa.func.count(), length).where(provider_parts.c.transcript_id == transcript_id)
        async with self._read() as conn:
            count, chars = (await conn.execute(own)).one()
        return int(count), int(chars)


def _values(part: ProviderPart) -> dict[str, Any]:
    values = {name: getattr(part, name) for name in ProviderPart.__dataclass_fields__}
    who = part.participant
    return values | {"participant": None if who is None else who.model_dump_json()}


def _part(row: sa.Row[Any]) -> ProviderPart:
    values: dict[str, Any] = dict(row._mapping)
    who = values["participant"]
    participant = None if who is None else MeetingParticipant.model_validate(json.loads(who))
    return ProviderPart(**values | {"participant": participant})
