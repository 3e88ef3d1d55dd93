"""Sessions that were in the step that ended a process, together with one whose sound ends every process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

import asr.workers
from asr.child import Child
from asr.client import AsrClient
from asr.session import AsrSession
from asr.wire import Open, Ready, Working
from tests.asr.conftest import Heard, feed, open_session, settings
from tests.asr.test_session import Remembering, heard, settle_down, settled

READY = Ready(engine="fake", model="m", device="cpu", languages=(), reason="")
SOUND_SAMPLES = 8000


class Bench:
    """A client whose one worker is a link that only remembers, and sessions that have been fed."""

    def __init__(self, sessions: int = 3) -> None:
        self.client = AsrClient(settings())
        self.worker = self.client._workers[0]
        self.told = [Heard() for _ in range(sessions)]
        self.sessions = [open_session(self.client, told) for told in self.told]
        for session in self.sessions:
            feed(session, bytes(2 * SOUND_SAMPLES))

    async def ready(self) -> Remembering:
        link = Remembering()
        self.worker.on_ready(cast(Child, link), READY)
        await settle_down()
        return link

    def lost(self, *heard: AsrSession) -> None:
        working = Working(sessions=tuple((one.session_id, one._latest_generation, 5000) for one in heard))
        self.worker.on_lost(planned=False, working=working)

    async def twice_lost(self) -> Remembering:
        for _ in range(2):
            await self.ready()
            self.lost(*self.sessions)
        return await self.ready()

    def opened(self, link: Remembering) -> list[AsrSession]:
        ids = [message.session_id for message in link.of(Open) if isinstance(message, Open)]
        return [session for id_ in ids for session in self.sessions if session.session_id == id_]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    await bench.client.stop()


async def test_of_those_on_their_last_chance_one_is_heard_at_a_time(bench: Bench) -> None:
    first, second, third = bench.sessions
    link = await bench.twice_lost()
    assert bench.opened(link) == [first]
    # Less than the sound it is suspected for clears nobody.
    bench.worker.on_message(heard(first, first._generation, "one", start=0, end=4000, final=False))
    await settle_down()
    assert bench.opened(link) == [first]
    bench.worker.on_message(heard(first, first._generation, "one", start=0, end=5000, final=False))
    await settle_down()
    assert bench.opened(link) == [first, second]
    bench.worker.on_message(settled(second, second._generation, 6000))
    await settle_down()
    assert bench.opened(link) == [first, second, third]


async def test_the_last_loss_is_blamed_on_the_one_on_its_last_chance(bench: Bench) -> None:
    first, second, third = bench.sessions
    await bench.twice_lost()
    bench.worker.on_message(heard(first, first._generation, "one", start=0, end=5000, final=False))
    await settle_down()
    bench.lost(first, second)
    assert [told.gave_up for told in bench.told] == [[], [(0, 5000)], []]
    link = await bench.ready()
    # The third still has its chance before it; the first is only watched.
    assert bench.opened(link) == [first, second, third]
    assert (first.suspect, second.suspect, third.suspect) == (True, False, True)
    assert bench.client.status.gave_up == 1


async def test_a_loss_before_the_last_is_held_against_all_of_the_step_and_no_others(bench: Bench) -> None:
    first, second, _ = bench.sessions
    await bench.ready()
    bench.lost(first, second)
    assert [session.suspect for session in bench.sessions] == [True, True, False]
    assert bench.worker.suspects == 2
    assert bench.opened(await bench.ready()) == bench.sessions


async def test_one_that_says_nothing_does_not_keep_the_others_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asr.workers, "LAST_CHANCE_S", 0.0)
    link = await bench.twice_lost()
    await asyncio.sleep(0.01)
    await settle_down()
    assert bench.opened(link) == bench.sessions


async def test_one_that_is_closed_does_not_keep_the_others_waiting(bench: Bench) -> None:
    first, second, _ = bench.sessions
    link = await bench.twice_lost()
    await first.close()
    await settle_down()
    assert bench.opened(link) == [first, second]
