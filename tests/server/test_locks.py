"""Locks by key: the same one for whoever wants the same, and none that nobody needs."""

from __future__ import annotations

import asyncio
import gc

from server.locks import Locks


async def test_who_wants_the_same_waits_and_others_do_not() -> None:
    locks = Locks()
    async with locks.of("a"):
        waiting = asyncio.create_task(locks.of("a").acquire())
        await asyncio.sleep(0)
        async with locks.of("b"):
            assert not waiting.done()
    await waiting


async def test_whoever_waited_keeps_it_after_the_first_let_go() -> None:
    locks, taken, enough = Locks(), asyncio.Event(), asyncio.Event()

    async def take() -> None:
        async with locks.of("a"):
            taken.set()
            await enough.wait()

    async with locks.of("a"):
        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
    await taken.wait()
    gc.collect()
    assert locks.of("a").locked()
    enough.set()
    await waiting


async def test_none_is_kept_that_nobody_holds() -> None:
    locks = Locks()
    for number in range(100):
        async with locks.of(number):
            pass
    gc.collect()
    assert len(locks._locks) == 0
