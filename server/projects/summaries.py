"""Title and summary of a conversation, made when all of it is written down, and again when more of it came.

What is due stands in the store, so that a restart only delays it; the store also knows what a host wrote by hand, which
is left as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice

import structlog

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EarshotError, NotFound
from protocol.words import Segment
from server.journal import Journal
from server.rounds import repeat
from server.segment_pages import segment_pages
from server.store.store import Store
from server.store.summary_store import Due
from server.store.transcripts import may_be_made
from server.summaries.extract import SENTENCES_MAX, Extract, Sentence, extract, sentences_of

log = structlog.get_logger(__name__)

LOOK_S = 15.0
AT_ONCE = 20  # that are looked up together; they are made one after the other


class Summaries:
    """Makes what is due, one conversation at a time. ``noted`` is called when webhooks are to be told of it."""

    def __init__(self, store: Store, journal: Journal, noted: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._journal = journal
        self._noted = noted
        self._woken = asyncio.Event()
        self._alone = asyncio.Lock()  # so that nothing is made twice
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        rounds = repeat(self.make_due, every_s=LOOK_S, name="summaries", woken=self._woken)
        self._task = asyncio.create_task(rounds, name="summaries")

    async def stop(self) -> None:
        """What is not made yet is made at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """A conversation came to its end."""
        self._woken.set()

    async def make_due(self) -> int:
        """Make what is due now; how many that were."""
        count = 0
        async with self._alone:
            while found := await self._store.summaries.due(limit=AT_ONCE):
                for due in found:
                    try:
                        await self._make(due)
                    except NotFound:
                        continue  # deleted meanwhile
                    count += 1
        return count

    async def _make(self, due: Due) -> None:
        found = Extract("", (), ())
        try:
            found = await self._extract(due.conversation_id)
        except EarshotError as error:
            if error.retryable or isinstance(error, NotFound):
                raise
            log.error("no summary could be made", conversation=due.conversation_id, code=error.code)
        except Exception:
            # Nobody foresaw it, so it would happen again: this conversation has none, and the others have theirs.
            log.exception("no summary could be made", conversation=due.conversation_id)
        transcript = await self._store.get_transcript(due.conversation_id)
        if found.points and may_be_made(transcript.summary, was_made=due.was_made) and not transcript.locked:
            await self._journal.append(due.conversation_id, found.event())
        if await self._store.summaries.settle(due, found.title, is_told=bool(found.points)):
            self._noted()

    async def _extract(self, transcript_id: str) -> Extract:
        said = await said_in(self._store, transcript_id)
        return await asyncio.to_thread(extract, said)


async def said_in(store: Store, transcript_id: str) -> list[Sentence]:
    """The sentences of a transcript, in order, at most ``SENTENCES_MAX``. Raises what the store raises."""
    tracks = await store.tracks_of(transcript_id)
    began_at = min((track.started_at for track in tracks), default=0.0)
    offsets = {track.id: round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in tracks}
    said: list[Sentence] = []
    async for page in segment_pages(store, transcript_id):
        segments = [stored.segment for stored in page]
        said += await asyncio.to_thread(_taken, segments, offsets, SENTENCES_MAX - len(said))
        if len(said) >= SENTENCES_MAX:
            break
    return said


def _taken(segments: list[Segment], offsets: dict[str, int], count: int) -> list[Sentence]:
    return list(islice(sentences_of(segments, offsets), count))
