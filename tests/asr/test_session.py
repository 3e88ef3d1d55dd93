"""A session over a link that only remembers: what is sent, when, and again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import BaseModel

import asr.reading_back
from asr.backlog import Backlog
from asr.contract import SessionOptions
from asr.known_voices import KnownVoices
from asr.link import ChildGone
from asr.reading_back import ReadBack
from asr.renewal import LEAD_MAX_SAMPLES
from asr.session import AsrSession
from asr.utterances import PRE_ROLL_SAMPLES
from asr.wire import Audio, Close, Finalize, Heard, Marker, Open, Settled
from protocol.blocks import Block
from protocol.errors import EngineFailed
from protocol.words import Segment, Word
from tests.asr.conftest import WAIT_S, WordsHeard, feed, nothing_recorded
from tests.asr.conftest import Heard as Told
from tests.fakes.waiting import until

DIARIZE = SessionOptions(diarize=True)


class Remembering:
    """A link; ``taking`` off: the worker reads no more. ``gone``: writing fails."""

    def __init__(self) -> None:
        self.said: list[BaseModel] = []
        self.sound = b""
        self.taking = asyncio.Event()
        self.taking.set()
        self.gone = False

    def write(self, message: BaseModel) -> None:
        self.said.append(message)

    async def send(self, message: BaseModel, payload: bytes = b"") -> None:
        if self.gone:
            raise ChildGone("gone")
        self.said.append(message)
        self.sound += payload
        await self.taking.wait()

    def of(self, kind: type[BaseModel]) -> list[BaseModel]:
        return [message for message in self.said if isinstance(message, kind)]


async def settle_down() -> None:
    """Let the pump run as far as it can without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)


class Bench:
    def __init__(self) -> None:
        self.sessions: list[AsrSession] = []

    def session(
        self,
        told: WordsHeard,
        *,
        backlog: Backlog | None = None,
        read_back: ReadBack = nothing_recorded,
        options: SessionOptions | None = None,
        voices: KnownVoices | None = None,
    ) -> AsrSession:
        session = AsrSession(
            track="trk",
            backlog=backlog or Backlog(0),
            options=options or SessionOptions(),
            listener=told,
            read_back=read_back,
            on_close=self.sessions.remove,
            voices=voices,
        )
        self.sessions.append(session)
        return session


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    for session in list(bench.sessions):
        await session.close()


def heard(session: AsrSession, generation: int, *texts: str, start: int, end: int, final: bool = True) -> Heard:
    words = tuple(Word(text=text, start_samples=start, end_samples=end) for text in texts)
    return Heard(
        session_id=session.session_id,
        generation=generation,
        start_samples=start,
        end_samples=end,
        words=words,
        final=final,
        through_samples=end,
    )


def settled(session: AsrSession, generation: int, samples: int) -> Settled:
    return Settled(session_id=session.session_id, generation=generation, samples=samples, through_samples=samples)


async def test_nothing_is_sent_before_a_worker_is_there_and_then_all_of_it(bench: Bench) -> None:
    session = bench.session(Told())
    sound = bytes(range(200)) * 16
    feed(session, sound)
    await settle_down()
    link = Remembering()
    session.attach(link, 7)
    await settle_down()
    assert isinstance(link.said[0], Open)
    assert link.said[0].generation == 7
    assert link.sound == sound
    feed(session, sound)
    await settle_down()
    assert link.sound == 2 * sound


async def test_a_final_is_settled_at_once_so_that_a_replay_cannot_repeat_it(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(heard(session, 1, "one", start=100, end=3000))
    session.detach()
    link = Remembering()
    session.attach(link, 2)
    await settle_down()
    assert isinstance(link.said[0], Open)
    assert link.said[0].start_samples == link.said[0].lead_samples == 3000
    assert len(link.sound) == 2 * 5000
    assert told.settled == [3000]


async def test_who_is_told_a_final_reads_a_settled_position_that_has_it(bench: Bench) -> None:
    class Reading(Told):
        def on_segment(self, segment: Segment, lag_ms: int) -> None:
            super().on_segment(segment, lag_ms)
            read.append(session.settled_samples)

    read: list[int] = []
    session = bench.session(Reading())
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(heard(session, 1, "one", start=100, end=2000, final=False))
    session.on_message(heard(session, 1, "one", start=100, end=3000))
    assert read == [0, 3000]


async def test_what_an_earlier_generation_says_is_not_heard(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.detach()
    session.on_message(heard(session, 1, "late", start=0, end=100))
    session.attach(Remembering(), 2)
    session.on_message(heard(session, 1, "late", start=0, end=100))
    session.on_message(settled(session, 1, 5000))
    session.on_message(Marker(session_id=session.session_id, generation=1, marker=1))
    assert (told.segments, told.settled) == ([], [])


async def test_the_open_segment_keeps_its_id_over_a_restart(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(heard(session, 1, "on", start=100, end=200, final=False))
    session.detach()
    session.attach(Remembering(), 2)
    await settle_down()
    session.on_message(heard(session, 2, "one", start=110, end=300))
    interim, final = told.segments
    assert (final.segment_id, final.revision) == (interim.segment_id, 2)


async def test_an_open_segment_that_is_not_heard_again_is_taken_back(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    feed(session, bytes(2 * 5000))
    session.attach(Remembering(), 1)
    await settle_down()
    session.on_message(heard(session, 1, "noise", start=100, end=200, final=False))
    session.detach()
    session.attach(Remembering(), 2)
    await settle_down()
    session.on_message(settled(session, 2, 150))
    assert len(told.segments) == 1
    session.on_message(settled(session, 2, 4000))
    assert [segment.text for segment in told.segments] == ["noise", ""]


async def test_a_marker_follows_the_sound_before_it_and_is_asked_again_after_a_restart(bench: Bench) -> None:
    session = bench.session(Told())
    first = Remembering()
    session.attach(first, 1)
    feed(session, bytes(2 * 800))
    finalizing = asyncio.create_task(session.finalize())
    await asyncio.sleep(0)
    feed(session, bytes(2 * 1500))
    await settle_down()
    kinds = [type(message) for message in first.said]
    assert kinds == [Open, Audio, Finalize, Audio]
    session.detach()
    second = Remembering()
    session.attach(second, 2)
    await settle_down()
    [again] = second.of(Finalize)
    assert isinstance(again, Finalize)
    session.on_message(Marker(session_id=session.session_id, generation=2, marker=again.marker))
    assert await finalizing == 800
    assert session.settled_samples == 800


async def test_a_marker_that_leaves_open_settles_nothing_of_that(bench: Bench) -> None:
    session = bench.session(Told())
    link = Remembering()
    session.attach(link, 1)
    feed(session, bytes(2 * 800))
    finalizing = asyncio.create_task(session.finalize(leave_open=True))
    await settle_down()
    assert [message.leave_open for message in link.said if isinstance(message, Finalize)] == [True]
    session.on_message(settled(session, 1, 500))
    session.on_message(Marker(session_id=session.session_id, generation=1, marker=1))
    await finalizing
    assert session.settled_samples == 500


async def test_finalize_with_nothing_unheard_returns_at_once(bench: Bench) -> None:
    session = bench.session(Told())
    assert await session.finalize() == 0


async def test_a_cancelled_finalize_leaves_nothing_behind(bench: Bench) -> None:
    session = bench.session(Told())
    feed(session, bytes(200))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(session.finalize(), 0.01)
    link = Remembering()
    session.attach(link, 1)
    await settle_down()
    assert not link.of(Finalize)


async def test_one_piece_at_a_time_waits_for_a_worker_that_does_not_read(bench: Bench) -> None:
    session = bench.session(Told())
    link = Remembering()
    link.taking.clear()
    session.attach(link, 1)
    feed(session, bytes(2 * 16000 * 10))
    await settle_down()
    assert len(link.said) == 1
    link.taking.set()
    await settle_down()
    assert len(link.sound) == 2 * 16000 * 10


async def test_no_more_than_the_window_is_sent_until_something_settles(bench: Bench) -> None:
    session = bench.session(Told())
    link = Remembering()
    session.attach(link, 1)
    feed(session, bytes(2 * 16000 * 100), block_samples=16000)
    await settle_down()
    await settle_down()
    assert len(link.sound) == 2 * 16000 * 60
    session.on_message(settled(session, 1, 16000))
    await settle_down()
    assert len(link.sound) == 2 * 16000 * 61


async def test_a_link_that_fails_is_left_until_the_next(bench: Bench) -> None:
    session = bench.session(Told())
    link = Remembering()
    session.attach(link, 1)
    await settle_down()
    link.gone = True
    feed(session, bytes(2000))
    await settle_down()
    after = Remembering()
    session.attach(after, 2)
    await settle_down()
    assert len(after.sound) == 2000


async def test_live_sound_goes_out_60_ms_at_once(bench: Bench) -> None:
    session = bench.session(Told())
    link = Remembering()
    session.attach(link, 1)
    for _ in range(8):
        feed(session, bytes(640))
        await settle_down()
    assert len(link.of(Audio)) == 2
    finalizing = asyncio.create_task(session.finalize())
    await settle_down()
    assert len(link.sound) == 8 * 640
    await session.close()
    with pytest.raises(EngineFailed):
        await finalizing


async def test_a_long_pause_is_left_out_once_all_before_it_is_told(bench: Bench) -> None:
    told = Told()
    session = bench.session(told)
    link = Remembering()
    session.attach(link, 1)
    feed(session, bytes(2 * 16000))
    session.feed(Block(3600 * 16000, b"\1\1" * 16000))
    await settle_down()
    assert [type(message) for message in link.said] == [Open, Audio, Finalize]
    marker = link.said[-1]
    assert isinstance(marker, Finalize)
    final = heard(session, 1, "one", start=100, end=3000)
    session.on_message(final.model_copy(update={"language": "de"}))
    session.on_message(Marker(session_id=session.session_id, generation=1, marker=marker.marker))
    await settle_down()
    opened, *_ = link.said[3:]
    assert isinstance(opened, Open)
    start_samples = 3600 * 16000 - PRE_ROLL_SAMPLES
    assert opened.start_samples == start_samples
    assert opened.options.heard_language == "de"
    assert 2 * 16000 <= opened.lead_samples < LEAD_MAX_SAMPLES
    assert link.sound == bytes(2 * 16000) + bytes(2 * (opened.lead_samples + PRE_ROLL_SAMPLES)) + b"\1\1" * 16000
    assert told.settled == [3000, 16000, start_samples]
    assert session.lag_ms == 1400


async def test_a_restart_during_a_long_pause_asks_again(bench: Bench) -> None:
    session = bench.session(Told())
    session.attach(Remembering(), 1)
    feed(session, bytes(2 * 16000))
    session.feed(Block(3600 * 16000, b"\1\1" * 16000))
    await settle_down()
    link = Remembering()
    session.attach(link, 2)
    await settle_down()
    assert [type(message) for message in link.said] == [Open, Audio, Finalize]
    assert len(link.sound) == 2 * 16000


async def test_a_recording_that_ends_early_is_asked_again_for_the_rest(bench: Bench) -> None:
    sound = bytes(range(1, 201)) * 100
    asked: list[tuple[int, int]] = []

    def read_back(start_samples: int, end_samples: int) -> Iterator[Block]:
        asked.append((start_samples, end_samples))
        end = min(end_samples, start_samples + 3000)
        yield Block(start_samples, sound[2 * start_samples : 2 * end])

    session = bench.session(Told(), backlog=Backlog(0, recorded_samples=10_000), read_back=read_back)
    link = Remembering()
    session.attach(link, 1)
    await until(lambda: len(link.sound) == 20_000)
    assert link.sound == sound
    assert [start for start, _ in asked] == [0, 3000, 6000, 9000]


async def test_a_recording_that_cannot_be_read_is_tried_again_and_at_last_silence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asr.reading_back, "READ_BACK_DELAY_S", 0.0001)
    asked = 0

    def read_back(start_samples: int, end_samples: int) -> Iterator[Block]:
        nonlocal asked
        asked += 1
        raise OSError("the disk is gone")

    session = bench.session(Told(), backlog=Backlog(0, recorded_samples=1000), read_back=read_back)
    link = Remembering()
    session.attach(link, 1)
    await until(lambda: len(link.sound) == 2000)
    assert link.sound == bytes(2000)
    assert asked == asr.reading_back.READ_BACK_ATTEMPTS


async def test_close_tells_the_worker_once(bench: Bench) -> None:
    session = bench.session(Told())
    link = Remembering()
    session.attach(link, 3)
    await settle_down()
    await session.close()
    await session.close()
    [close] = link.of(Close)
    assert isinstance(close, Close)
    assert close.generation == 3


async def test_room_opens_when_enough_was_heard(bench: Bench) -> None:
    session = bench.session(Told())
    session.attach(Remembering(), 1)
    feed(session, bytes(2 * 16000 * 31), block_samples=16000)
    await settle_down()
    waiting = asyncio.create_task(session.room())
    await settle_down()
    assert not waiting.done()
    session.on_message(settled(session, 1, 16001))
    await asyncio.wait_for(waiting, WAIT_S)
