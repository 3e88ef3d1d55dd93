"""Encoders of voices that crash, hang and fail, in real processes: no word is lost, and few voices."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from asr.client import LOST_WITH_CHANGES_MAX, LOST_WITH_VOICES_MAX, AsrClient, AsrSession, WorkerSettings
from asr.contract import SessionOptions
from asr.engines.scripted_voices import FAULTY_VOICE
from asr.watch import Backoff
from tests.asr.conftest import WAIT_S, Heard, feed, open_session
from tests.asr.voices_bench import FIRST, SECOND, TALK, as_expected, said_by

DIARIZE = SessionOptions(diarize=True)
FAULTY = ((FAULTY_VOICE, FIRST), (1, SECOND))
Start = Callable[..., Awaitable[AsrClient]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    clients: list[AsrClient] = []

    async def start(engine: str, **changes: Any) -> AsrClient:
        settings = WorkerSettings(engine=engine, models_dir=tmp_path, start_deadline_s=60.0, **changes)
        client = AsrClient(settings, backoff=Backoff(first_s=0.05, cap_s=0.2))
        clients.append(client)
        await client.start()
        await client.wait_ready()
        return client

    yield start
    for client in clients:
        await client.stop()


async def finalized(*sessions: AsrSession) -> None:
    await asyncio.wait_for(asyncio.gather(*(session.finalize() for session in sessions)), 3 * WAIT_S)


def whose(heard: Heard) -> list[tuple[str, int | None]]:
    assert len({final.segment_id for final in heard.finals}) == len(heard.finals)
    return [(word.text, final.voice) for final in heard.finals for word in final.words]


def words(*turns: tuple[int, str]) -> list[str]:
    return [word for word, _ in as_expected(*turns)]


async def test_two_voices_are_two_segments_of_one_utterance(start: Start) -> None:
    client = await start("scripted")
    heard = Heard()
    session = open_session(client, heard, options=DIARIZE)
    feed(session, said_by(*TALK))
    await finalized(session)
    assert [(final.text, final.voice) for final in heard.finals] == [(FIRST, 0), (SECOND, 1)]
    assert heard.finals[0].segment_id == heard.segments[0].segment_id
    assert all(final.speaker_confidence is not None for final in heard.finals)
    first_final = heard.segments.index(heard.finals[0])
    assert heard.segments_before_prints == [first_final]
    assert (client.status.encoder, client.status.no_encoder) == ("scripted", "")


@pytest.mark.parametrize("fault", ["crash", "hang"])
async def test_voices_that_end_the_process_are_left_out_and_no_word_is(start: Start, fault: str) -> None:
    client = await start(f"scripted-voices-{fault}", step_deadline_s=2.0)
    faulty, other = Heard(), Heard()
    sessions = [open_session(client, heard, options=DIARIZE) for heard in (faulty, other)]
    feed(sessions[0], said_by(*FAULTY) + said_by(*TALK))
    await finalized(sessions[0])
    feed(sessions[1], said_by(*TALK) + said_by(*TALK))
    await finalized(sessions[1])
    assert [word for word, _ in whose(faulty)] == words(*FAULTY, *TALK)
    assert whose(other) == as_expected(*TALK, *TALK)
    assert (faulty.gave_up, client.status.gave_up, client.status.restarts) == ([], 0, 2)
    assert client.status.encoder == "scripted"


async def test_an_encoder_that_ends_every_process_is_left_alone(start: Start) -> None:
    client = await start("scripted-voices-crash")
    all_heard = [Heard() for _ in range(LOST_WITH_VOICES_MAX)]
    for heard in all_heard:
        session = open_session(client, heard, options=DIARIZE)
        feed(session, said_by(*FAULTY))
        await finalized(session)
        assert [word for word, _ in whose(heard)] == words(*FAULTY)
    assert client.status.restarts == LOST_WITH_VOICES_MAX
    assert client.status.encoder is None
    assert "ended" in client.status.no_encoder


@pytest.mark.parametrize("fault", ["crash", "unloadable"])
async def test_looking_for_changes_that_ends_processes_costs_changes_alone(start: Start, fault: str) -> None:
    client = await start(f"scripted-voices-changes-{fault}", speaker_segmentation="scripted")
    assert (client.status.segmentation, client.status.no_segmentation) == ("scripted", "")
    heard = Heard()
    session = open_session(client, heard, options=DIARIZE)
    feed(session, said_by(*TALK))
    await finalized(session)
    assert whose(heard) == as_expected(*TALK)
    assert client.status.restarts == LOST_WITH_CHANGES_MAX
    assert (client.status.encoder, client.status.no_encoder) == ("scripted", "")
    assert client.status.segmentation is None
    assert "ended" in client.status.no_segmentation


@pytest.mark.parametrize("fault", ["raise", "nan", "oom", "broken", "missing"])
async def test_voices_that_cannot_be_told_cost_no_word_and_no_process(start: Start, fault: str) -> None:
    client = await start(f"scripted-voices-{fault}")
    heard = Heard()
    session = open_session(client, heard, options=DIARIZE)
    feed(session, said_by(*FAULTY))
    await finalized(session)
    assert [word for word, _ in whose(heard)] == words(*FAULTY)
    assert {final.voice for final in heard.finals} == {None}
    assert client.status.restarts == 0
    assert (client.status.encoder is None) >= (fault == "missing")


async def test_a_voice_keeps_its_number_over_a_lost_process_and_nothing_is_told_twice(start: Start) -> None:
    client = await start("scripted")
    heard = Heard()
    session = open_session(client, heard, options=DIARIZE)
    feed(session, said_by((3, FIRST)) + said_by((1, FIRST)))
    await finalized(session)
    feed(session, said_by((1, SECOND), (3, SECOND))[: 2 * 30_000])
    await heard.until(lambda: not heard.segments[-1].is_final)
    assert client.status.pid is not None
    os.kill(client.status.pid, signal.SIGKILL)
    feed(session, said_by((1, SECOND), (3, SECOND))[2 * 30_000 :])
    await finalized(session)
    assert whose(heard) == as_expected((0, FIRST), (1, FIRST), (1, SECOND), (0, SECOND))
    steps = sorted(step for prints in heard.prints for step in prints.steps)
    assert all(before[1] <= after[0] for before, after in pairwise(steps))
    assert client.status.restarts == 1
