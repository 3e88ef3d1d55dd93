"""Statements about participants. Each runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.errors import Conflict, NotFound, TooLarge
from protocol.ids import new_participant_id
from server.store import merges
from server.store.changes import check_unlocked, hold
from server.store.records import Participant, storable
from server.store.tables import participants, tracks
from server.store.voice_tables import recognised_voices, track_voices

PARTICIPANTS_MAX = 500  # of a transcript

# A name that was given to a voice because it was recognised, and that nobody has changed.
_PARTICIPANTS = (
    sa.select(participants, recognised_voices.c.label.is_not(None).label("recognised"))
    .outerjoin(
        recognised_voices,
        sa.and_(
            recognised_voices.c.transcript_id == participants.c.transcript_id,
            recognised_voices.c.label == participants.c.speaker,
            recognised_voices.c.participant_id == participants.c.id,
            recognised_voices.c.name == participants.c.name,
        ),
    )
    .order_by(participants.c.created_at, participants.c.id)
)


async def participants_of(conn: AsyncConnection, transcript_id: str) -> list[Participant]:
    rows = await conn.execute(_PARTICIPANTS.where(participants.c.transcript_id == transcript_id))
    return [Participant(**row._mapping) for row in rows]


async def participants_of_all(conn: AsyncConnection, transcript_ids: Sequence[str]) -> dict[str, list[Participant]]:
    """Of several transcripts, by their ids."""
    rows = await conn.execute(_PARTICIPANTS.where(participants.c.transcript_id.in_(transcript_ids)))
    found: dict[str, list[Participant]] = {}
    for row in rows:
        found.setdefault(row.transcript_id, []).append(Participant(**row._mapping))
    return found


async def changing(conn: AsyncConnection, transcript_id: str, *, now: float) -> Changes:
    """The row of the transcript is held: of two changes at once the second sees what the first one did.

    Raises ``NotFound``, or ``Conflict`` when the transcript is locked.
    """
    check_unlocked(await hold(conn, transcript_id))
    return Changes(conn, transcript_id, await participants_of(conn, transcript_id), now)


class Changes:
    """What a transaction makes of a transcript's participants and the labels of its tracks.

    Invariant: no two participants have one speaker; those without one never stand in each other's way.
    """

    def __init__(self, conn: AsyncConnection, transcript_id: str, found: list[Participant], now: float) -> None:
        self._conn = conn
        self._transcript_id = transcript_id
        self._now = now
        self.all = found

    def get(self, participant_id: str) -> Participant:
        found = next((each for each in self.all if each.id == participant_id), None)
        if found is None:
            raise NotFound("Participant not found", details={"participant_id": participant_id[:64]})
        return found

    def of_speaker(self, speaker: str) -> Participant | None:
        return next((each for each in self.all if each.speaker == speaker), None)

    async def add(
        self, *, name: str, speaker: str | None = None, user_id: str | None = None, email: str | None = None
    ) -> Participant:
        """Raises ``Conflict`` when somebody else has the speaker, ``TooLarge`` when there are too many."""
        # Later than those before, whatever the clock says: their order is that of their adding.
        at = max([self._now, *(each.created_at + 1e-6 for each in self.all)])
        return await self.put_back(
            _clean(Participant(new_participant_id(), self._transcript_id, speaker, name, user_id, email, at))
        )

    async def put_back(self, made: Participant) -> Participant:
        """One that was removed, with its id. Raises as ``add``."""
        if len(self.all) >= PARTICIPANTS_MAX:
            raise TooLarge(f"a transcript may have {PARTICIPANTS_MAX} participants", details={"max": PARTICIPANTS_MAX})
        self._refuse_taken(made)
        await self._conn.execute(sa.insert(participants).values(**_values(made)))
        self.all.append(made)
        return made

    async def change(self, participant_id: str, **values: Any) -> Participant:
        """Raises ``NotFound``, and ``Conflict`` when somebody else has the speaker."""
        before = self.get(participant_id)
        changed = _clean(replace(before, **values))
        if (changed.speaker, changed.name) != (before.speaker, before.name):
            changed = replace(changed, recognised=False)
        self._refuse_taken(changed)
        if changed != before:
            await self._conn.execute(
                sa.update(participants).where(participants.c.id == participant_id).values(**_values(changed))
            )
            self.all[self.all.index(before)] = changed
        return changed

    async def remove(self, participant_id: str) -> None:
        """Raises ``NotFound``."""
        gone = self.get(participant_id)
        await self._conn.execute(sa.delete(participants).where(participants.c.id == participant_id))
        self.all.remove(gone)

    async def replace(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        """All of them at once: those with an ``id`` that is there are changed, others added, the rest removed."""
        before = {each.id: each for each in self.all}
        kept = {each["id"] for each in wanted if each.get("id") in before}
        for participant_id in before.keys() - kept:
            await self.remove(participant_id)
        # Their speakers may be exchanged: let go of all of them first.
        for participant_id in kept:
            await self.change(participant_id, speaker=None)
        for each in wanted:
            values = {key: value for key, value in each.items() if key != "id"}
            if each.get("id") in kept:
                await self.change(each["id"], **{"speaker": before[each["id"]].speaker, **values})
            else:
                await self.add(**values)

    async def move_tracks(self, speaker_from: str, speaker_to: str) -> None:
        """What still comes of one voice, of a track of its own or told apart on one, is the other's."""
        await self._conn.execute(
            sa.update(tracks)
            .where(tracks.c.transcript_id == self._transcript_id, tracks.c.speaker == speaker_from)
            .values(speaker=storable(speaker_to))
        )
        await self._conn.execute(
            sa.update(track_voices)
            .where(track_voices.c.transcript_id == self._transcript_id, track_voices.c.label == speaker_from)
            .values(label=storable(speaker_to))
        )

    async def owned(self, speaker: str) -> merges.Moved:
        """Tracks and voices on tracks that are a speaker's."""
        return await merges.owned(self._conn, self._transcript_id, speaker)

    async def note_merge(self, merge: merges.Merge) -> str | None:
        """Its id, by which it is undone; None where it cannot be."""
        return await merges.note(self._conn, self._transcript_id, replace(merge, at=self._now))

    async def last_merge(self) -> merges.Merge | None:
        """The last that was not undone."""
        return await merges.last(self._conn, self._transcript_id)

    async def undo_merge(self, merge: merges.Merge, label: str) -> None:
        """What still comes of the first is told as ``label`` again. Once segments do, too: ``forget_merge``."""
        await merges.give_back(self._conn, self._transcript_id, merge, label)
        await merges.note_undone(self._conn, self._transcript_id, merge, label)

    async def forget_merge(self, merge: merges.Merge) -> None:
        await merges.forget(self._conn, merge)

    async def recognise(self, speaker: str, voice_id: str, name: str) -> None:
        """A voice is called by the name of an enrolled one, unless people said who it is, or took that name away.
        Raises ``TooLarge`` as ``add``."""
        before = self.of_speaker(speaker)
        mine = self._recognition(speaker)
        given = (await self._conn.execute(sa.select(recognised_voices.c.voice_id).where(mine))).scalar_one_or_none()
        if before is not None and before.recognised:
            if given == voice_id:
                return
            await self._conn.execute(sa.delete(recognised_voices).where(mine))
            made = await self.change(before.id, name=name)
        elif before is None and given is None:
            made = await self.add(name=name, speaker=speaker)
        else:
            return
        values = {"transcript_id": self._transcript_id, "label": made.speaker, "name": made.name}
        values |= {"voice_id": voice_id, "participant_id": made.id}
        await self._conn.execute(sa.insert(recognised_voices).values(**values))
        self.all[self.all.index(made)] = replace(made, recognised=True)

    async def confirm(self, participant: Participant) -> Participant:
        """A person goes by who was recognised: from now on it is as if people had given that name."""
        if not participant.recognised:
            return participant
        assert participant.speaker is not None, "who is recognised has a voice"
        mine = self._recognition(participant.speaker)
        await self._conn.execute(sa.update(recognised_voices).where(mine).values(participant_id=""))
        confirmed = replace(participant, recognised=False)
        self.all[self.all.index(participant)] = confirmed
        return confirmed

    async def unrecognise(self, speaker: str) -> None:
        """It is not that voice after all. What people made of the name stays."""
        before = self.of_speaker(speaker)
        if before is not None and before.recognised:
            await self._conn.execute(sa.delete(recognised_voices).where(self._recognition(speaker)))
            await self.remove(before.id)

    def _recognition(self, speaker: str) -> sa.ColumnElement[bool]:
        return sa.and_(
            recognised_voices.c.transcript_id == self._transcript_id, recognised_voices.c.label == storable(speaker)
        )

    def _refuse_taken(self, wanted: Participant) -> None:
        if wanted.speaker is None:
            return
        other = self.of_speaker(wanted.speaker)
        if other is not None and other.id != wanted.id:
            details = {"speaker": wanted.speaker, "participant_id": other.id}
            raise Conflict("Speaker already assigned", details=details)


def _values(participant: Participant) -> dict[str, Any]:
    """Of the row."""
    return {key: value for key, value in asdict(participant).items() if key != "recognised"}


def _clean(participant: Participant) -> Participant:
    texts: dict[str, Any] = {
        key: storable(value) for key, value in asdict(participant).items() if isinstance(value, str)
    }
    return replace(participant, **texts)
