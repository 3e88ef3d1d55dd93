"""What could not be written is written with the next, and the newest of each id alone."""

from __future__ import annotations

import asyncio

import pytest

from protocol.errors import EarshotError, NotFound, StoreUnavailable
from server.bots import write_behind
from server.bots.write_behind import WriteBehind


async def test_what_fails_is_tried_with_the_next() -> None:
    written: list[list[str]] = []
    is_down = True

    async def write(items: list[str]) -> None:
        if is_down:
            raise StoreUnavailable("away")
        written.append(items)

    behind = WriteBehind(write, every_s=0.0, what="letters")
    behind.put("a", "old")
    await behind.close()
    assert (written, behind.waiting) == ([], 1)
    is_down = False
    behind.put("b", "b")
    behind.put("a", "new")
    await behind.close()
    await behind.close()
    assert written == [["new", "b"]]


async def test_what_the_store_was_away_for_is_written_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "LATE_EVERY_S", 0.0)
    answers: list[EarshotError | None] = [StoreUnavailable("away"), StoreUnavailable("away"), None]
    written: list[list[str]] = []

    async def write(items: list[str]) -> None:
        if (error := answers.pop(0)) is not None:
            raise error
        written.append(items)

    behind = WriteBehind(write, every_s=1000.0, what="letters")
    behind.put("a", "a")
    await behind.close()
    await behind.finish()
    assert (written, behind.waiting) == ([["a"]], 0)
    answers.append(NotFound("deleted"))
    behind.put("b", "b")
    await behind.close()
    await behind.finish()  # nobody waits for what will not come back
    assert (written, answers) == ([["a"]], [])


async def test_nothing_waits_for_what_is_being_written() -> None:
    written: list[str] = []
    goes_on = asyncio.Event()

    async def write(items: list[str]) -> None:
        await goes_on.wait()
        written.extend(items)

    behind = WriteBehind(write, every_s=0.0, what="letters")
    behind.put("a", "a")
    behind.tick()
    behind.tick()
    behind.put("b", "b")
    goes_on.set()
    await behind.close()
    assert written == ["a", "b"]


async def test_what_is_urgent_waits_for_no_tick() -> None:
    written: list[list[str]] = []
    goes_on = asyncio.Event()

    async def write(items: list[str]) -> None:
        await goes_on.wait()
        written.append(items)
        if len(written) == 2:
            done.set()

    done = asyncio.Event()
    behind = WriteBehind(write, every_s=1000.0, what="letters")
    behind.put("a", "a", at_once=True)
    await asyncio.sleep(0)
    behind.put("b", "b")
    behind.put("c", "c", at_once=True)  # while the first is being written
    goes_on.set()
    async with asyncio.timeout(30):
        await done.wait()
    assert written == [["a"], ["b", "c"]]
    await behind.close()
