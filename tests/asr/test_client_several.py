"""Several workers behind one client: who hears whom, and what a loss costs whom. Real processes, fake words."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from structlog.testing import capture_logs

from asr.child import spawning
from asr.client import AsrClient, AsrSession
from asr.contract import SessionOptions
from asr.wire import Ran
from protocol.blocks import Block
from tests.asr.conftest import WAIT_S, Heard, MakeClient, feed, open_session, settings
from tests.fakes.waiting import until
from tests.fakes.worker import Cue, command, spoken

TWO = ("--workers-max", "2")
FILE = SessionOptions(lane="file")


async def all_ready(client: AsrClient, number: int = 2) -> None:
    await until(lambda: client.status.workers == number)


async def finalized(*sessions: AsrSession) -> None:
    await asyncio.wait_for(asyncio.gather(*(session.finalize() for session in sessions)), 2 * WAIT_S)


def placed(client: AsrClient) -> list[int]:
    return [worker.sessions for worker in client.workers]


def pid_of(client: AsrClient, index: int) -> int:
    pid = client.workers[index].pid
    assert pid is not None
    return pid


async def test_the_first_worker_says_how_many_there_are(make_client: MakeClient) -> None:
    client = await make_client("--workers-max", "3", "--busy", "0.25", step_deadline_s=5.0)
    assert (client.status.workers_wanted, client.status.workers) == (1, 0)
    await all_ready(client, 3)
    status = client.status
    assert status.workers_wanted == len(set(status.pids)) == 3
    assert status.pid == status.pids[0]
    assert [worker.index for worker in client.workers] == [0, 1, 2]
    await until(lambda: all(worker.pong is not None for worker in client.workers))
    assert client.status.steps == 3
    assert all(0 < worker.busy_average < 0.25 for worker in client.workers)
    assert all(worker.resident_mb for worker in client.workers)


@pytest.mark.parametrize(("wanted", "number"), [(2, 2), (1, 1), (0, 3), (5, 3)])
async def test_no_more_than_the_setting_says_and_no_fewer_without_a_word(
    make_client: MakeClient, wanted: int, number: int
) -> None:
    with capture_logs() as logs:
        client = await make_client("--workers-max", "3", workers=wanted)
        await all_ready(client, number)
    assert client.status.workers_wanted == number
    fewer = [(log["asked"], log["good_for"]) for log in logs if "fewer inference processes" in log["event"]]
    assert fewer == ([(5, 3)] if wanted == 5 else [])


async def test_a_worker_that_comes_back_does_not_say_anew_how_many_there_are(make_client: MakeClient) -> None:
    client = await make_client(*TWO, "--workers-max-again", "1")
    await all_ready(client)
    other = pid_of(client, 1)
    os.kill(pid_of(client, 0), signal.SIGKILL)
    await until(lambda: client.workers[0].restarts == 1 and client.workers[0].state == "ok")
    assert (client.status.workers_wanted, pid_of(client, 1)) == (2, other)
    await client.reload()
    await until(lambda: client.status.workers_wanted == 1)


async def test_sessions_go_to_the_least_loaded_and_stay(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    early = open_session(client, Heard())
    await all_ready(client)
    assert placed(client) == [1, 0]
    sessions = [open_session(client, Heard()) for _ in range(4)]
    assert placed(client) == [3, 2]
    files = [open_session(client, Heard(), options=FILE) for _ in range(2)]
    assert [worker.files for worker in client.workers] == [1, 1]
    for session in sessions[:2]:
        await session.close()
    assert placed(client) == [3, 2]
    feed(early, spoken(1))
    await finalized(early, *files)


async def test_a_session_opened_while_others_load_is_heard_by_a_ready_one(make_client: MakeClient) -> None:
    client = await make_client(*TWO, "--start", "silent", "--only", "1")
    await client.wait_ready()
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(1, 2))
    await finalized(session)
    assert (heard.text, heard.states, placed(client)) == ("w1 w2", [], [1, 0])
    assert client.status.workers_wanted == 2


async def test_files_that_wait_at_the_start_are_spread(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    all_heard = [Heard() for _ in range(4)]
    sessions = [open_session(client, heard, options=FILE) for heard in all_heard]
    for session in sessions:
        feed(session, spoken(1))
    await finalized(*sessions)
    assert [worker.files for worker in client.workers] == [2, 2]
    assert [heard.text for heard in all_heard] == ["w1"] * 4


async def test_a_lost_worker_s_sessions_move_at_once_and_the_others_do_not_notice(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    await all_ready(client)
    moved, stays = Heard(), Heard()
    sessions = open_session(client, moved), open_session(client, stays)
    sound = spoken(1, 2) + spoken(3, 4)
    for session in sessions:
        feed(session, sound[: 2 * 16000])
    await moved.until(lambda: bool(moved.finals))
    other = pid_of(client, 1)
    os.kill(pid_of(client, 0), signal.SIGKILL)
    await until(lambda: placed(client) == [0, 2])
    for session in sessions:
        feed(session, sound[2 * 16000 :])
    await finalized(*sessions)
    assert moved.text == stays.text == "w1 w2 w3 w4"
    assert moved.states == stays.states == []
    await all_ready(client)
    assert (placed(client), pid_of(client, 1)) == ([0, 2], other)
    assert [worker.restarts for worker in client.workers] == [1, 0]


async def test_what_ends_every_process_ends_only_its_own_until_it_is_left_out(make_client: MakeClient) -> None:
    client = await make_client(*TWO, "--always")
    await all_ready(client)
    poisoned, fellow, other = Heard(), Heard(), Heard()
    sessions = open_session(client, poisoned), open_session(client, other), open_session(client, fellow)
    assert placed(client) == [2, 1]
    feed(sessions[1], spoken(1, 2))
    feed(sessions[2], spoken(3, 4)[: 2 * 3000])
    await fellow.until(lambda: bool(fellow.segments) or (fellow.settled == [] and sessions[2].lag_ms == 0))
    feed(sessions[0], spoken(5) + spoken(6, int(Cue.CRASH), 7) + spoken(8))
    await until(lambda: client.status.restarts == 3)
    feed(sessions[2], spoken(3, 4)[2 * 3000 :])
    feed(sessions[1], spoken(9))
    await finalized(*sessions)
    assert [worker.restarts for worker in client.workers] == [3, 0]
    assert (other.text, other.states, fellow.text) == ("w1 w2 w9", [], "w3 w4")
    assert poisoned.text.startswith("w5")
    assert poisoned.text.endswith("w8")
    assert (len(poisoned.gave_up), fellow.gave_up, other.gave_up, client.status.gave_up) == (1, [], [], 1)


async def test_a_suspect_leaves_a_worker_that_does_not_come_up_again(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    await all_ready(client)
    # A cue works in a process's first run only: the other worker is made safe to move to.
    os.kill(pid_of(client, 1), signal.SIGKILL)
    await until(lambda: client.workers[1].restarts == 1)
    await all_ready(client)
    heard = Heard()
    session = open_session(client, heard)
    feed(session, spoken(int(Cue.HANG), 1))
    worker = client._workers[0]
    await until(lambda: worker._supervisor._working is not None)
    worker._supervisor._open = spawning(("/nonexistent/worker",))
    os.kill(pid_of(client, 0), signal.SIGKILL)
    feed(session, spoken(2))
    await finalized(session)
    assert heard.text == "w1 w2"
    assert heard.states == ["degraded", "ok"]
    assert placed(client) == [0, 1]


async def test_a_worker_that_never_starts_costs_nobody_anything(make_client: MakeClient) -> None:
    client = await make_client(*TWO, "--start", "broken", "--only", "1")
    await client.wait_ready()
    await until(lambda: client.workers[1].restarts >= 2)
    heard = Heard()
    sessions = [open_session(client, heard), open_session(client, Heard(), options=FILE)]
    for session in sessions:
        feed(session, spoken(1, 2))
    await finalized(*sessions)
    assert (heard.text, heard.states) == ("w1 w2", [])
    assert (client.status.state, client.status.workers, client.status.workers_wanted) == ("ok", 1, 2)
    assert client.workers[1].reason == "there is no model"


async def test_reload_restarts_all_and_every_session_waits_at_its_own(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    await all_ready(client)
    all_heard = [Heard() for _ in range(4)]
    sessions = [open_session(client, heard) for heard in all_heard]
    for session in sessions:
        feed(session, spoken(1) + spoken(2)[: 2 * 800])
    await client.reload()
    assert client.status.state == "starting"
    for session in sessions:
        feed(session, spoken(2)[2 * 800 :])
    await finalized(*sessions)
    assert [heard.text for heard in all_heard] == ["w1 w2"] * 4
    assert all(heard.states == [] for heard in all_heard)
    assert placed(client) == [2, 2]
    assert client.status.restarts == 0


async def test_after_reload_there_may_be_fewer(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    await all_ready(client)
    all_heard = [Heard() for _ in range(4)]
    sessions = [open_session(client, heard) for heard in all_heard]
    for session in sessions:
        feed(session, spoken(1) + spoken(2)[: 2 * 800])
    await client.reload(settings(workers=1))
    for session in sessions:
        feed(session, spoken(2)[2 * 800 :])
    await finalized(*sessions)
    assert [heard.text for heard in all_heard] == ["w1 w2"] * 4
    assert (client.status.workers_wanted, placed(client)) == (1, [4])


async def test_only_sessions_without_a_worker_are_told_degraded(make_client: MakeClient) -> None:
    client = await make_client(*TWO)
    await all_ready(client)
    all_heard = [Heard() for _ in range(2)]
    sessions = [open_session(client, heard) for heard in all_heard]
    for index in (0, 1):
        os.kill(pid_of(client, index), signal.SIGKILL)
    for session in sessions:
        feed(session, spoken(1))
    await finalized(*sessions)
    assert [heard.text for heard in all_heard] == ["w1", "w1"]
    await all_ready(client)
    assert all(heard.states in ([], ["degraded", "ok"]) for heard in all_heard)
    assert any(heard.states for heard in all_heard)


async def test_every_step_is_told_with_the_worker_s_index() -> None:
    told: list[tuple[int, str]] = []
    client = AsrClient(
        settings(), command=command(*TWO, "--ran"), on_ran=lambda index, ran: told.append((index, type(ran).__name__))
    )
    await client.start()
    try:
        await all_ready(client)
        sessions = [open_session(client, Heard()) for _ in range(2)]
        for session in sessions:
            session.feed(Block(0, spoken(1)))
        await finalized(*sessions)
        assert set(told) == {(0, Ran.__name__), (1, Ran.__name__)}
    finally:
        await client.stop()
