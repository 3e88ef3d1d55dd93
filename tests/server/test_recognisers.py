"""Recognisers of other models: real inference processes with the scripted engine, whatever they are called here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from asr.client import AsrClient
from asr.worker_settings import WorkerSettings
from protocol.errors import Conflict, EngineFailed
from server.recognisers import Recognisers

DEADLINE_S = 60.0
SETTINGS = WorkerSettings(engine="scripted", workers=1)


def scripted(settings: WorkerSettings) -> AsrClient:
    return AsrClient(replace(settings, engine="scripted"))


@asynccontextmanager
async def recognisers(
    *, others_max: int = 1, idle_s: float = 60.0, make: Callable[[WorkerSettings], AsrClient] = scripted
) -> AsyncIterator[Recognisers]:
    main = AsrClient(SETTINGS)
    await main.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            await main.wait_ready()
            found = Recognisers(main, SETTINGS, others_max=others_max, idle_s=idle_s, make=make)
            try:
                yield found
            finally:
                await found.stop()
    finally:
        await main.stop()


async def test_who_names_no_model_or_that_in_use_gets_the_main_one() -> None:
    async with recognisers() as found:
        for model in (None, "scripted"):
            async with found.borrowed(model) as client:
                assert client is found.main
        assert found.others == ()


async def test_another_is_loaded_once_for_all_who_want_it_and_kept_for_a_while() -> None:
    async with recognisers() as found:
        async with found.borrowed("a") as first, found.borrowed("a") as second:
            assert first is second is not found.main
            assert first.status.state == "ok"
        async with found.borrowed("a") as third:
            assert third is first


async def test_one_that_nobody_wants_any_more_is_ended() -> None:
    ended = asyncio.Event()

    class Watched(AsrClient):
        async def stop(self) -> None:
            await super().stop()
            ended.set()

    def make(settings: WorkerSettings) -> AsrClient:
        return Watched(replace(settings, engine="scripted"))

    async with recognisers(idle_s=0.0, make=make) as found:
        async with found.borrowed("a") as client:
            assert client.status.pid is not None
        async with asyncio.timeout(DEADLINE_S):
            await ended.wait()
        assert found.others == ()
        with pytest.raises(EngineFailed):
            await client.wait_ready()


async def test_where_no_other_is_allowed_nobody_waits_for_one() -> None:
    async with recognisers(others_max=0) as found:
        with pytest.raises(Conflict):
            async with found.borrowed("a"):
                pass


async def test_all_who_wait_for_one_that_cannot_be_loaded_are_told_and_it_is_begun_once(tmp_path: Path) -> None:
    made: list[AsrClient] = []

    def make(settings: WorkerSettings) -> AsrClient:
        made.append(AsrClient(replace(settings, models_dir=tmp_path)))
        return made[-1]

    async with recognisers(make=make) as found:

        async def want() -> None:
            async with found.borrowed("whisper-tiny"):
                pass

        told = await asyncio.gather(*(want() for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in told] == [EngineFailed] * 5
        assert len(made) == 1


async def test_one_that_is_idle_makes_room_at_once() -> None:
    async with recognisers() as found:
        async with found.borrowed("a"):
            pass
        async with found.borrowed("b"):
            assert found.others == ("b",)


async def test_who_wants_one_more_waits_and_is_not_passed_by() -> None:
    order: list[str] = []

    async with recognisers() as found, asyncio.TaskGroup() as group:

        async def want(model: str, name: str) -> None:
            async with found.borrowed(model):
                order.append(name)

        async with AsyncExitStack() as stack:
            await stack.enter_async_context(found.borrowed("a"))
            waits = group.create_task(want("b", "b first"))
            await asyncio.sleep(0)
            late = group.create_task(want("a", "a later"))  # which is there, but b was asked for before
            await asyncio.sleep(0)
            assert not waits.done()
            assert not late.done()
            assert order == []
    assert order == ["b first", "a later"]


async def test_who_gives_up_waiting_stands_in_nobodys_way() -> None:
    async with recognisers() as found, found.borrowed("a"):
        waits = asyncio.create_task(found.borrowed("b").__aenter__())
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.wait([waits])
        async with found.borrowed("a"):
            assert found.others == ("a",)


async def test_one_that_cannot_be_loaded_is_said_and_tried_anew(tmp_path: Path) -> None:
    async with recognisers(make=lambda settings: AsrClient(replace(settings, models_dir=tmp_path))) as found:
        for _ in range(2):
            with pytest.raises(EngineFailed, match="whisper-tiny"):
                async with found.borrowed("whisper-tiny"):
                    pass
        assert found.others == ()
