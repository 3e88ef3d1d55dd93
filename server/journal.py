"""The journal: a transcript's events, stored first, told afterwards, in the order of their numbers."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import structlog

from protocol.errors import EarshotError, Internal, NotFound, Overloaded, StoreUnavailable
from protocol.events import Event, EventBody, Interim, Transcribed
from server.bus import Bus, Deleted
from server.spool import Spool
from server.store.records import NewEvent
from server.store.store import Store
from server.subscription import Subscription

log = structlog.get_logger(__name__)

BATCH_MAX = 256  # events per transaction: far above what 20 ms bring, and one statement's worth of parameters
# Reached only while the database fails: some minutes of 64 sessions that all speak at once.
PENDING_MAX = 8192
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.05, 1.0


Outcome = list[Event] | EarshotError


@dataclass(slots=True)
class _Pending:
    transcript_id: str
    news: Sequence[NewEvent]  # of it, stored together
    done: asyncio.Future[Outcome]
    is_owed: bool  # stored in any case, whoever still waits for it
    is_given_up: bool = False  # its appender stopped waiting
    is_spooled: bool = False


class Journal:
    """Stores events in groups and tells them; keeps the newest interim of each open segment.

    One task commits. What is appended while a commit runs waits for the next one, together, whatever transcript it
    belongs to; commits start at least ``commit_interval_s`` apart, so an append waits at most so long for company and
    an idle journal stores at once. While the database fails, the same batch is tried again with growing pauses, and
    what is owed lies in the ``spool``, too: what cannot be stored before the journal stops is stored at the next start.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        *,
        commit_interval_s: float,
        append_deadline_s: float = 10.0,
        subscribers_max: int = 64,
        pending_max: int = PENDING_MAX,
        on_commit: Callable[[float], None] = lambda spent_s: None,
        node_id: Callable[[], str | None] = lambda: None,
        spool: Spool | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._commit_interval_s = commit_interval_s
        self._append_deadline_s = append_deadline_s
        self._subscribers_max = subscribers_max
        self._pending_max = pending_max
        self._on_commit = on_commit  # told how long storing a group took
        self._node_id = node_id
        self._spool = spool
        self._is_away = False  # the store, as far as the last try says
        self._leaves_some = False  # in the spool
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._pending: deque[_Pending] = deque()  # bounded by pending_max; policy: refuse
        self._woken = asyncio.Event()  # something is pending, or the journal stops
        self._hurry = asyncio.Event()  # no more waiting for company: the journal stops
        self._interims: dict[str, dict[str, Interim]] = {}  # open segments only
        self._subscriptions: dict[str, set[Subscription]] = {}

    def start(self) -> None:
        assert self._task is None, "a journal starts once"
        self._task = asyncio.create_task(self._run(), name="journal")

    async def stop(self) -> None:
        """Store what is pending (each append keeps its deadline), refuse more, end the subscriptions. Idempotent."""
        self._is_stopping = True
        self._woken.set()
        self._hurry.set()
        if self._task is not None:
            await self._task
        for subscription in [s for group in self._subscriptions.values() for s in group]:
            subscription.close()

    @property
    def pending(self) -> int:
        """Appends that are not stored yet."""
        return len(self._pending)

    def check_store(self) -> None:
        """Raises ``StoreUnavailable`` while events wait because the store is away: it is asked often enough."""
        if self._is_away:
            raise StoreUnavailable("the store is away; try again", retry_after_s=1.0)

    async def append(self, transcript_id: str, body: EventBody, *, patient: bool = False, held: bool = False) -> Event:
        """Store an event and tell it; it is durable when this returns. Cancelling the wait does not take it back.

        Calls for one transcript are numbered in the order they are made. Raises ``NotFound`` when the transcript does
        not exist, ``InvalidMessage`` for text that is not Unicode, ``StoreUnavailable`` when it could not be stored
        within the deadline (it may have been, when the database's answer was lost) or too many wait already.
        ``patient``: no deadline. What must not be lost is asked once and waits; asked again it could be stored twice.
        ``held``: it is of a session; where another node holds the transcript by now, it is ``NotFound``.
        """
        return (await self.append_all(transcript_id, [body], patient=patient, held=held))[0]

    async def append_all(
        self, transcript_id: str, bodies: Sequence[EventBody], *, patient: bool = False, held: bool = False
    ) -> list[Event]:
        """As ``append``, for events that are stored together or not at all, numbered in a row. A few, not hundreds:
        they are one transaction, and others' events wait for it."""
        entry = self._enter(transcript_id, bodies, is_owed=patient, held=held)
        try:
            return await self.outcome(entry.done, patient=patient)
        except TimeoutError:
            entry.is_given_up = True
            raise StoreUnavailable("the store did not answer in time", retry_after_s=1.0) from None

    def give(self, transcript_id: str, bodies: Sequence[EventBody], *, held: bool = False) -> asyncio.Future[Outcome]:
        """As ``append_all``, without waiting: what is taken is stored in any case, however long the store is away."""
        return self._enter(transcript_id, bodies, is_owed=True, held=held).done

    async def outcome(self, given: asyncio.Future[Outcome], *, patient: bool = False) -> list[Event]:
        """What became of it. Raises as ``append_all``, and ``TimeoutError`` when that is not known by the deadline."""
        done, _ = await asyncio.wait({given}, timeout=None if patient else self._append_deadline_s)
        if not done:
            raise TimeoutError
        result = given.result()
        if isinstance(result, EarshotError):
            raise result
        return result

    def _enter(self, transcript_id: str, bodies: Sequence[EventBody], *, is_owed: bool, held: bool) -> _Pending:
        if self._is_stopping or self._task is None:
            raise StoreUnavailable("the journal is not running")
        if len(self._pending) >= self._pending_max:
            raise StoreUnavailable("too many events wait for the store", retry_after_s=1.0)
        if self._is_away and self._spool is not None and self._spool.is_full:
            raise StoreUnavailable("the disk may hold no more events that wait for the store", retry_after_s=1.0)
        holder = self._node_id() if held else None
        news = [NewEvent.of(transcript_id, body, holder=holder) for body in bodies]
        entry = _Pending(transcript_id, news, asyncio.get_running_loop().create_future(), is_owed)
        self._pending.append(entry)
        self._woken.set()
        return entry

    async def flushed(self, transcript_id: str | None = None) -> None:
        """Returns when everything appended before, or that of one transcript, is stored, or was given up. Raises
        ``StoreUnavailable`` when that takes longer than an append may."""
        wanted = (entry for entry in self._pending if transcript_id in (None, entry.transcript_id))
        waiting = {entry.done for entry in wanted if not entry.is_given_up}
        if waiting and (await asyncio.wait(waiting, timeout=self._append_deadline_s))[1]:
            raise StoreUnavailable("the store did not answer in time", retry_after_s=1.0)

    def tell(self, interim: Interim) -> None:
        """The newest state of an open segment; without text, the segment is taken back. Not durable, never blocks."""
        segment_id = interim.segment.segment_id
        if interim.segment.text:
            self._interims.setdefault(interim.transcript_id, {})[segment_id] = interim
        else:
            self.forget_interim(interim.transcript_id, segment_id)
        self._bus.publish(interim)

    def forget_interim(self, transcript_id: str, segment_id: str) -> None:
        """Nobody who subscribes from now on is told it. Unknown ones are no error."""
        open_segments = self._interims.get(transcript_id, {})
        open_segments.pop(segment_id, None)
        if not open_segments:
            self._interims.pop(transcript_id, None)

    def interims(self, transcript_id: str) -> Sequence[Interim]:
        """The current interim of each open segment."""
        return tuple(self._interims.get(transcript_id, {}).values())

    def deleted(self, transcript_id: str) -> None:
        """The transcript is gone from the store: its readers get ``NotFound``."""
        self._interims.pop(transcript_id, None)
        self._bus.publish(Deleted(transcript_id))

    def subscribe(
        self,
        transcript_id: str,
        *,
        after: int | None,
        types: frozenset[str] | None = None,
        queue_max: int = 256,
        among: str | None = "readers",
        among_max: int | None = None,
    ) -> Subscription:
        """Read from the event after seq ``after`` on, or from now on (None). Close it when done.

        ``types`` are names of message types to keep (``transcription``, ``status``, ...). Raises ``Overloaded`` when
        the transcript has as many ``among`` that kind as it may have, ``subscribers_max`` unless ``among_max`` is
        given; one among none (a speaker's own) is let in. The first step of the iteration tells an unknown transcript.
        """
        if self._is_stopping:
            raise StoreUnavailable("the journal is not running")
        readers = self._subscriptions.setdefault(transcript_id, set())
        most = self._subscribers_max if among_max is None else among_max
        if among is not None and sum(reader.among == among for reader in readers) >= most:
            raise Overloaded(
                "this transcript has as many readers as it may have",
                details={"readers_max": most},
                retry_after_s=5.0,
            )
        subscription = Subscription(
            store=self._store,
            bus=self._bus,
            transcript_id=transcript_id,
            after=after,
            types=types,
            queue_max=queue_max,
            open_interims=self.interims,
            on_close=self._closed,
            among=among,
        )
        readers.add(subscription)
        return subscription

    def _closed(self, subscription: Subscription) -> None:
        readers = self._subscriptions.get(subscription.transcript_id, set())
        readers.discard(subscription)
        if not readers:
            self._subscriptions.pop(subscription.transcript_id, None)

    # The committing task.

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._pending:
                if self._is_stopping:
                    return
                self._woken.clear()
                await self._woken.wait()
                continue
            next_commit = loop.time() + self._commit_interval_s
            batch = [self._pending[i] for i in range(min(len(self._pending), BATCH_MAX))]
            await self._commit(batch)
            for _ in batch:
                self._pending.popleft()
            await self._clear_spool()
            await self._pause(next_commit - loop.time())

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the journal stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._hurry.wait()

    async def _commit(self, batch: list[_Pending], *, again: bool = False) -> None:
        """Bring each entry of ``batch`` to its end: stored and told, or failed."""
        backoff_s = BACKOFF_FIRST_S
        while wanted := [entry for entry in batch if not entry.done.done() and not entry.is_given_up]:
            began_s = time.perf_counter()
            try:
                news = [new for entry in wanted for new in entry.news]
                events = iter(await self._store.append_events(news, again=again))
            except StoreUnavailable:
                again = True
                log.warning("events wait for the store", waiting=len(self._pending))
                self._is_away = True
                await self._keep_in_spool()
                if self._is_stopping:
                    self._leave(wanted)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)
            except Exception as error:
                await self._isolate(wanted, error)
            else:
                self._is_away = False
                self._on_commit(time.perf_counter() - began_s)
                for entry in wanted:
                    self._finish(entry, list(islice(events, len(entry.news))))

        self._is_away = False  # or nobody waits any more who would find out

    async def _keep_in_spool(self) -> None:
        """What is owed, so that not even a crash loses it."""
        new = [entry for entry in self._pending if entry.is_owed and not entry.is_spooled and not entry.done.done()]
        for entry in new:
            self._show(entry.news)
        if self._spool is None or not new or self._spool.is_full:
            return
        try:
            kept = await self._spool.keep([entry.news for entry in new])
        except StoreUnavailable as error:
            log.error("events wait in memory alone", events=len(new), **error.details)
            return
        for entry in new[:kept]:
            entry.is_spooled = True
        if kept < len(new):
            log.error("the disk may hold no more events that wait", spooled=kept, events=len(new))

    def _show(self, news: Sequence[NewEvent]) -> None:
        """Readers see the words of a final that waits as those of an interim."""
        for new in news:
            if isinstance(new.body, Transcribed) and new.body.segment.text:
                waiting = new.body.segment.model_copy(update={"is_final": False})
                started_at = new.body.track_started_at
                self.tell(Interim(transcript_id=new.transcript_id, segment=waiting, track_started_at=started_at))

    def _leave(self, entries: Sequence[_Pending]) -> None:
        """The journal stops: they are stored at the next start."""
        for entry in entries:
            if entry.is_spooled:
                self._leaves_some = True
                self._settle(entry, StoreUnavailable("the store is away; it will be stored at the next start"))

    async def _clear_spool(self) -> None:
        if self._spool is None or self._spool.is_empty or self._leaves_some:
            return
        if not any(entry.is_spooled for entry in self._pending):
            await self._spool.clear()

    async def _isolate(self, wanted: list[_Pending], error: Exception) -> None:
        """Something in the batch cannot be stored at all. Store the others."""
        if len(wanted) > 1:
            for entry in wanted:
                await self._commit([entry], again=True)
            return
        # Only the type: the text may hold speech.
        log.error("event cannot be stored", transcript=wanted[0].transcript_id, error=type(error).__name__)
        self._settle(wanted[0], Internal("the event could not be stored"))

    def _finish(self, entry: _Pending, stored: Sequence[Event | None]) -> None:
        events = [event for event in stored if event is not None]
        if len(events) < len(stored):
            self._settle(entry, NotFound("no such transcript", details={"transcript_id": entry.transcript_id}))
            return
        for event in events:
            if isinstance(event.body, Transcribed):
                self.forget_interim(event.transcript_id, event.body.segment.segment_id)
            self._bus.publish(event)
        self._settle(entry, events)

    @staticmethod
    def _settle(entry: _Pending, result: Outcome) -> None:
        if not entry.done.done():
            entry.done.set_result(result)
