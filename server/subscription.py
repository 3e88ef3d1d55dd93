"""One reader of a transcript's journal.

It is *behind* while it reads pages of the store, and *live* while it queues what the bus brings. Behind, it only notes
the highest seq that the bus told (nothing is queued, so a slow reader of a long journal costs one page); it becomes
live when a page leaves nothing between itself and that seq. A hole in the seq of live events puts it behind again:
another node stored an event that has not been told here, or not yet. So does the news that another node stored one.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from protocol.errors import EarshotError, NotFound, SlowReader, StoreUnavailable
from protocol.events import Event, Interim, Transcribed
from protocol.words import Segment
from server.bus import Bus, Deleted, Message, Stored
from server.store.store import Store

PAGE_EVENTS = 200  # one query; an event with words is a few kB, so a page stays below a MB
AGAIN_S = 1.0  # the store is away; not all readers at once
FINALS_KNOWN = 64  # newest finals read in the store, whose interims may still be on their way from another node


class Subscription:
    """An async iterator of ``Event`` and ``Interim``, for one task; leave it by ``close`` or the ``async with`` block.

    Every durable event with seq > ``after`` comes once and in order, then the current interim of each open segment,
    then what is new. ``after=None``: from now on, after the current interims; of what other nodes store, from the first
    step of the iteration on.

    Live events queue up to ``queue_max`` entries, policy ``close_slow``: an interim replaces the one of its segment
    that still waits, a final removes it, a final is never skipped, and one entry too many ends the iteration with
    ``SlowReader`` whose details name ``last_seq``. Ends with ``NotFound`` when there is no such transcript (any more),
    with ``StoreUnavailable`` when the store cannot be read before it was ever live (iterating again goes on where it
    was); later that is waited for.
    """

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        transcript_id: str,
        after: int | None,
        types: frozenset[str] | None,
        queue_max: int,
        open_interims: Callable[[str], Sequence[Interim]],
        on_close: Callable[[Subscription], None],
        among: str | None = "readers",
    ) -> None:
        self.among = among  # whose places of the transcript it takes one of
        self.transcript_id = transcript_id
        self.last_seq = after or 0  # of the newest event that the reader was given, or from which it started
        self._store = store
        self._types = types
        self._limit = queue_max
        self._open_interims = open_interims
        self._on_close = on_close
        self._seen = after  # everything up to here is delivered, in the page or in the queue; None: not known yet
        self._heard = 0  # highest seq that the bus told
        self._is_behind = after is not None
        self._was_live = False  # from then on the reader shows interims, and must hear what becomes of them
        self._is_known = False  # that the transcript exists
        self._page: deque[Event] = deque()
        self._queue: OrderedDict[int | str, Event | Interim] = OrderedDict()  # by seq, or by segment id
        self._finals: OrderedDict[str, int] = OrderedDict()  # revisions by segment id
        self._early: dict[str, Interim] = {}  # by segment id: what other nodes may have told before it was live
        self._error: EarshotError | None = None
        self._is_closed = False
        self._woken = asyncio.Event()
        self._is_asked = False  # for the next one, which is not there yet
        self._asked = asyncio.Event()
        self._stop_listening = bus.listen(transcript_id, self._hear)
        if after is None:
            self._become_live()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration, from whichever task. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._let_go()
            self._on_close(self)

    async def delivered(self) -> None:
        """Until the reader has what is there, and asks for more; or has closed it."""
        while not self._is_closed and (self._queue or self._page or self._is_behind or not self._is_asked):
            self._asked.clear()
            await self._asked.wait()

    @property
    def waiting(self) -> int:
        """Entries in the queue."""
        return len(self._queue)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | Interim:
        if not self._is_known:
            await self._look_up()
        while not self._is_closed:
            if self._error is not None:
                error = self._error
                self.close()
                raise error
            if self._page:
                return self._take_from_page()
            # Interims alone do not keep a reader from the journal: they come again and again.
            if self._queue and not (self._is_behind and all(isinstance(key, str) for key in self._queue)):
                return self._take_from_queue()
            if self._is_behind:
                await self._read_on()
            else:
                self._woken.clear()
                self._is_asked = True
                self._asked.set()
                await self._woken.wait()
                self._is_asked = False
        raise StopAsyncIteration

    def _take_from_page(self) -> Event:
        event = self._page.popleft()
        self.last_seq = event.seq
        if isinstance(event.body, Transcribed):
            segment_id = event.body.segment.segment_id
            if all(interim.segment.segment_id != segment_id for interim in self._open_interims(self.transcript_id)):
                self._queue.pop(segment_id, None)  # an interim older than this final
            self._know(event.body.segment)
        return event

    def _know(self, final: Segment) -> None:
        self._finals[final.segment_id] = final.revision
        self._finals.move_to_end(final.segment_id)
        if len(self._finals) > FINALS_KNOWN:
            self._finals.popitem(last=False)

    def _take_from_queue(self) -> Event | Interim:
        _, message = self._queue.popitem(last=False)
        if isinstance(message, Event):
            self.last_seq = message.seq
        return message

    async def _look_up(self) -> None:
        try:
            transcript = await self._store.get_transcript(self.transcript_id)
        except NotFound as error:
            self._fail(error)
            return
        self._is_known = True
        if self._seen is None and self.last_seq == 0:
            self.last_seq = transcript.last_seq
        self._look_behind()

    async def _read_on(self) -> None:
        try:
            await self._read_page()
        except StoreUnavailable:
            if not self._was_live:
                raise
            # Who was told something already stays: coming again would find no more, and cost more.
            await asyncio.sleep(random.uniform(0.5, 1.5) * AGAIN_S)

    async def _read_page(self) -> None:
        assert self._seen is not None, "only a reader that knows where it is can be behind"
        events = await self._store.events_after(self.transcript_id, self._seen, PAGE_EVENTS)
        if events:
            self._seen = events[-1].seq
            self._page.extend(event for event in events if self._wants(event.body.type))
        if len(events) < PAGE_EVENTS and self._heard <= self._seen:
            # No await since the store answered: what is committed from here on will be heard.
            self._become_live()
        elif not events and not self._page:
            # The bus told of an event that the store does not have: the transcript is going, or a replica is late.
            await self._look_up()
            self._heard = self._seen

    def _hear(self, message: Message) -> None:
        if isinstance(message, Deleted):
            self._fail(NotFound("the transcript was deleted", details={"transcript_id": self.transcript_id}))
        elif isinstance(message, Event):
            self._hear_event(message)
        elif isinstance(message, Stored):
            self._heard = max(self._heard, message.seq)
            if self._is_known:
                self._look_behind()
        elif not self._was_live:
            self._keep_early(message)
        elif self._is_news(message):
            self._put_interim(message)
        self._woken.set()

    def _look_behind(self) -> None:
        """Whether something is in the store that was not told here."""
        if self._heard > (self.last_seq if self._seen is None else self._seen) and not self._is_behind:
            self._seen = self.last_seq if self._seen is None else self._seen
            self._is_behind = True

    def _hear_event(self, event: Event) -> None:
        self._heard = max(self._heard, event.seq)
        if isinstance(event.body, Transcribed):
            self._early.pop(event.body.segment.segment_id, None)  # also where the final itself is not wanted
        if self._is_behind:
            return
        if self._seen is None:
            self._seen = event.seq - 1
            self.last_seq = self._seen
        if event.seq > self._seen + 1:
            self._is_behind = True
        elif event.seq == self._seen + 1:
            self._seen = event.seq
            if isinstance(event.body, Transcribed):
                self._queue.pop(event.body.segment.segment_id, None)
            if self._wants(event.body.type):
                self._put(event.seq, event)

    def _become_live(self) -> None:
        self._is_behind = False
        if not self._was_live and self._wants("transcription"):
            here = {interim.segment.segment_id: interim for interim in self._open_interims(self.transcript_id)}
            elsewhere = {id_: interim for id_, interim in self._early.items() if self._is_news(interim)}
            self._queue.update(elsewhere | here)
            # However many speak at once, that alone makes nobody a slow reader.
            self._limit += len(self._queue)
        self._was_live = True
        self._early.clear()

    def _is_news(self, interim: Interim) -> bool:
        return interim.segment.revision > self._finals.get(interim.segment.segment_id, 0)

    def _keep_early(self, interim: Interim) -> None:
        id_ = interim.segment.segment_id
        self._early.pop(id_, None)
        if interim.segment.text and len(self._early) < self._limit:
            self._early[id_] = interim

    def _put_interim(self, interim: Interim) -> None:
        if self._wants("transcription"):
            self._put(interim.segment.segment_id, interim)

    def _put(self, key: int | str, message: Event | Interim) -> None:
        if key not in self._queue and len(self._queue) >= self._limit:
            self._fail(
                SlowReader(
                    "this reader is too slow; come back with after=<last_seq>", details={"last_seq": self.last_seq}
                )
            )
            return
        self._queue[key] = message

    def _wants(self, kind: str) -> bool:
        return self._types is None or kind in self._types

    def _fail(self, error: EarshotError) -> None:
        if self._error is None:
            self._error = error
            self._let_go()

    def _let_go(self) -> None:
        self._stop_listening()
        self._queue.clear()
        self._page.clear()
        self._woken.set()
        self._asked.set()
