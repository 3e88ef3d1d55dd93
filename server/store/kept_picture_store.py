"""Where the pictures of parts of meetings lie. A part's file only ever grows in the folder that it began in."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from protocol.errors import NotFound
from server.store.bot_tables import meeting_parts
from server.store.database import Transaction
from server.store.kept_rows import KeptRows
from server.store.meeting_part_store import MeetingPart, part_of
from server.store.node_store import is_held
from server.store.tables import transcripts

AT_ONCE = 100  # parts of one statement

# Who let it grow last still holds the recording: more may come, also of a part that a connection before has ended.
_GROWS = sa.exists().where(
    transcripts.c.id == meeting_parts.c.transcript_id,
    is_held(),
    sa.or_(meeting_parts.c.kept_by.is_(None), meeting_parts.c.kept_by == transcripts.c.held_by),
)


class KeptPictureStore(KeptRows[MeetingPart]):
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction) -> None:
        has_pictures = meeting_parts.c.kind != "audio"
        super().__init__(read, write, meeting_parts, part_of, sa.and_(has_pictures, ~_GROWS))

    async def take(self, id_: str, folder: str, *, node_id: str | None = None) -> int:
        """``node_id``: of the node that lets it grow; None: it does not."""
        async with self._write() as conn:
            rows = await conn.execute(
                sa.update(meeting_parts)
                .where(meeting_parts.c.id == id_)
                .values(kept_in=folder, kept_by=node_id, kept_turn=meeting_parts.c.kept_turn + 1, is_remote=False)
                .returning(meeting_parts.c.kept_turn)
            )
            turn = rows.scalar_one_or_none()
        if turn is None:
            raise _not_found()
        return int(turn)

    async def grew(self, turns: Sequence[tuple[str, int]]) -> None:
        """Under these turns nothing more comes into the files of these parts. Where another turn has begun, by which
        the file was sent as whole while it still grew, the rest is left to be sent."""
        columns = meeting_parts.c
        async with self._write() as conn:
            for at in range(0, len(turns), AT_ONCE):
                lapsed = [
                    sa.and_(columns.id == id_, columns.kept_turn > turn) for id_, turn in turns[at : at + AT_ONCE]
                ]
                await conn.execute(
                    # The next one, so that whoever sends it just now does not say that all has arrived.
                    sa.update(meeting_parts)
                    .where(sa.or_(*lapsed))
                    .values(kept_turn=columns.kept_turn + 1, is_remote=False)
                )

    async def get(self, part_id: str) -> MeetingPart:
        """Raises ``NotFound`` where no pictures of it may be kept."""
        wanted = sa.select(meeting_parts).where(meeting_parts.c.id == part_id, self._may_be)
        async with self._read() as conn:
            row = (await conn.execute(wanted)).one_or_none()
        if row is None:
            raise _not_found()
        return part_of(row)


def _not_found() -> NotFound:
    return NotFound("there are no pictures of this part")
