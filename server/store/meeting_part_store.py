"""Parts of meetings: stretches of one participant's sound, camera or screen. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import sqlalchemy as sa

from protocol.errors import NotFound
from server.store.bot_tables import meeting_parts
from server.store.database import Transaction
from server.store.tables import transcripts

PartKind = Literal["audio", "webcam", "screenshare"]
PART_KINDS: Sequence[PartKind] = get_args(PartKind)
PICTURES = ".pictures"


@dataclass(frozen=True, slots=True)
class MeetingPart:
    """Times are seconds since the recording began; ``end_s`` None while it goes on, and where nobody said that it
    ended: it does where its sound or its pictures do."""

    id: str
    transcript_id: str
    kind: PartKind
    participant_id: int
    start_s: float
    end_s: float | None = None
    # Of pictures, where there is a bucket: as ``Track`` has them, and the node that lets the file grow.
    kept_in: str | None = field(default=None, compare=False)
    kept_by: str | None = field(default=None, compare=False)
    kept_turn: int = field(default=0, compare=False)
    is_remote: bool = field(default=False, compare=False)

    @property
    def path(self) -> str:
        """Of its pictures, relative to the folder of recordings."""
        return f"{self.transcript_id}/{self.id}{PICTURES}"

    @property
    def is_whole(self) -> bool:
        """All of them are in the bucket, and no more come."""
        return self.is_remote


class MeetingPartStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read = read
        self._write = write

    async def put(self, parts: Sequence[MeetingPart]) -> None:
        """New ones, and where those that are known end: what a connection that is over says of one that went on since
        does not shorten it. Raises ``NotFound`` where their transcript is gone."""
        async with self._write() as conn:
            for part in parts:
                own = meeting_parts.c.id == part.id
                if (await conn.execute(sa.select(meeting_parts.c.id).where(own))).scalar_one_or_none() is not None:
                    if part.end_s is not None:
                        is_later = sa.or_(meeting_parts.c.end_s.is_(None), meeting_parts.c.end_s < part.end_s)
                        await conn.execute(sa.update(meeting_parts).where(own, is_later).values(end_s=part.end_s))
                else:
                    held = _living(part.transcript_id).with_for_update(read=True, key_share=True)
                    if (await conn.execute(held)).scalar_one_or_none() is None:
                        raise NotFound("no such recording")
                    values = {name: getattr(part, name) for name in MeetingPart.__dataclass_fields__}
                    await conn.execute(sa.insert(meeting_parts).values(**values))

    async def of_transcript(self, transcript_id: str) -> list[MeetingPart]:
        """In the order in which they began."""
        own = sa.select(meeting_parts).where(meeting_parts.c.transcript_id == transcript_id)
        async with self._read() as conn:
            rows = await conn.execute(own.order_by(meeting_parts.c.start_s, meeting_parts.c.id))
            return [part_of(row) for row in rows]

    async def get(self, part_id: str) -> MeetingPart:
        """Raises ``NotFound``, too, where its transcript is in the bin."""
        wanted = sa.select(meeting_parts).where(
            meeting_parts.c.id == part_id, _living(meeting_parts.c.transcript_id).exists()
        )
        async with self._read() as conn:
            row = (await conn.execute(wanted)).one_or_none()
        if row is None:
            raise NotFound("there is no such part")
        return part_of(row)


def _living(transcript_id: Any) -> sa.Select[Any]:
    return sa.select(transcripts.c.id).where(
        transcripts.c.id == transcript_id, transcripts.c.deleted_at.is_(None), transcripts.c.destroyed_at.is_(None)
    )


def part_of(row: sa.Row[Any]) -> MeetingPart:
    return MeetingPart(**row._mapping)
