"""A task that is cancelled in the middle of a transaction leaves the store as it was, and to others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiosqlite
import pytest

from server.store.store import Store

STEPS = 16  # more than a change of a transcript asks of its connection


@pytest.mark.parametrize("times", [1, 20])
async def test_whatever_is_cancelled_others_can_write(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """On SQLite, where a lock that is left behind would lock everybody out. A scope of anyio's, in which answers are
    streamed, cancels again and again until its tasks are done."""
    asked = 0
    changing: asyncio.Task[object] | None = None
    execute: Callable[..., Any] = aiosqlite.Connection._execute

    def cancel(task: asyncio.Task[object], more: int) -> None:
        if more and not task.done():
            task.cancel()
            asyncio.get_running_loop().call_soon(cancel, task, more - 1)

    async def counted(self: aiosqlite.Connection, function: Callable[..., Any], *rest: Any, **named: Any) -> Any:
        nonlocal asked
        if changing is not None and not changing.done():
            if asked == step:
                asyncio.get_running_loop().call_soon(cancel, changing, times)
            asked += 1
        return await execute(self, function, *rest, **named)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    before = asyncio.all_tasks()
    store = await Store.open(sqlite_url)
    transcript_id = (await store.create_transcript(name="before")).id
    cancelled = 0
    for step in range(STEPS):
        asked = 0
        changing = asyncio.create_task(store.update_transcript(transcript_id, name=f"changed {step}"))
        await asyncio.wait([changing])
        cancelled += changing.cancelled()
        changing = None
        # Raises StoreUnavailable after the time that SQLite waits for a lock.
        assert (await store.update_transcript(transcript_id, name="after")).name == "after", step
    assert cancelled >= 10
    await store.close()
    async with asyncio.timeout(10):  # connections of those that were cancelled are closed after them
        await asyncio.gather(*(asyncio.all_tasks() - before))
