"""Two nodes with one database and a real Redis, which is cut, killed and silent."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from protocol.errors import NotFound
from protocol.events import Event, Interim
from server.bus import Deleted, Message
from server.journal import Journal
from server.nodes import redis_bus
from server.nodes.redis_bus import RedisBus
from server.nodes.told import TOLD_MAX_BYTES, channel_of
from server.store.store import Store
from server.subscription import Subscription
from tests.fakes.redis_server import NoRedis, RedisServer
from tests.fakes.waiting import until
from tests.server.databases import SocketRelay
from tests.server.spoken import final, interim, status

DEADLINE_S = 20.0


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """One that is waited for as long as a busy machine may take; and no looks into the store but where one is due."""
    monkeypatch.setattr(redis_bus, "ANSWER_S", 30.0)
    monkeypatch.setattr(redis_bus, "SILENT_S", 30.0)
    monkeypatch.setattr(redis_bus, "LOOK_S", 3600.0)
    try:
        server = RedisServer()
    except NoRedis as why:
        pytest.skip(str(why))
    with server:
        yield server


@dataclass
class Node:
    store: Store
    bus: RedisBus
    journal: Journal

    async def until_hearing(self, *, hears: bool = True) -> None:
        await until(lambda: self.bus.is_hearing is hears)


@asynccontextmanager
async def node(database_url: str, redis_url: str) -> AsyncIterator[Node]:
    store = await Store.open(database_url)
    bus = RedisBus(redis_url, store.watch.last_seqs, interims=lambda id_: journal.interims(id_))
    bus.start()
    journal = Journal(store, bus, commit_interval_s=0.001)
    journal.start()
    try:
        yield Node(store, bus, journal)
    finally:
        await journal.stop()
        await bus.stop()
        await store.close()


@pytest.fixture
async def nodes(postgres_url: str, redis: RedisServer) -> AsyncIterator[tuple[Node, Node]]:
    async with node(postgres_url, redis.url) as a, node(postgres_url, redis.url) as b:
        await a.until_hearing()
        await b.until_hearing()
        yield a, b


async def until_subscribed(redis: RedisServer, transcript_id: str, *, nodes: int) -> None:
    async with Redis.from_url(redis.url) as client, asyncio.timeout(DEADLINE_S):
        # Redis tells nobody.
        while (await client.pubsub_numsub(channel_of(transcript_id)))[0][1] != nodes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def read(reader: Subscription, count: int) -> list[int | str]:
    """Seqs of events, texts of interims."""
    async with asyncio.timeout(DEADLINE_S):
        return [short(await anext(reader)) for _ in range(count)]


def short(message: Event | Interim) -> int | str:
    return message.seq if isinstance(message, Event) else message.segment.text


async def test_what_is_told_on_one_node_is_read_on_the_other(redis: RedisServer, nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    made = (await a.store.create_transcript()).id
    await a.journal.append(made, status())
    async with b.journal.subscribe(made, after=0) as reader:
        assert await read(reader, 1) == [1]
        await until_subscribed(redis, made, nodes=1)
        a.journal.tell(interim(made, "seg_1", "he"))
        assert await read(reader, 1) == ["he"]
        a.journal.tell(interim(made, "seg_1", "hello"))
        assert await read(reader, 1) == ["hello"]
        await a.journal.append(made, final("seg_1"))
        a.journal.tell(interim(made, "seg_2", "and"))
        await a.journal.append(made, status())
        assert sorted(map(str, await read(reader, 3))) == ["2", "3", "and"]


async def test_who_begins_to_read_elsewhere_sees_what_is_being_said(
    redis: RedisServer, nodes: tuple[Node, Node]
) -> None:
    a, b = nodes
    made = (await a.store.create_transcript()).id
    await a.journal.append(made, status())
    a.journal.tell(interim(made, "seg_1", "said before"))
    async with b.journal.subscribe(made, after=0) as reader:
        assert sorted(map(str, await read(reader, 2))) == ["1", "said before"]


async def test_every_event_of_several_nodes_comes_once_and_in_order(
    redis: RedisServer, nodes: tuple[Node, Node]
) -> None:
    made = [(await nodes[0].store.create_transcript()).id for _ in range(3)]
    readers = [each.journal.subscribe(key, after=0) for each in nodes for key in made]
    reading = [asyncio.create_task(read(reader, 100)) for reader in readers]
    await asyncio.gather(*(nodes[i % 2].journal.append(made[i % 3], status(str(i))) for i in range(300)))
    for seqs in await asyncio.gather(*reading):
        assert seqs == list(range(1, 101))
    for reader in readers:
        reader.close()


async def test_from_now_on_means_so_on_the_other_node_too(redis: RedisServer, nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    made = (await a.store.create_transcript()).id
    for _ in range(3):
        await a.journal.append(made, status())
    async with b.journal.subscribe(made, after=None) as reader:
        reading = asyncio.create_task(read(reader, 3))
        await until(lambda: reader.last_seq == 3)
        for _ in range(3):
            await a.journal.append(made, status())
        assert await reading == [4, 5, 6]


async def test_a_node_hears_only_what_is_read_there(redis: RedisServer, nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    made, other = [(await a.store.create_transcript()).id for _ in range(2)]
    async with b.journal.subscribe(made, after=0):
        await until_subscribed(redis, made, nodes=1)
        await until_subscribed(redis, other, nodes=0)
    await until_subscribed(redis, made, nodes=0)


async def test_nobody_hears_himself(redis: RedisServer, nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    made = (await a.store.create_transcript()).id
    heard: dict[str, list[Message]] = {"a": [], "b": []}
    stops = [each.bus.listen(made, heard[key].append) for key, each in zip("ab", nodes, strict=True)]
    await until_subscribed(redis, made, nodes=2)
    a.journal.tell(interim(made))
    a.journal.deleted(made)
    await until(lambda: Deleted(made) in heard["b"])
    b.journal.deleted(made)  # told after what A told, so A has had that by then
    await until(lambda: heard["a"].count(Deleted(made)) == 2)
    assert [m for m in heard["a"] if isinstance(m, Interim)] == [interim(made)]
    assert [m for m in heard["b"] if isinstance(m, Interim)] == [interim(made)]
    for stop in stops:
        stop()


async def test_readers_elsewhere_hear_that_it_is_deleted(redis: RedisServer, nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    made = (await a.store.create_transcript()).id
    async with b.journal.subscribe(made, after=0) as reader:
        reading = asyncio.create_task(read(reader, 1))
        await until_subscribed(redis, made, nodes=1)
        await a.store.delete_transcript(made)
        a.journal.deleted(made)
        with pytest.raises(NotFound):
            await reading


async def test_what_is_too_large_or_no_message_is_passed_over(redis: RedisServer, nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    made = (await a.store.create_transcript()).id
    async with b.journal.subscribe(made, after=0) as reader:
        reading = asyncio.create_task(read(reader, 1))
        await until_subscribed(redis, made, nodes=1)
        a.journal.tell(interim(made, "seg_1", "word " * TOLD_MAX_BYTES))
        async with Redis.from_url(redis.url) as client:
            await client.publish(channel_of(made), b"0123456789abcdef{nonsense")
        await a.journal.append(made, status())
        assert await reading == [1]


@pytest.mark.parametrize("way", ["cut", "kill"])
async def test_without_redis_each_node_goes_on_and_the_others_look_into_the_journal(
    way: str, postgres_url: str, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "LOOK_WHILE_AWAY_S", 0.05)
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(SocketRelay.running(redis.socket.parent, redis.socket.name))
        a, b = [await stack.enter_async_context(node(postgres_url, f"unix://{relay.socket}")) for _ in range(2)]
        made = (await a.store.create_transcript()).id
        own = stack.enter_context(closing(a.journal.subscribe(made, after=0)))
        others = stack.enter_context(closing(b.journal.subscribe(made, after=0)))
        await a.until_hearing()
        await b.until_hearing()
        await a.journal.append(made, status())
        assert await read(own, 1) == [1]
        assert await read(others, 1) == [1]

        await relay.cut() if way == "cut" else redis.kill()
        await b.until_hearing(hears=False)
        a.journal.tell(interim(made, "seg_1", "hel"))
        assert await read(own, 1) == ["hel"]
        for _ in range(5):
            await a.journal.append(made, final("seg_1"))
        assert await read(own, 5) == [2, 3, 4, 5, 6]
        assert await read(others, 5) == [2, 3, 4, 5, 6]  # by looking

        monkeypatch.setattr(redis_bus, "LOOK_WHILE_AWAY_S", 3600.0)
        await relay.heal() if way == "cut" else redis.start()
        await a.until_hearing()
        await b.until_hearing()
        await until_subscribed(redis, made, nodes=2)
        await a.journal.append(made, status())
        a.journal.tell(interim(made, "seg_2", "again"))
        assert sorted(map(str, await read(others, 2))) == ["7", "again"]


async def test_what_was_stored_while_redis_was_away_is_read_when_it_is_back(
    postgres_url: str, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "LOOK_WHILE_AWAY_S", 3600.0)
    async with (
        SocketRelay.running(redis.socket.parent, redis.socket.name) as relay,
        node(postgres_url, redis.url) as a,
        node(postgres_url, f"unix://{relay.socket}") as b,
    ):
        made = (await a.store.create_transcript()).id
        async with b.journal.subscribe(made, after=0) as reader:
            reading = asyncio.create_task(read(reader, 8))
            await b.until_hearing()
            await relay.cut()
            await b.until_hearing(hears=False)
            for _ in range(8):
                await a.journal.append(made, status())
            assert not reading.done()
            await relay.heal()
            assert await reading == list(range(1, 9))


async def test_news_that_could_not_be_told_are_told_later(
    postgres_url: str, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the writer that cannot reach Redis; the reader does not know."""
    async with (
        SocketRelay.running(redis.socket.parent, redis.socket.name) as relay,
        node(postgres_url, f"unix://{relay.socket}") as a,
        node(postgres_url, redis.url) as b,
    ):
        made = (await a.store.create_transcript()).id
        async with b.journal.subscribe(made, after=0) as reader:
            reading = asyncio.create_task(read(reader, 3))
            await until_subscribed(redis, made, nodes=1)
            await relay.cut()
            for _ in range(3):
                await a.journal.append(made, status())
            await relay.heal()
            assert await reading == [1, 2, 3]


async def test_a_reader_looks_from_time_to_time_though_all_seems_well(
    postgres_url: str, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "LOOK_S", 0.05)
    async with (
        SocketRelay.running(redis.socket.parent, redis.socket.name) as relay,
        node(postgres_url, f"unix://{relay.socket}") as a,
        node(postgres_url, redis.url) as b,
    ):
        made = (await a.store.create_transcript()).id
        await relay.cut()
        await b.until_hearing()
        async with b.journal.subscribe(made, after=0) as reader:
            for _ in range(3):
                await a.journal.append(made, status())
            assert await read(reader, 3) == [1, 2, 3]


async def test_a_redis_that_says_nothing_is_away(
    postgres_url: str, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_bus, "SILENT_S", 1.5)
    async with node(postgres_url, redis.url) as b:
        await b.until_hearing()
        redis.hang()
        try:
            await b.until_hearing(hears=False)
        finally:
            redis.go_on()
        await b.until_hearing()


async def test_it_stops_without_redis_and_leaves_nothing(postgres_url: str, redis: RedisServer) -> None:
    before = asyncio.all_tasks()
    async with node(postgres_url, redis.url) as a:
        await a.until_hearing()
        made = (await a.store.create_transcript()).id
        redis.kill()
        await a.journal.append(made, status())
        async with asyncio.timeout(DEADLINE_S):
            await a.bus.stop()
            await a.bus.stop()
    assert asyncio.all_tasks() == before
    gc.collect()


async def test_what_nobody_foresaw_ends_neither_telling_nor_hearing(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes
    failed: set[str] = set()

    def fails_once(name: str) -> Callable[..., object]:
        real: Callable[..., object] = getattr(redis_bus, name)

        def call(*args: object) -> object:
            if name not in failed:
                failed.add(name)
                raise ValueError(name)
            return real(*args)

        return call

    for name in ("encode", "decode"):
        monkeypatch.setattr(redis_bus, name, fails_once(name))
    transcript = await a.store.create_transcript()
    heard: list[Message] = []
    stop = b.bus.listen(transcript.id, heard.append)
    async with asyncio.timeout(DEADLINE_S):
        while not any(isinstance(each, Deleted) for each in heard):
            a.bus.publish(Deleted(transcript.id))
            await asyncio.sleep(0.05)
    stop()
    assert failed == {"encode", "decode"}
