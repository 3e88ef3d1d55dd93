"""Stretches in which a participant's sound came: from when they unmuted, or came, to when no more is sent of them.

They are found while it is placed, for afterwards a pause is silence like any other.
"""

from __future__ import annotations

from dataclasses import replace

from protocol.blocks import SAMPLE_RATE_HZ, Block, seconds
from protocol.ids import new_meeting_part_id
from server.bots.write_behind import WriteBehind
from server.store.meeting_part_store import MeetingPart, MeetingPartStore

JOINED_SAMPLES = SAMPLE_RATE_HZ  # what goes on within a second was not muted: packets were lost, or the sender paused
WRITTEN_EVERY_S = 10.0  # so that a crash leaves parts that end about where they do
PARTS_MAX = 5000  # of one connection; whoever mutes more often has longer parts


class SoundParts:
    """Of one connection."""

    def __init__(self, store: MeetingPartStore, transcript_id: str) -> None:
        self._transcript_id = transcript_id
        self._newest: dict[int, MeetingPart] = {}  # of each participant, with the end that was written
        self._end_s: dict[int, float] = {}  # of the newest
        self._written = WriteBehind(store.put, every_s=WRITTEN_EVERY_S, what="parts of sound")
        self._count = 0

    def heard(self, participant_id: int, block: Block) -> None:
        """A block of their sound; each begins where the one before ended, or later."""
        start_s = seconds(block.start_samples)
        goes_on = participant_id in self._newest and start_s - self._end_s[participant_id] <= seconds(JOINED_SAMPLES)
        if not goes_on and (participant_id not in self._newest or self._count < PARTS_MAX):
            self._put(participant_id)
            self._count += 1
            part = MeetingPart(new_meeting_part_id(), self._transcript_id, "audio", participant_id, start_s)
            self._newest[participant_id] = part
        self._end_s[participant_id] = seconds(block.end_samples)

    def _put(self, participant_id: int) -> None:
        """Not at every block, of which there are many."""
        part, end_s = self._newest.get(participant_id), self._end_s.get(participant_id)
        if part is not None and part.end_s != end_s:
            self._newest[participant_id] = part = replace(part, end_s=end_s)
            self._written.put(part.id, part)

    def tick(self) -> None:
        for participant_id in self._newest:
            self._put(participant_id)
        self._written.tick()

    async def close(self) -> None:
        """What was heard is stored."""
        for participant_id in self._newest:
            self._put(participant_id)
        await self._written.close()
