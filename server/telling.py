"""How far a reader has told on what its subscription gave it, for those of whom nobody may hear before that."""

from __future__ import annotations

import asyncio

from protocol.errors import SlowReader
from server.store.store import Store

CATCH_UP_DEADLINE_S = 10.0  # finals that are stored are told within milliseconds; a store that is down must not hang us


class Telling:
    """One reader's. ``seq``: of the newest event that it was told, or from which it reads."""

    def __init__(self, store: Store, transcript_id: str, *, seq: int = 0) -> None:
        self.seq = seq
        self._store = store
        self._transcript_id = transcript_id
        self._more = asyncio.Event()

    def told(self, seq: int) -> None:
        """All events up to this one."""
        self.seq = max(self.seq, seq)
        self._more.set()

    async def caught_up(self) -> None:
        """Until every event that is stored by now is told. Raises ``SlowReader``, and what the store raises."""
        last_seq = (await self._store.get_transcript(self._transcript_id)).last_seq
        try:
            async with asyncio.timeout(CATCH_UP_DEADLINE_S):
                while last_seq > self.seq:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise SlowReader("what was said could not be told in time; connect again") from None
