"""What a bot tells of participants with whatever it sends is kept: the newest of each, stored when it is news."""

from __future__ import annotations

from protocol.participants import MeetingParticipant
from server.bots.timeline import newer
from server.bots.write_behind import WriteBehind
from server.store.meeting_participant_store import MeetingParticipantStore

KEPT_MAX = 1000  # of one recording
WRITTEN_EVERY_S = 0.5  # who is told anew with every message is written no more often


class ToldParticipants:
    """Of one connection, for one task but for ``tick``. ``is_new``: there was none before it."""

    def __init__(self, store: MeetingParticipantStore, transcript_id: str, *, is_new: bool) -> None:
        self._store = store
        self._transcript_id = transcript_id
        self._known: dict[int, MeetingParticipant] | None = {} if is_new else None  # None: not looked at yet
        self._latest: dict[int, MeetingParticipant] = {}  # as they came last
        self._written = WriteBehind(self._put, every_s=WRITTEN_EVERY_S, what="participants")

    async def told(self, participant: MeetingParticipant) -> None:
        """What is not told again stays. Raises what the store raises."""
        if self._latest.get(participant.id) == participant:
            return  # as with nearly every message
        if self._known is None:
            found = await self._store.of_transcript(self._transcript_id)
            self._known = {each.id: each for each in found}
        before = self._known.get(participant.id)
        if before is None and len(self._known) >= KEPT_MAX:
            return
        self._latest[participant.id] = participant
        now = participant if before is None else newer(before, participant)
        if now != before:
            self._known[now.id] = now
            self._written.put(str(now.id), now)

    def tick(self) -> None:
        self._written.tick()

    async def close(self) -> None:
        """What was told is stored. Idempotent."""
        await self._written.close()

    async def finish(self) -> None:
        """As ``WriteBehind.finish``."""
        await self._written.finish()

    async def _put(self, participants: list[MeetingParticipant]) -> None:
        await self._store.put(self._transcript_id, participants)
