from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from server.commands.feeding import ThreadFeed


async def test_items_come_in_order_and_then_an_end() -> None:
    feed = ThreadFeed(lambda: iter(range(50)), ahead=3)
    assert [item async for item in feed.items()] == list(range(50))
    await feed.close()


async def test_get_gives_none_after_the_last_as_often_as_it_is_asked() -> None:
    feed = ThreadFeed(lambda: iter([1]))
    assert [await feed.get(), await feed.get(), await feed.get()] == [1, None, None]
    await feed.close()


async def test_what_breaks_comes_after_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    feed = ThreadFeed(broken)
    assert await feed.get() == 1
    with pytest.raises(OSError, match="gone"):
        await feed.get()
    await feed.close()


async def test_the_thread_waits_for_its_reader() -> None:
    made = []

    def counted() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    feed = ThreadFeed(counted, ahead=2)
    assert await feed.get() == 0
    assert len(made) <= 6
    await feed.close()
    assert len(made) <= 8


async def test_closing_does_not_wait_for_a_thread_that_waits_for_input() -> None:
    reading, writing = os.pipe()
    entered = threading.Event()

    def stuck() -> Iterator[bytes]:
        entered.set()
        yield os.read(reading, 1)

    feed = ThreadFeed(stuck)
    entered.wait()
    await feed.close()
    os.write(writing, b"x")
    os.close(writing)
