"""Events of a meeting on their way to the journal, for which nobody waits: sound goes on while the store is away."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from protocol.errors import EarshotError
from protocol.events import Event, EventBody
from server.journal import Journal

WAITING_MAX = 500  # of one connection; what comes beyond that waits for the first of them
GOODBYE_S = 10.0  # as long as whoever waits for an event does

log = structlog.get_logger(__name__)


class JournalBehind:
    """Of one connection, for one task."""

    def __init__(self, journal: Journal, transcript_id: str) -> None:
        self._journal = journal
        self._transcript_id = transcript_id
        self._waiting: deque[asyncio.Future[list[Event] | EarshotError]] = deque()

    async def put(self, body: EventBody) -> None:
        """Stored in the order in which they came. Raises what became of one before: ``NotFound`` where the transcript
        is gone; and ``StoreUnavailable`` where the journal takes no more of anybody."""
        if len(self._waiting) >= WAITING_MAX:
            await asyncio.wait({self._waiting[0]})
        while self._waiting and self._waiting[0].done():
            if isinstance(error := self._waiting.popleft().result(), EarshotError):
                raise error
        self._waiting.append(self._journal.give(self._transcript_id, [body]))

    async def close(self) -> None:
        """Everything is stored; while the store is away it is later, unless the server ends before. Idempotent."""
        waiting = {each for each in self._waiting if not each.done()}
        self._waiting.clear()
        if waiting and (late := (await asyncio.wait(waiting, timeout=GOODBYE_S))[1]):
            log.warning("events of a meeting are not stored yet", transcript=self._transcript_id, waiting=len(late))
