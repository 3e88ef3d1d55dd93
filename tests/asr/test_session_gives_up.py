"""A session whose sound cannot be heard: it goes on behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from asr.backlog import Backlog
from asr.wire import GaveUp, Open
from protocol.blocks import Block
from protocol.words import Segment
from tests.asr.conftest import Heard as Told
from tests.asr.conftest import feed
from tests.asr.test_session import Bench, Remembering, heard, settle_down, settled
from tests.fakes.waiting import until


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    for session in list(bench.sessions):
        await session.close()


async def test_sound_that_loses_three_processes_in_a_row_is_left_out(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, bytes(2 * 5000))
    for generation in (1, 2, 3):
        session.attach(Remembering(), generation)
        await settle_down()
        session.on_message(heard(session, generation, "wo", start=100, end=200, final=False))
        if generation == 2:
            session.detach()  # the pump may see the loss first
        assert not session.lost_at(7, 3000)
        assert session.lost_at(generation, 3000) == (generation == 3)
        session.detach()
    assert [segment.text for segment in told.segments] == ["wo", ""]
    assert (told.settled, told.gave_up) == ([3000], [(0, 3000)])
    link = Remembering()
    session.attach(link, 4)
    await settle_down()
    assert isinstance(link.said[0], Open)
    assert link.said[0].start_samples == 3000
    assert not session.lost_at(4, 5000)


async def test_a_process_lost_in_a_lead_costs_no_sound_and_that_is_never_in_one_again(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, b"\1\1" * 5000)
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(settled(session, 1, 3000))
    for generation in range(2, 6):
        link = Remembering()
        session.attach(link, generation)
        await settle_down()
        session.on_message(
            GaveUp(session_id=session.session_id, generation=generation, start_samples=0, end_samples=512, message="")
        )
        assert not session.lost_at(generation, 2560)
        assert not session.suspect
        session.detach()
    assert link.sound == bytes(2 * 2560) + b"\1\1" * 2440
    assert (told.settled, told.gave_up) == ([3000], [])


async def test_a_worker_is_told_how_far_a_session_is_to_be_heard_alone(bench: Bench) -> None:
    session = bench.session(Told())
    feed(session, bytes(2 * 5000))
    told = []
    for generation in (1, 2, 3):
        link = Remembering()
        session.attach(link, generation)
        await settle_down()
        assert isinstance(link.said[0], Open)
        told.append(link.said[0].alone_until_samples)
        if generation == 1:
            session.lost_at(generation, 3000)
        elif generation == 2:
            session.on_message(heard(session, generation, "one", start=100, end=3500, final=False))
            assert session.suspect
            session.on_message(heard(session, generation, "one", start=100, end=3500))
        session.detach()
    assert told == [0, 3000, 0]


@pytest.mark.parametrize(("end_samples", "forgives"), [(2000, False), (3000, True)])
async def test_a_final_of_that_sound_in_between_forgives_the_lost_processes(
    bench: Bench, end_samples: int, forgives: bool
) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, bytes(2 * 5000))
    for generation in range(1, 5):
        session.attach(Remembering(), generation)
        await settle_down()
        if generation == 3:
            session.on_message(heard(session, generation, "one", start=100, end=end_samples))
        session.lost_at(generation, 3000)
        session.detach()
    assert (told.gave_up == []) is forgives


async def test_silence_that_is_through_is_forgiven_as_well(bench: Bench) -> None:
    session = bench.session(Told())
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    assert not session.lost_at(1, 3000)
    session.attach(Remembering(), 2)
    await settle_down()
    session.on_message(settled(session, 2, 2900))
    assert session.suspect
    session.on_message(settled(session, 2, 3000))
    assert not session.suspect


async def test_a_listener_need_not_hear_what_was_given_up(bench: Bench) -> None:
    class Without:
        def on_segment(self, segment: Segment, lag_ms: int) -> None: ...

        def on_settled(self, samples: int) -> None: ...

        def on_engine_state(self, state: str) -> None: ...

    session = bench.session(Without())  # type: ignore[arg-type]
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    given_up = GaveUp(session_id=session.session_id, generation=1, start_samples=0, end_samples=900, message="no")
    session.on_message(given_up)
    session.on_message(heard(session, 1, start=0, end=900))
    assert session.settled_samples == 900


async def test_a_lead_that_cannot_be_read_keeps_nobody_waiting(bench: Bench) -> None:
    asked = 0

    def read_back(start_samples: int, end_samples: int) -> Iterator[Block]:
        nonlocal asked
        asked += 1
        raise OSError("the disk is gone")

    start_samples = 20 * 16000
    session = bench.session(Told(), backlog=Backlog(start_samples), read_back=read_back)
    link = Remembering()
    session.attach(link, 1)
    session.feed(Block(start_samples, b"\1\1" * 8000))
    await until(lambda: link.sound.endswith(b"\1\1" * 8000))
    opened = link.said[0]
    assert isinstance(opened, Open)
    assert link.sound == bytes(2 * opened.lead_samples) + b"\1\1" * 8000
    assert (opened.start_samples, asked) == (start_samples, 1)
