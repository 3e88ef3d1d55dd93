"""Stored before told, numbered in the order of the calls, together, and not lost."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import InvalidMessage, NotFound, Overloaded, StoreUnavailable
from protocol.events import Event, Failed, StatusChanged
from server.bus import InProcessBus, Message
from server.journal import Journal
from server.spool import Spool, store_left
from server.store import database
from server.store.store import Store
from tests.server.databases import Postgres, SocketRelay
from tests.server.spoken import final, interim, status

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def bus() -> InProcessBus:
    return InProcessBus()


@pytest.fixture
async def journal(store: Store, bus: InProcessBus) -> AsyncIterator[Journal]:
    journal = Journal(store, bus, commit_interval_s=0.001)
    journal.start()
    yield journal
    await journal.stop()


class Told:
    """Everything that a transcript's listeners heard."""

    def __init__(self, bus: InProcessBus, transcript_id: str) -> None:
        self.messages: list[Message] = []
        bus.listen(transcript_id, self.messages.append)

    @property
    def seqs(self) -> list[int]:
        return [message.seq for message in self.messages if isinstance(message, Event)]


async def test_an_event_is_stored_before_it_is_told(store: Store, bus: InProcessBus, journal: Journal) -> None:
    made = (await store.create_transcript()).id
    told = Told(bus, made)
    event = await journal.append(made, status())
    assert told.messages == [event]
    assert await store.events_after(made, 0, 10) == [event]


async def test_numbers_follow_the_order_of_the_calls(store: Store, bus: InProcessBus, journal: Journal) -> None:
    made = [(await store.create_transcript()).id for _ in range(3)]
    told = Told(bus, made[0])
    calls = [journal.append(made[i % 3], status(str(i))) for i in range(300)]
    events = await asyncio.gather(*calls)
    for key in made:
        own = [event for event in events if event.transcript_id == key]
        assert [event.seq for event in own] == list(range(1, 101))
    assert told.seqs == list(range(1, 101))
    assert journal.pending == 0


async def test_appends_of_all_transcripts_share_commits(store: Store, bus: InProcessBus) -> None:
    commits: list[int] = []

    class Counting(Store):
        async def append_events(self, batch, *, again=False):  # type: ignore[no-untyped-def]
            commits.append(len(batch))
            return await super().append_events(batch, again=again)

    store.__class__ = Counting
    journal = Journal(store, bus, commit_interval_s=0.001)
    journal.start()
    made = [(await store.create_transcript()).id for _ in range(10)]
    await asyncio.gather(*(journal.append(key, status()) for key in made for _ in range(10)))
    await journal.stop()
    assert sum(commits) == 100
    assert len(commits) <= 3


async def test_a_deleted_transcript_fails_its_own_append_only(store: Store, journal: Journal) -> None:
    made, gone = (await store.create_transcript()).id, (await store.create_transcript()).id
    await store.destroy_transcript(gone)
    results = await asyncio.gather(
        *(journal.append(key, status()) for key in (made, gone, made)), return_exceptions=True
    )
    assert [getattr(result, "seq", type(result)) for result in results] == [1, NotFound, 2]


async def test_text_that_is_not_unicode_is_refused(store: Store, journal: Journal) -> None:
    made = (await store.create_transcript()).id
    with pytest.raises(InvalidMessage):
        await journal.append(made, Failed(code="X", message="\udc00"))


async def test_a_cancelled_append_is_stored_all_the_same(store: Store, journal: Journal) -> None:
    made = (await store.create_transcript()).id
    task = asyncio.create_task(journal.append(made, status("cancelled")))
    await asyncio.sleep(0)
    task.cancel()
    event = await journal.append(made, status("next"))
    assert event.seq == 2
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_stop_stores_what_is_pending_and_refuses_more(store: Store, bus: InProcessBus) -> None:
    journal = Journal(store, bus, commit_interval_s=30.0)
    journal.start()
    made = (await store.create_transcript()).id
    await journal.append(made, status())  # the next one would wait 30 s for company
    tasks = [asyncio.create_task(journal.append(made, status())) for _ in range(5)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await journal.stop()
        await journal.stop()
    assert [(await task).seq for task in tasks] == [2, 3, 4, 5, 6]
    with pytest.raises(StoreUnavailable):
        await journal.append(made, status())
    with pytest.raises(StoreUnavailable):
        journal.subscribe(made, after=0)


async def test_a_failing_store_is_tried_again_until_the_deadline(store: Store, bus: InProcessBus) -> None:
    journal = Journal(store, bus, commit_interval_s=0.0, append_deadline_s=0.3, pending_max=3)
    journal.start()
    made = (await store.create_transcript()).id
    await store.close()
    tasks = [asyncio.create_task(journal.append(made, status())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too many"):
        await journal.append(made, status())
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    await journal.stop()
    assert journal.pending == 0


async def test_an_outage_of_postgresql_delays_events_and_loses_none(
    postgres: Postgres, postgres_url: str, bus: InProcessBus
) -> None:
    name = postgres_url.split("/")[3].split("?")[0]
    async with SocketRelay.running(postgres.folder) as relay:
        store = await Store.open(postgres.url(name, relay.folder))
        made = (await store.create_transcript()).id
        told = Told(bus, made)
        journal = Journal(store, bus, commit_interval_s=0.001)
        journal.start()
        tasks = []
        for outage in range(4):
            tasks += [asyncio.create_task(journal.append(made, status(f"{outage} {i}"))) for i in range(20)]
            # Somewhere between the first statement and the answer to the commit.
            for _ in range(outage * 7):
                await asyncio.sleep(0)
            await relay.cut()
            await asyncio.sleep(0.05)
            await relay.heal()
        events = await asyncio.gather(*tasks)
        assert [event.seq for event in events] == list(range(1, 81))
        assert [event.seq for event in await store.events_after(made, 0, 1000)] == list(range(1, 81))
        assert told.seqs == list(range(1, 81))
        await journal.stop()
        await store.close()


async def test_an_append_does_not_wait_longer_than_its_deadline_for_a_silent_database(
    postgres: Postgres, postgres_url: str, bus: InProcessBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tables are made under the same deadline, which a busy machine takes a while for.
    monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", 2.0)
    name = postgres_url.split("/")[3].split("?")[0]
    async with SocketRelay.running(postgres.folder) as relay:
        store = await Store.open(postgres.url(name, relay.folder))
        made = (await store.create_transcript()).id
        journal = Journal(store, bus, commit_interval_s=0.0, append_deadline_s=0.2)
        journal.start()
        relay.silence()
        with pytest.raises(StoreUnavailable):
            await journal.append(made, status("given up"))
        await relay.cut()
        await relay.heal()
        later = await _append_once_it_answers(journal, made, status("later"))
        assert isinstance(later.body, StatusChanged)
        assert later.body.message == "later"
        await journal.stop()
        await store.close()


async def _append_once_it_answers(journal: Journal, transcript_id: str, body: StatusChanged) -> Event:
    """How long a database takes to be there again is the machine's matter."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await journal.append(transcript_id, body)


class Outage:
    """A journal with a spool whose store is away until ``heal``."""

    def __init__(self, store: Store, bus: InProcessBus, folder: Path, *, spool_bytes: int = 1 << 20) -> None:
        self.store = store
        self.path = folder / "0.events"
        self.journal = Journal(
            store, bus, commit_interval_s=0.0, append_deadline_s=0.2, spool=Spool(self.path, max_bytes=spool_bytes)
        )
        self.store._is_open = False

    def heal(self) -> None:
        self.store._is_open = True

    async def until_spooled(self, *messages: str) -> None:
        async with asyncio.timeout(20):
            while not self.path.exists() or not all(m in self.path.read_text() for m in messages):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_what_is_owed_waits_on_disk_and_is_told_in_order_when_the_store_is_back(
    store: Store, bus: InProcessBus, tmp_path: Path
) -> None:
    made = (await store.create_transcript()).id
    told = Told(bus, made)
    outage = Outage(store, bus, tmp_path)
    outage.journal.start()
    given = [outage.journal.give(made, [status(f"first {number}"), status("second")]) for number in range(300)]
    await outage.until_spooled("first 0", "first 299")
    with pytest.raises(StoreUnavailable):
        outage.journal.check_store()
    with pytest.raises(StoreUnavailable, match="in time"):
        await outage.journal.append(made, status("not owed"))
    given.append(outage.journal.give(made, [status("last")]))
    await outage.until_spooled("last")
    assert told.seqs == []
    outage.heal()
    for each in given:
        await outage.journal.outcome(each, patient=True)
    assert told.seqs == list(range(1, 602))
    assert [getattr(message, "body", None) for message in told.messages] == [
        status(text) for number in range(300) for text in (f"first {number}", "second")
    ] + [status("last")]
    outage.journal.check_store()
    await outage.journal.stop()
    assert not outage.path.exists()


async def test_what_is_owed_when_the_journal_stops_is_stored_at_the_next_start(
    store: Store, bus: InProcessBus, tmp_path: Path
) -> None:
    made = (await store.create_transcript()).id
    outage = Outage(store, bus, tmp_path)
    outage.journal.start()
    given = [outage.journal.give(made, [status(str(number))]) for number in range(300)]
    await outage.until_spooled("299")
    async with asyncio.timeout(20):
        await outage.journal.stop()
    for each in given:
        with pytest.raises(StoreUnavailable, match="next start"):
            await outage.journal.outcome(each)
    outage.heal()
    assert await store_left(outage.path, store) == 300
    assert [event.body for event in await store.events_after(made, 0, 1000)] == [status(str(n)) for n in range(300)]


async def test_a_full_spool_refuses_and_what_it_could_not_hold_waits_in_memory(
    store: Store, bus: InProcessBus, tmp_path: Path
) -> None:
    made = (await store.create_transcript()).id
    outage = Outage(store, bus, tmp_path, spool_bytes=1000)
    outage.journal.start()
    given = [outage.journal.give(made, [status(f"number {number}")]) for number in range(10)]
    await outage.until_spooled("number 0")
    with pytest.raises(StoreUnavailable, match="disk"):
        outage.journal.give(made, [status("too much")])
    assert outage.path.stat().st_size <= 1000
    outage.heal()
    for each in given:
        await outage.journal.outcome(each, patient=True)
    assert len(await store.events_after(made, 0, 100)) == 10
    await outage.journal.stop()


async def test_two_nodes_tell_every_reader_everything(database_url: str, bus: InProcessBus) -> None:
    stores = [await Store.open(database_url) for _ in range(2)]
    journals = [Journal(store, bus, commit_interval_s=0.002) for store in stores]
    for journal in journals:
        journal.start()
    made = (await stores[0].create_transcript()).id
    readers = [journal.subscribe(made, after=0) for journal in journals]
    await asyncio.gather(*(journals[i % 2].append(made, status(str(i))) for i in range(100)))
    for reader in readers:
        assert [getattr(await anext(reader), "seq", None) for _ in range(100)] == list(range(1, 101))
        reader.close()
    for journal, store in zip(journals, stores, strict=True):
        await journal.stop()
        await store.close()


async def test_the_newest_interim_of_each_open_segment_is_kept(
    store: Store, bus: InProcessBus, journal: Journal
) -> None:
    made = (await store.create_transcript()).id
    told = Told(bus, made)
    first, newer, other = interim(made, "a", "hel"), interim(made, "a", "hello"), interim(made, "b", "x")
    for message in (first, newer, other):
        journal.tell(message)
    assert told.messages == [first, newer, other]
    assert journal.interims(made) == (newer, other)
    event = await journal.append(made, final("a"))
    assert journal.interims(made) == (other,)
    taken_back = interim(made, "b", "")
    journal.tell(taken_back)
    assert journal.interims(made) == ()
    assert told.messages[3:] == [event, taken_back]


async def test_readers_of_one_transcript_are_limited(store: Store, bus: InProcessBus) -> None:
    journal = Journal(store, bus, commit_interval_s=0.0, subscribers_max=2)
    readers = [journal.subscribe("a", after=None) for _ in range(2)]
    with pytest.raises(Overloaded):
        journal.subscribe("a", after=0)
    journal.subscribe("b", after=0).close()
    readers[0].close()
    readers[0].close()
    journal.subscribe("a", after=0).close()
    await journal.stop()


async def test_nothing_is_left_of_a_transcript_that_nobody_reads(
    store: Store, bus: InProcessBus, journal: Journal
) -> None:
    made = (await store.create_transcript()).id
    async with journal.subscribe(made, after=0) as reader:
        journal.tell(interim(made, "a"))
        await journal.append(made, final("a"))
        journal.tell(interim(made, "b"))
        journal.tell(interim(made, "b", ""))
        journal.tell(interim(made, "c"))
        journal.forget_interim(made, "c")
        journal.forget_interim(made, "unknown")
        await anext(reader)
    gc.collect()
    assert bus.transcripts == frozenset()
    assert (journal._interims, journal._subscriptions) == ({}, {})


CHILD = """
import asyncio, sys
from server.bus import InProcessBus
from server.journal import Journal
from server.store.store import Store
from tests.server.spoken import final

async def main(url):
    store = await Store.open(url)
    made = [(await store.create_transcript()).id for _ in range(4)]
    journal = Journal(store, InProcessBus(), commit_interval_s=0.002)
    journal.start()
    async def speak(key):
        for i in range(100_000):
            event = await journal.append(key, final(f"seg_{i}"))
            print(key, event.seq, flush=True)
    await asyncio.gather(*(speak(key) for key in made))

asyncio.run(main(sys.argv[1]))
"""


async def test_what_was_awaited_survives_kill_9(database_url: str) -> None:
    root = Path(__file__).parents[2]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, database_url, stdout=asyncio.subprocess.PIPE, cwd=root
    )
    assert child.stdout is not None
    awaited: dict[str, int] = {}
    for _ in range(60):
        key, seq = (await child.stdout.readline()).split()
        awaited[key.decode()] = int(seq)
    child.send_signal(signal.SIGKILL)
    for line in (await child.stdout.read()).splitlines(keepends=True):
        if line.endswith(b"\n"):
            key, seq = line.split()
            awaited[key.decode()] = int(seq)
    await child.wait()
    store = await Store.open(database_url)
    for name, last in awaited.items():
        events = await store.events_after(name, 0, 100_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= last
        kept = await store.get_transcript(name)
        assert (kept.last_seq, kept.segments) == (len(events), len(events))
    await store.close()
