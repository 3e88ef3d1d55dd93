"""Summaries that nobody asked for: of what is being recorded, as it grows, and of each transcript when it ends.

What is due at an end stands in the store, so that a restart only delays it; the store also knows what somebody wrote by
hand, which is left as it is. What was made of one that still grows is known here alone; a restart makes it again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from protocol.errors import EarshotError, LanguageModelTooSlow, LanguageModelUnavailable, NotFound, StoreUnavailable
from protocol.events import Summarised
from protocol.states import UNFINISHED
from server.journal import Journal
from server.language_models.catalogue import Catalogue
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.summarising import Summarising
from server.language_models.transcripts import stored_lines
from server.nodes.duties import Duties
from server.rounds import repeat
from server.store.records import Transcript
from server.store.store import Store
from server.store.summary_store import DUTY, Due
from server.store.transcripts import may_be_made
from server.summaries.extract import extract
from server.summaries.said import said_in

log = structlog.get_logger(__name__)

LOOK_S = 2.0
WORDS_MIN = 100  # of one that grows: fewer are read in less time than a summary of them
# So much of what it had then must have come since: all the summaries of one together read its words some twenty times,
# by a language model, whose time costs more, some five times.
GROWN_BY, GROWN_BY_ASKING = 0.05, 0.25
MAKERS_MAX = 4
AWAY_S = 60.0  # so long a model that did not answer is not asked again, and nothing waits for it


@dataclass(frozen=True, slots=True)
class _Made:
    words: int
    at_s: float


class LiveSummaries:
    """Makes what is due, but not of what is there for the moment only (``fleeting``). ``noted`` is called when webhooks
    are to be told of it; ``clock`` gives seconds that only move on."""

    def __init__(
        self,
        settings: LanguageModelSettings,
        store: Store,
        journal: Journal,
        summarising: Summarising,
        catalogue: Catalogue,
        duties: Duties,
        *,
        noted: Callable[[], None] = lambda: None,
        fleeting: Collection[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._when = settings.auto_summaries
        self._interval_s = settings.auto_summary_interval_s
        self._asks = bool(settings.llm_base_url) and settings.auto_summaries_by == "language_model"
        # As many as may ask the model at once without keeping those out who wait for an answer.
        self._makers = max(1, min(MAKERS_MAX, settings.llm_at_once - 1)) if self._asks else 1
        self._store = store
        self._journal = journal
        self._summarising = summarising
        self._catalogue = catalogue
        self._duties = duties
        self._noted = noted
        self._fleeting = fleeting
        self._clock = clock
        self._choosing = asyncio.Lock()
        self._making: set[str] = set()  # so that nothing is made twice
        self._grown: dict[str, _Made] = {}  # what was made of those that still grow
        self._asks_again_at_s = -math.inf
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if self._when == "off":
            return
        rounds = [repeat(self.make_due, every_s=LOOK_S, name="summaries") for _ in range(self._makers)]
        self._tasks = [asyncio.create_task(each, name="summaries") for each in rounds]

    async def stop(self) -> None:
        """What is not made yet is made at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def make_due(self) -> int:
        """Make what is due now and nobody makes; how many that were."""
        count = 0
        elsewhere: set[str] = set()  # what another node began to make just now
        while (due := await self._take(elsewhere)) is not None:
            try:
                async with self._duties.alone(DUTY + due.transcript_id) as is_mine:
                    if not is_mine:
                        elsewhere.add(due.transcript_id)
                    elif not due.is_over or await self._is_due(due):
                        await self._make(due)
                        count += 1
            except NotFound:
                pass  # deleted meanwhile
            finally:
                self._making.discard(due.transcript_id)
        return count

    async def _is_due(self, due: Due) -> bool:
        """Another node may have made it since it was looked for."""
        found = await self._store.summaries.due(
            limit=1, only=due.transcript_id, quiet_s=self._interval_s, node_id=self._duties.node_id
        )
        return bool(found)

    async def _take(self, elsewhere: Collection[str]) -> Due | None:
        async with self._choosing:
            busy, node_id = self._making.union(elsewhere, self._fleeting), self._duties.node_id
            over = await self._store.summaries.due(limit=1, without=busy, quiet_s=self._interval_s, node_id=node_id)
            due = over[0] if over else None
            if due is None and self._when == "rolling":
                # Of what nobody holds, such as a conversation between two chunks, one node makes all.
                running = await self._store.summaries.running(
                    words_min=WORDS_MIN, node_id=node_id, unheld=await self._duties.mine("summaries")
                )
                ids = {each.transcript_id for each in running}
                self._grown = {id_: made for id_, made in self._grown.items() if id_ in ids}
                grown = (each for each in running if each.transcript_id not in busy and self._has_grown(each))
                due = next(grown, None)
            if due is not None:
                self._making.add(due.transcript_id)
            return due

    def _has_grown(self, due: Due) -> bool:
        made = self._grown.get(due.transcript_id)
        if made is None:
            return True
        share = GROWN_BY_ASKING if self._asks else GROWN_BY
        more = max(WORDS_MIN, made.words * share)
        is_other = due.words - made.words >= more or due.words < made.words  # some of them were erased
        return is_other and self._clock() - made.at_s >= self._interval_s

    async def _make(self, due: Due) -> None:
        if not due.is_over:
            self._grown[due.transcript_id] = _Made(due.words, self._clock())
            if not _may_be_told(due, await self._store.get_transcript(due.transcript_id)):
                return
        read = await self._tracks(due.transcript_id)
        found = await self._found(due.transcript_id)
        if not read <= await self._tracks(due.transcript_id):
            # Words were erased while they were read: it is made again of those that are left.
            self._grown.pop(due.transcript_id, None)
            return
        transcript = await self._store.get_transcript(due.transcript_id)
        if not due.is_over and due.project_id is None and transcript.state not in UNFINISHED:
            return  # it ended meanwhile; who waits for its last summary would take this one for it
        is_told = bool(found.summary) and _may_be_told(due, transcript) and await self._tell(due.transcript_id, found)
        if is_told and not read <= await self._tracks(due.transcript_id):
            # The summary that was there when they were erased was taken back, this is not.
            await self._store.summaries.take_back(due.transcript_id)
        elif due.is_over and await self._store.summaries.settle(due, found.title, is_told=bool(found.summary)):
            self._noted()

    async def _found(self, transcript_id: str) -> Summarised:
        """An empty one where none can be made, which would be so the next time."""
        try:
            return await self._summary(transcript_id)
        except EarshotError as error:
            if error.retryable or isinstance(error, NotFound):
                raise
            log.error("no summary could be made", transcript=transcript_id, code=error.code)
        except Exception:
            # Nobody foresaw it, so it would happen again: this transcript has none, and the others have theirs.
            log.exception("no summary could be made", transcript=transcript_id)
        return Summarised(summary="")

    async def _tell(self, transcript_id: str, found: Summarised) -> bool:
        try:
            await self._journal.append(transcript_id, found)
        except EarshotError as error:
            if error.retryable or isinstance(error, NotFound):
                raise
            log.error("a summary could not be written down", transcript=transcript_id, code=error.code)
            return False
        return True

    async def _tracks(self, transcript_id: str) -> set[str]:
        return {track.id for track in await self._store.tracks_of(transcript_id)}

    async def _summary(self, transcript_id: str) -> Summarised:
        """By the language model, where one is to be asked and answers; else of sentences as they were said."""
        if self._asks and self._clock() >= self._asks_again_at_s:
            try:
                lines = await stored_lines(self._store, transcript_id)
                if lines:
                    return await self._summarising.whole(lines, await self._catalogue.resolve(""))
            except (StoreUnavailable, NotFound):
                raise
            except EarshotError as error:
                if isinstance(error, LanguageModelUnavailable | LanguageModelTooSlow):
                    self._asks_again_at_s = self._clock() + AWAY_S
                log.warning("a summary is made without the language model", transcript=transcript_id, code=error.code)
        said = await said_in(self._store, transcript_id)
        return (await asyncio.to_thread(extract, said)).event()


def _may_be_told(due: Due, transcript: Transcript) -> bool:
    return not transcript.locked and may_be_made(transcript.summary, was_made=due.was_made)
