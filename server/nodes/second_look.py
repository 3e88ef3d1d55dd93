"""Readers hear of what other nodes stored even where nobody told them: the journal's end is looked up in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

import structlog

from protocol.errors import EarshotError
from server.bus import Deleted, Message, Stored

log = structlog.get_logger(__name__)

AT_ONCE = 500  # transcripts of one query


class SecondLook:
    """Looks at all transcripts that somebody listens to, each ``every_s``; at some of them as soon as asked.

    One query for hundreds of them, whatever the number of their readers. While the store is away nothing is said.
    """

    def __init__(
        self,
        last_seqs: Callable[[Collection[str]], Awaitable[dict[str, int]]],
        *,
        transcripts: Callable[[], Collection[str]],
        tell: Callable[[Message], None],
        every_s: Callable[[], float],
    ) -> None:
        self._last_seqs = last_seqs
        self._transcripts = transcripts
        self._tell = tell
        self._every_s = every_s
        self._asked: set[str] = set()  # no more than are listened to
        self._woken = asyncio.Event()
        self._is_away = False

    def ask(self, transcript_ids: Collection[str]) -> None:
        self._asked.update(transcript_ids)
        self._woken.set()

    def hurry(self) -> None:
        """``every_s`` may be less now."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        last_s = loop.time()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(last_s + self._every_s()):
                    await self._woken.wait()
            self._woken.clear()
            listened = self._transcripts()
            asked, self._asked = self._asked.intersection(listened), set()
            if loop.time() >= last_s + self._every_s():
                last_s = loop.time()
                asked = set(listened)
            await self._look(sorted(asked))

    async def _look(self, transcript_ids: list[str]) -> None:
        for at in range(0, len(transcript_ids), AT_ONCE):
            some = transcript_ids[at : at + AT_ONCE]
            try:
                found = await self._last_seqs(some)
            except EarshotError as error:
                if not self._is_away:
                    log.warning("readers hear nothing of other nodes: the store is away", code=error.code)
                self._is_away = True
                return
            self._is_away = False
            for transcript_id in some:
                seq = found.get(transcript_id)
                self._tell(Deleted(transcript_id) if seq is None else Stored(transcript_id, seq))
