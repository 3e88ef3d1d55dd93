"""Stretches in which a participant's sound came: from when they unmuted, or came, to when no more is sent of them.

They are found while it is placed, for afterwards a pause is silence like any other. Each is stored when it begins and
when it has ended; one that the server's end cut short ends where its sound does.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.blocks import Block, seconds
from protocol.ids import new_meeting_part_id
from server.bots.write_behind import WriteBehind
from server.store.meeting_part_store import MeetingPart, MeetingPartStore

JOINED_S = 1.0  # what goes on within a second was not muted: packets were lost, the sender paused, or connected again
RETRIED_EVERY_S = 10.0  # what the store did not take at once
PARTS_MAX = 5000  # of one connection; whoever mutes more often has longer parts


class SoundParts:
    """Of one connection, for one task but for ``tick``."""

    def __init__(self, store: MeetingPartStore, transcript_id: str) -> None:
        self._store = store
        self._transcript_id = transcript_id
        self._newest: dict[int, tuple[MeetingPart, float]] = {}  # of each participant, and where it ends by now
        self._before: dict[int, MeetingPart] | None = None  # of connections before; None: not looked at yet
        self._written = WriteBehind(store.put, every_s=RETRIED_EVERY_S, what="parts of sound")
        self._count = 0

    async def look(self) -> None:
        """At what connections before this one heard, which can ``resume`` then. Raises what the store raises."""
        if self._before is None:
            found = await self._store.of_transcript(self._transcript_id)
            self._before = {part.participant_id: part for part in found if part.kind == "audio"}

    def resume(self, participant_id: int, length_s: float) -> None:
        """Go on with what was heard of them before. ``length_s``: of the sound that there is of it."""
        assert self._before is not None, "look first"
        part = self._before.pop(participant_id, None)
        if part is not None and participant_id not in self._newest:
            self._newest[participant_id] = part, max(part.start_s, length_s if part.end_s is None else part.end_s)

    def heard(self, participant_id: int, block: Block) -> None:
        """A block of their sound; each begins where the one before ended, or later."""
        start_s, end_s = seconds(block.start_samples), seconds(block.end_samples)
        part, until_s = self._newest.get(participant_id, (None, 0.0))
        if part is None or not (start_s - until_s <= JOINED_S or self._count >= PARTS_MAX):
            self._end(participant_id)
            self._count += 1
            part = MeetingPart(new_meeting_part_id(), self._transcript_id, "audio", participant_id, start_s)
            self._written.put(part.id, part, at_once=True)
        self._newest[participant_id] = part, end_s

    def tick(self) -> None:
        self._written.tick()

    async def close(self) -> None:
        """What was heard is stored. Idempotent."""
        for participant_id in self._newest:
            self._end(participant_id)
        await self._written.close()

    async def finish(self) -> None:
        """As ``WriteBehind.finish``."""
        await self._written.finish()

    def _end(self, participant_id: int) -> None:
        if participant_id in self._newest:
            part, end_s = self._newest[participant_id]
            self._written.put(part.id, replace(part, end_s=end_s))
