"""Engines that crash, hang, think slowly, leak or run out of memory, in real processes: two workers, four sessions.

Whatever happens to one worker: every word once, in order and where it was said, and the sessions of the other worker
do not notice.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from asr.client import AsrClient, AsrSession, WorkerSettings
from asr.contract import SessionOptions
from asr.session import LOST_MAX
from asr.watch import Backoff
from protocol.words import Segment
from tests.asr.conftest import WAIT_S, Heard, feed, open_session
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.waiting import until

TEXTS = ("alpha bravo charlie", "delta echo foxtrot golf", "hotel india")
SESSIONS = 4
Place = tuple[str, int, int]
Start = Callable[..., Awaitable[AsrClient]]


def conversation(texts: Sequence[str]) -> bytes:
    return b"".join(scripted_sound(sentence(text)) for text in texts)


def said(texts: Sequence[str]) -> list[Place]:
    """Each word and where it is."""
    places: list[Place] = []
    for number, text in enumerate(texts):
        before_samples = len(conversation(texts[:number])) // 2
        places += [
            (word.text, before_samples + word.start_samples, before_samples + word.end_samples)
            for word in scripted_words(sentence(text))
        ]
    return places


def told(heard: Heard) -> list[Place]:
    """Of the finals, each segment once."""
    finals: list[Segment] = heard.finals
    assert len({final.segment_id for final in finals}) == len(finals)
    return [(word.text, word.start_samples, word.end_samples) for final in finals for word in final.words]


def is_ready(client: AsrClient, index: int) -> bool:
    return client.workers[index].state == "ok"


def is_lost(client: AsrClient, index: int) -> bool:
    return not is_ready(client, index)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """A client with two ready workers."""
    clients: list[AsrClient] = []

    async def start(engine: str = "scripted-2", **changes: Any) -> AsrClient:
        patient = WorkerSettings(engine=engine, models_dir=tmp_path, start_deadline_s=60.0, step_deadline_s=30.0)
        settings = replace(patient, **changes)
        client = AsrClient(settings, backoff=Backoff(first_s=0.05, cap_s=0.2))
        clients.append(client)
        await client.start()
        await until(lambda: client.status.workers == 2)
        return client

    yield start
    for client in clients:
        await client.stop()


class Conversations:
    """Four sessions, two at each worker; the first of them, at the first worker, says other texts than the rest."""

    def __init__(self, client: AsrClient, texts: Sequence[str]) -> None:
        self.client = client
        self.texts = [texts, *[TEXTS] * (SESSIONS - 1)]
        self.heard = [Heard() for _ in self.texts]
        self.sessions: list[AsrSession] = [open_session(client, heard) for heard in self.heard]
        assert [worker.sessions for worker in client.workers] == [2, 2]
        self._pid = client.workers[1].pid
        self._generations = [session._generation for session in self._of_the_other]

    @property
    def _of_the_other(self) -> list[AsrSession]:
        return [self.sessions[1], self.sessions[3]]

    def say(self) -> None:
        for session, texts in zip(self.sessions, self.texts, strict=True):
            feed(session, conversation(texts))

    async def finalize(self) -> None:
        await asyncio.wait_for(asyncio.gather(*(session.finalize() for session in self.sessions)), 3 * WAIT_S)

    def require_the_other_did_not_notice(self) -> None:
        assert (self.client.workers[1].pid, self.client.workers[1].restarts) == (self._pid, 0)
        assert [session._generation for session in self._of_the_other] == self._generations
        assert [heard.states for heard in self.heard[1::2]] == [[], []]
        assert [told(heard) for heard in self.heard[1::2]] == [said(TEXTS)] * 2


@pytest.mark.parametrize(
    ("engine", "fault", "deadline_s", "restarts"),
    [
        ("scripted-2", "crash", 30.0, 1),
        ("scripted-2", "hang", 4.0, 1),
        ("scripted-2", "slow", 30.0, 0),
        ("scripted-oom-2", "leak", 30.0, 1),
        ("scripted-cuda-oom-2", "leak", 30.0, 0),
    ],
)
async def test_a_fault_that_passes_costs_no_word(
    start: Start, engine: str, fault: str, deadline_s: float, restarts: int
) -> None:
    client = await start(engine, step_deadline_s=deadline_s)
    all_of_them = Conversations(client, ("alpha bravo", f"charlie {fault} delta", "echo"))
    all_of_them.say()
    await all_of_them.finalize()
    assert [told(heard) for heard in all_of_them.heard] == [said(texts) for texts in all_of_them.texts]
    assert [worker.restarts for worker in client.workers] == [restarts, 0]
    all_of_them.require_the_other_did_not_notice()
    assert client.status.gave_up == 0


async def test_a_leak_ends_the_process_between_two_steps_and_no_word(start: Start, tmp_path: Path) -> None:
    client = await start()
    await until(lambda: all(worker.resident_mb for worker in client.workers))
    limit_mb = int(max(worker.resident_mb or 0 for worker in client.workers)) + 40
    await client.reload(WorkerSettings(engine="scripted-2", models_dir=tmp_path, memory_max_mb=limit_mb))
    await until(lambda: client.status.workers == 2)
    all_of_them = Conversations(client, ("alpha bravo", "charlie leak delta", "echo"))
    all_of_them.say()
    await all_of_them.finalize()
    await until(lambda: client.workers[0].restarts == 1)
    assert [told(heard) for heard in all_of_them.heard] == [said(texts) for texts in all_of_them.texts]
    all_of_them.require_the_other_did_not_notice()


async def test_sound_that_ends_every_process_costs_its_own_utterance_and_nobody_else_s(start: Start) -> None:
    client = await start("scripted-crash-2")
    all_of_them = Conversations(client, ("alpha bravo", "charlie crash delta", "echo"))
    all_of_them.say()
    await all_of_them.finalize()
    # The one next to it may have been in the step that ended the process, once; after that both are heard alone.
    assert [told(heard) for heard in all_of_them.heard[1:]] == [said(TEXTS)] * 3
    texts = [word for word, _, _ in told(all_of_them.heard[0])]
    assert texts == ["alpha", "bravo", "echo"]
    assert [len(heard.gave_up) for heard in all_of_them.heard] == [1, 0, 0, 0]
    await until(lambda: client.workers[0].restarts == LOST_MAX)
    all_of_them.require_the_other_did_not_notice()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_that_somebody_ends_costs_no_word(start: Start, signal_number: signal.Signals) -> None:
    client = await start(step_deadline_s=4.0)
    all_of_them = Conversations(client, TEXTS)
    all_of_them.say()
    await all_of_them.heard[0].until(lambda: bool(all_of_them.heard[0].segments))
    pid = client.workers[0].pid
    assert pid is not None
    os.kill(pid, signal_number)
    await all_of_them.finalize()
    assert [told(heard) for heard in all_of_them.heard] == [said(TEXTS)] * SESSIONS
    all_of_them.require_the_other_did_not_notice()


async def test_both_workers_ended_one_after_the_other_over_and_over(start: Start) -> None:
    client = await start()
    all_heard = [Heard() for _ in range(10)]
    lanes = [SessionOptions(lane="file" if number % 3 == 0 else "live") for number in range(10)]
    sessions = [open_session(client, heard, options=lane) for heard, lane in zip(all_heard, lanes, strict=True)]
    for index in (0, 1, 0, 1):
        for session in sessions:
            feed(session, conversation(TEXTS))
        await until(partial(is_ready, client, index))
        pid = client.workers[index].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(partial(is_lost, client, index))
    await asyncio.wait_for(asyncio.gather(*(session.finalize() for session in sessions)), 3 * WAIT_S)
    assert [told(heard) for heard in all_heard] == [said(TEXTS * 4)] * 10
    assert client.status.restarts == 4
