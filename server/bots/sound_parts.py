"""Stretches in which a participant's sound came: from when they unmuted, or came, to when no more is sent of them.

They are found while it is placed, for afterwards a pause is silence like any other.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import structlog

from protocol.blocks import SAMPLE_RATE_HZ, Block, seconds
from protocol.errors import EarshotError
from protocol.ids import new_meeting_part_id
from server.store.meeting_part_store import MeetingPart, MeetingPartStore

log = structlog.get_logger(__name__)

JOINED_SAMPLES = SAMPLE_RATE_HZ  # what goes on within a second was not muted: packets were lost, or the sender paused
WRITTEN_EVERY_S = 10.0  # so that a crash leaves parts that end about where they do
PARTS_MAX = 5000  # of one connection; whoever mutes more often has longer parts


class SoundParts:
    """Of one connection. Nothing waits for the store but ``close``: what could not be stored is tried with the next."""

    def __init__(self, store: MeetingPartStore, transcript_id: str) -> None:
        self._store = store
        self._transcript_id = transcript_id
        self._open: dict[int, MeetingPart] = {}  # the newest of each participant
        self._changed: dict[str, MeetingPart] = {}
        self._count = 0
        self._written_s = time.monotonic()
        self._writing: asyncio.Task[None] | None = None

    def heard(self, participant_id: int, block: Block) -> None:
        """A block of their sound; each begins where the one before ended, or later."""
        start_s, end_s = seconds(block.start_samples), seconds(block.end_samples)
        part = self._open.get(participant_id)
        goes_on = part is not None and part.end_s is not None and start_s - part.end_s <= seconds(JOINED_SAMPLES)
        if part is None or not (goes_on or self._count >= PARTS_MAX):
            self._count += 1
            part = MeetingPart(new_meeting_part_id(), self._transcript_id, "audio", participant_id, start_s)
        self._open[participant_id] = self._changed[part.id] = replace(part, end_s=end_s)

    def tick(self) -> None:
        if time.monotonic() - self._written_s >= WRITTEN_EVERY_S and (self._writing is None or self._writing.done()):
            self._written_s = time.monotonic()
            self._writing = asyncio.create_task(self._write(), name=f"parts {self._transcript_id}")

    async def close(self) -> None:
        """What was heard is stored. Idempotent."""
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write()

    async def _write(self) -> None:
        changed, self._changed = self._changed, {}
        if not changed:
            return
        try:
            await self._store.put(list(changed.values()))
        except EarshotError as error:
            log.warning("parts of a meeting are not stored", transcript=self._transcript_id, code=error.code)
            self._changed = changed | self._changed
