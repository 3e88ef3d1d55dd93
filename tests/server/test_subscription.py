"""A reader gets every event once and in order, from wherever it starts, however slowly it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from protocol.errors import NotFound, SlowReader, StoreUnavailable
from protocol.events import Event, Interim
from server import subscription
from server.bus import InProcessBus, Stored
from server.journal import Journal
from server.store.store import Store
from server.subscription import Subscription
from tests.server.spoken import final, interim, put, status

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def bus() -> InProcessBus:
    return InProcessBus()


@pytest.fixture
async def journal(store: Store, bus: InProcessBus) -> AsyncIterator[Journal]:
    journal = Journal(store, bus, commit_interval_s=0.0)
    journal.start()
    yield journal
    await journal.stop()


@pytest.fixture
async def made(store: Store) -> str:
    return (await store.create_transcript()).id


async def read(reader: Subscription, count: int) -> list[int | str]:
    """Seqs of events, texts of interims."""
    async with asyncio.timeout(10):
        return [short(await anext(reader)) for _ in range(count)]


def short(message: Event | Interim) -> int | str:
    return message.seq if isinstance(message, Event) else message.segment.text


async def test_stored_events_then_open_interims_then_live(store: Store, journal: Journal, made: str) -> None:
    await put(store, made, *(status() for _ in range(5)))
    journal.tell(interim(made, "a", "one"))
    journal.tell(interim(made, "b", "two"))
    async with journal.subscribe(made, after=2) as reader:
        assert await read(reader, 5) == [3, 4, 5, "one", "two"]
        await journal.append(made, final("a"))
        journal.tell(interim(made, "b", "more"))
        assert await read(reader, 2) == [6, "more"]
        assert reader.last_seq == 6


async def test_the_live_edge_has_no_past(store: Store, journal: Journal, made: str) -> None:
    await put(store, made, *(status() for _ in range(5)))
    journal.tell(interim(made, "a", "one"))
    async with journal.subscribe(made, after=None) as reader:
        assert await read(reader, 1) == ["one"]
        assert reader.last_seq == 5
        await journal.append(made, status())
        assert await read(reader, 1) == [6]


async def test_a_seq_from_the_future_waits_for_it(journal: Journal, made: str) -> None:
    async with journal.subscribe(made, after=2) as reader:
        for _ in range(4):
            await journal.append(made, status())
        assert await read(reader, 2) == [3, 4]


async def test_who_waits_for_the_future_sees_no_interim_that_was_over_before_it(journal: Journal, made: str) -> None:
    async with journal.subscribe(made, after=1) as reader:
        journal.tell(interim(made, "seg_1", "a"))
        await journal.append(made, final("seg_1"))
        await journal.append(made, status())
        await journal.append(made, status())
        assert await read(reader, 2) == [2, 3]
        await journal.append(made, status())
        assert await read(reader, 1) == [4]


async def test_long_journals_are_read_page_by_page_as_the_reader_takes_them(
    store: Store, journal: Journal, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 10)
    await put(store, made, *(status() for _ in range(95)))
    async with journal.subscribe(made, after=0, queue_max=4) as reader:
        assert await read(reader, 1) == [1]
        for _ in range(20):  # far more than its queue may hold, but it is not live yet
            await journal.append(made, status())
        journal.tell(interim(made, "a", "open"))
        assert reader.waiting == 0
        assert len(reader._page) == 9
        assert await read(reader, 115) == [*range(2, 116), "open"]
        await journal.append(made, status())
        assert await read(reader, 1) == [116]


async def test_events_that_come_while_it_catches_up_are_neither_lost_nor_doubled(
    journal: Journal, made: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 3)
    writer = asyncio.gather(*(journal.append(made, status()) for _ in range(20)))
    readers = [journal.subscribe(made, after=0) for _ in range(4)]
    results = await asyncio.gather(*(read(reader, 20) for reader in readers))
    assert results == [list(range(1, 21))] * 4
    await writer
    for reader in readers:
        assert reader.waiting == 0
        reader.close()


async def test_a_hole_in_what_the_bus_tells_is_read_from_the_store(
    store: Store, bus: InProcessBus, journal: Journal, made: str
) -> None:
    async with journal.subscribe(made, after=0) as reader:
        await journal.append(made, status())
        assert await read(reader, 1) == [1]
        await put(store, made, status(), final("a"))  # another node, whose messages were lost
        journal.tell(interim(made, "b", "open"))
        event = await journal.append(made, status())
        bus.publish(event)
        assert sorted(map(str, await read(reader, 4))) == ["2", "3", "4", "open"]
        await journal.append(made, status())
        assert await read(reader, 1) == [5]


async def test_types_keep_only_what_is_asked(store: Store, journal: Journal, made: str) -> None:
    await put(store, made, status(), final("a"), status())
    journal.tell(interim(made, "b", "open"))
    async with (
        journal.subscribe(made, after=0, types=frozenset({"status"})) as statuses,
        journal.subscribe(made, after=0, types=frozenset({"transcription"})) as words,
    ):
        assert await read(statuses, 2) == [1, 3]
        assert await read(words, 2) == [2, "open"]
        journal.tell(interim(made, "b", "more"))
        await journal.append(made, final("b"))
        await journal.append(made, status())
        assert await read(statuses, 1) == [5]
        assert await read(words, 1) == [4]


async def test_interims_coalesce_and_give_way_to_their_final(journal: Journal, made: str) -> None:
    async with journal.subscribe(made, after=0, queue_max=4) as reader:
        await journal.append(made, status())
        assert await read(reader, 1) == [1]
        for i in range(100):
            journal.tell(interim(made, "a", f"a{i}"))
            journal.tell(interim(made, "b", f"b{i}"))
        assert reader.waiting == 2
        await journal.append(made, final("a"))
        assert await read(reader, 2) == ["b99", 2]
        assert reader.waiting == 0


async def test_a_segment_taken_back_is_told(journal: Journal, made: str) -> None:
    async with journal.subscribe(made, after=None) as reader:
        journal.tell(interim(made, "a", "noise"))
        assert await read(reader, 1) == ["noise"]
        journal.tell(interim(made, "a", ""))
        assert await read(reader, 1) == [""]


async def test_a_slow_reader_ends_with_the_seq_it_got_and_hurts_nobody(journal: Journal, made: str) -> None:
    slow, quick = journal.subscribe(made, after=0, queue_max=4), journal.subscribe(made, after=0, queue_max=4)
    for reader in (slow, quick):
        await journal.append(made, status())
        assert (await read(reader, 1))[0] == 1
    assert await read(quick, 1) == [2]
    for seq in range(3, 20):
        await journal.append(made, status())
        assert await read(quick, 1) == [seq]
    with pytest.raises(SlowReader) as caught:
        await anext(slow)
    assert caught.value.details == {"last_seq": 1}
    assert slow.waiting == 0
    assert [message async for message in slow] == []
    async with journal.subscribe(made, after=1) as again:
        assert await read(again, 18) == list(range(2, 20))
    quick.close()


async def test_many_open_segments_alone_make_nobody_slow(journal: Journal, made: str) -> None:
    for i in range(20):
        journal.tell(interim(made, f"seg_{i}", str(i)))
    async with journal.subscribe(made, after=None, queue_max=4) as reader:
        await journal.append(made, status())
        assert await read(reader, 21) == [*map(str, range(20)), 1]


async def test_closing_ends_the_iteration_of_a_waiting_reader(journal: Journal, made: str) -> None:
    reader = journal.subscribe(made, after=0)
    task = asyncio.create_task(anext(reader, "ended"))
    await journal.append(made, status())
    await task
    task = asyncio.create_task(anext(reader, "ended"))
    await asyncio.sleep(0)
    reader.close()
    reader.close()
    assert await task == "ended"


async def test_a_deleted_transcript_ends_its_readers(store: Store, journal: Journal, made: str) -> None:
    reader = journal.subscribe(made, after=0)
    task = asyncio.create_task(anext(reader))
    await asyncio.sleep(0)
    await store.destroy_transcript(made)
    journal.deleted(made)
    with pytest.raises(NotFound):
        await task
    assert [message async for message in reader] == []


@pytest.mark.parametrize("after", [0, None])
async def test_an_unknown_transcript_is_not_found(journal: Journal, bus: InProcessBus, after: int | None) -> None:
    with pytest.raises(NotFound):
        await anext(journal.subscribe(MISSING, after=after))
    assert bus.transcripts == frozenset()


async def test_a_store_that_fails_is_told_and_the_reader_may_go_on(database_url: str, bus: InProcessBus) -> None:
    store, second = await Store.open(database_url), await Store.open(database_url)
    made = (await store.create_transcript()).id
    await put(store, made, status())
    journal = Journal(store, bus, commit_interval_s=0.0)
    reader = journal.subscribe(made, after=0)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await anext(reader)
    reader._store = second
    assert await read(reader, 1) == [1]
    reader.close()
    await second.close()


async def test_who_was_told_something_waits_for_a_store_that_is_away(
    database_url: str, bus: InProcessBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "AGAIN_S", 0.01)
    store, second = await Store.open(database_url), await Store.open(database_url)
    made = (await store.create_transcript()).id
    await put(store, made, status())
    reader = Journal(store, bus, commit_interval_s=0.0).subscribe(made, after=0)
    assert await read(reader, 1) == [1]
    waiting = asyncio.create_task(read(reader, 1))
    await asyncio.sleep(0)  # live, and it waits for what comes
    await put(second, made, status())
    await store.close()
    bus.publish(Stored(made, 2))
    assert (await asyncio.wait([waiting], timeout=0.1))[0] == set()
    reader._store = second
    assert await waiting == [2]
    reader.close()
    await second.close()


async def test_what_is_there_is_delivered_when_the_reader_asks_for_more(
    store: Store, journal: Journal, made: str
) -> None:
    await put(store, made, status())
    async with journal.subscribe(made, after=0) as reader:
        delivered = asyncio.create_task(reader.delivered())
        assert await read(reader, 1) == [1]
        await journal.append(made, final("a"))
        await asyncio.sleep(0)
        assert not delivered.done()
        assert await read(reader, 1) == [2]
        await asyncio.sleep(0)
        assert not delivered.done()  # the second may still be on its way
        asking = asyncio.create_task(read(reader, 1))
        await delivered
        await journal.append(made, final("b"))
        assert await asking == [3]
        closing = asyncio.create_task(reader.delivered())
        reader.close()
        await closing


async def test_the_journal_ends_its_readers_when_it_stops(store: Store, bus: InProcessBus, made: str) -> None:
    journal = Journal(store, bus, commit_interval_s=0.0)
    journal.start()
    reader = journal.subscribe(made, after=0)
    task = asyncio.create_task(anext(reader, "ended"))
    await asyncio.sleep(0)
    await journal.stop()
    assert await task == "ended"


async def test_news_that_another_node_stored_something_are_read_in_the_store(
    store: Store, bus: InProcessBus, journal: Journal, made: str
) -> None:
    async with journal.subscribe(made, after=0) as reader:
        await journal.append(made, status())
        assert await read(reader, 1) == [1]
        await put(store, made, status(), status())
        bus.publish(Stored(made, 1))  # old news
        bus.publish(Stored(made, 3))
        assert await read(reader, 2) == [2, 3]
        await journal.append(made, status())
        assert await read(reader, 1) == [4]


async def test_news_do_not_turn_the_order_of_what_waits(
    store: Store, bus: InProcessBus, journal: Journal, made: str
) -> None:
    async with journal.subscribe(made, after=0) as reader:
        await journal.append(made, status())
        assert await read(reader, 1) == [1]
        waiting = asyncio.create_task(read(reader, 4))
        await asyncio.sleep(0)
        bus.publish(interim(made, "a", "open"))
        await journal.append(made, status())
        await put(store, made, status(), status())
        bus.publish(Stored(made, 4))
        assert await waiting == ["open", 2, 3, 4]


async def test_interims_that_come_again_and_again_keep_nobody_from_the_finals(
    store: Store, bus: InProcessBus, journal: Journal, made: str
) -> None:
    async with journal.subscribe(made, after=0) as reader:
        await journal.append(made, status())
        assert await read(reader, 1) == [1]
        bus.publish(interim(made, "a", "open"))
        await put(store, made, status())
        bus.publish(Stored(made, 2))
        assert await read(reader, 2) == [2, "open"]


async def test_an_interim_that_comes_after_its_final_is_old(
    store: Store, bus: InProcessBus, journal: Journal, made: str
) -> None:
    async with journal.subscribe(made, after=0) as reader:
        await journal.append(made, status())
        assert await read(reader, 1) == [1]
        await put(store, made, final("a", revision=3))
        bus.publish(Stored(made, 2))
        assert await read(reader, 1) == [2]
        bus.publish(interim(made, "a", "stale"))
        bus.publish(interim(made, "b", "fresh"))
        assert await read(reader, 1) == ["fresh"]
