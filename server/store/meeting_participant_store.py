"""What bots tell of participants of meetings, the newest of each. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from protocol.errors import NotFound
from protocol.participants import MeetingParticipant
from server.store.bot_tables import meeting_participants
from server.store.database import Transaction
from server.store.tables import transcripts


class MeetingParticipantStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        self._read = read
        self._write = write

    async def put(self, transcript_id: str, participants: Sequence[MeetingParticipant]) -> None:
        """Each takes the place of what was told of it before. Raises ``NotFound`` where their transcript is gone."""
        of = meeting_participants.c
        async with self._write() as conn:
            living = sa.select(transcripts.c.id).where(
                transcripts.c.id == transcript_id,
                transcripts.c.deleted_at.is_(None),
                transcripts.c.destroyed_at.is_(None),
            )
            if (await conn.execute(living.with_for_update(read=True, key_share=True))).scalar_one_or_none() is None:
                raise NotFound("no such recording")
            ids = [each.id for each in participants]
            own = sa.delete(meeting_participants).where(of.transcript_id == transcript_id, of.participant_id.in_(ids))
            await conn.execute(own)
            values = [
                {"transcript_id": transcript_id, "participant_id": each.id, "told": each.model_dump_json()}
                for each in participants
            ]
            await conn.execute(sa.insert(meeting_participants), values)

    async def of_transcript(self, transcript_id: str) -> list[MeetingParticipant]:
        """By their ids."""
        of = meeting_participants.c
        own = sa.select(of.told).where(of.transcript_id == transcript_id).order_by(of.participant_id)
        async with self._read() as conn:
            return [MeetingParticipant.model_validate_json(told) for told in (await conn.execute(own)).scalars()]
