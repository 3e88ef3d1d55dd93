"""Rounds go on, whatever one of them runs into."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from protocol.errors import StoreUnavailable
from server.rounds import repeat


@pytest.mark.parametrize("error", [StoreUnavailable("away"), FileNotFoundError("gone"), RuntimeError("whatever")])
async def test_a_round_that_fails_is_not_the_last(error: Exception) -> None:
    count = 0
    twice = asyncio.Event()

    async def work() -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise error
        twice.set()

    task = asyncio.create_task(repeat(work, every_s=0.0, name="test"))
    async with asyncio.timeout(10):
        await asyncio.wait([task, asyncio.create_task(twice.wait())], return_when=asyncio.FIRST_COMPLETED)
    assert count >= 2
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_who_is_woken_does_not_wait() -> None:
    woken, rounds = asyncio.Event(), asyncio.Semaphore(0)
    count = 0

    async def work() -> None:
        nonlocal count
        count += 1
        if count == 1:
            woken.set()  # in the middle of a round: then another is due at once
        rounds.release()

    task = asyncio.create_task(repeat(work, every_s=3600.0, name="test", woken=woken))
    async with asyncio.timeout(10):
        for _ in range(2):
            await rounds.acquire()
        woken.set()
        await rounds.acquire()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
