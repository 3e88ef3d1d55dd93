"""Readers hear of what was stored though nobody told them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from protocol.errors import StoreUnavailable
from server.bus import Deleted, Message, Stored
from server.nodes import second_look
from server.nodes.second_look import SecondLook
from tests.fakes.waiting import until


class Journals:
    """What a store says, and what readers are told."""

    def __init__(self, **seqs: int) -> None:
        self.seqs = seqs
        self.is_away = False
        self.asked: list[list[str]] = []
        self.told: asyncio.Queue[Message] = asyncio.Queue()
        self.every_s = 3600.0
        self.listened = set(seqs)

    async def last_seqs(self, transcript_ids: Collection[str]) -> dict[str, int]:
        self.asked.append(list(transcript_ids))
        if self.is_away:
            raise StoreUnavailable("away")
        return {key: seq for key, seq in self.seqs.items() if key in transcript_ids}

    async def hears(self, count: int) -> list[Message]:
        async with asyncio.timeout(20):
            return [await self.told.get() for _ in range(count)]


@asynccontextmanager
async def looking(journals: Journals) -> AsyncIterator[SecondLook]:
    look = SecondLook(
        journals.last_seqs,
        transcripts=lambda: journals.listened,
        tell=journals.told.put_nowait,
        every_s=lambda: journals.every_s,
    )
    task = asyncio.create_task(look.run())
    try:
        yield look
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_all_are_looked_at_again_and_again() -> None:
    journals = Journals(a=1, b=5)
    journals.every_s = 0.01
    async with looking(journals):
        assert await journals.hears(2) == [Stored("a", 1), Stored("b", 5)]
        journals.seqs["a"] = 2
        while Stored("a", 2) not in await journals.hears(2):
            pass


async def test_one_is_looked_at_when_asked_if_somebody_listens() -> None:
    journals = Journals(a=1, b=5)
    async with looking(journals) as look:
        look.ask(["b", "nobody's"])
        assert await journals.hears(1) == [Stored("b", 5)]
    assert journals.asked == [["b"]]


async def test_what_is_gone_is_deleted() -> None:
    journals = Journals(a=1)
    journals.listened = {"a", "gone"}
    async with looking(journals) as look:
        look.ask(["a", "gone"])
        assert await journals.hears(2) == [Stored("a", 1), Deleted("gone")]


async def test_a_store_that_is_away_deletes_nothing() -> None:
    journals = Journals(a=1)
    journals.is_away = True
    journals.every_s = 0.01
    async with looking(journals):
        await until(lambda: len(journals.asked) >= 3)
        assert journals.told.empty()
        journals.is_away = False
        assert await journals.hears(1) == [Stored("a", 1)]


async def test_many_are_asked_for_a_few_hundred_at_once() -> None:
    count = 2 * second_look.AT_ONCE + 1
    journals = Journals(**{f"t{number:04}": 1 for number in range(count)})
    async with looking(journals) as look:
        look.ask(journals.seqs)
        assert len(set(map(str, await journals.hears(count)))) == count
    assert [len(asked) for asked in journals.asked] == [second_look.AT_ONCE, second_look.AT_ONCE, 1]


async def test_a_shorter_wait_begins_when_it_is_hurried() -> None:
    journals = Journals(a=1)
    async with looking(journals) as look:
        await asyncio.sleep(0)
        journals.every_s = 0.01
        look.hurry()
        assert await journals.hears(1) == [Stored("a", 1)]
