"""The supervisor with real processes: started, watched, ended and started again."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from asr.child import Child, worker_environment
from asr.contract import SessionOptions
from asr.link import ChildGone, Ending, WorkerLink
from asr.supervisor import SessionMessage, Supervisor
from asr.watch import Backoff
from asr.wire import Audio, FromWorker, Open, Pong, Ran, Ready, Working
from tests.asr.conftest import WAIT_S, settings
from tests.fakes.waiting import until
from tests.fakes.worker import Cue, command, spoken


class Events:
    def __init__(self) -> None:
        self.models: list[str] = []
        self.lost: list[bool] = []
        self.working: list[Working | None] = []  # when it was lost
        self.child: WorkerLink | None = None

    def on_ready(self, child: WorkerLink, ready: Ready) -> None:
        self.models.append(ready.model)
        self.child = child

    def on_message(self, message: SessionMessage) -> None: ...

    def on_pong(self, pong: Pong) -> None: ...

    def on_ran(self, ran: Ran) -> None: ...

    def on_lost(self, *, planned: bool, working: Working | None = None) -> None:
        self.lost.append(planned)
        self.working.append(working)


MakeSupervisor = Callable[..., Awaitable[tuple[Supervisor, Events]]]


@pytest.fixture
async def supervise(tmp_path: Path) -> AsyncIterator[MakeSupervisor]:
    made: list[Supervisor] = []

    async def make(*options: str, run: tuple[str, ...] | None = None, **changes: float) -> tuple[Supervisor, Events]:
        events = Events()
        supervisor = Supervisor(
            settings(**changes),
            events,
            command=run or command("--state", str(tmp_path / "starts"), *options),
            backoff=Backoff(first_s=0.02, cap_s=0.05),
        )
        made.append(supervisor)
        supervisor.start()
        return supervisor, events

    yield make
    for supervisor in made:
        await supervisor.stop()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_stop_ends_the_process(supervise: MakeSupervisor) -> None:
    supervisor, events = await supervise()
    await until(lambda: bool(events.models))
    pid = supervisor.pid
    assert pid is not None
    await supervisor.stop()
    await supervisor.stop()
    assert not is_running(pid)
    assert events.lost == [True]
    assert supervisor.restarts == 0


async def test_it_starts_again_until_it_works(supervise: MakeSupervisor) -> None:
    supervisor, events = await supervise("--start", "exit", "--failures", "2")
    await until(lambda: bool(events.models))
    assert events.models == ["run-3"]
    assert events.lost == [False, False]
    assert supervisor.restarts == 2
    assert supervisor.reason == ""


async def test_a_silent_start_is_ended_at_the_deadline(supervise: MakeSupervisor) -> None:
    supervisor, events = await supervise(
        "--start", "silent", "--failures", "1", start_deadline_s=0.5, step_deadline_s=0.5
    )
    await until(lambda: bool(events.lost))
    assert supervisor.reason == "the inference process was not ready within 0.5 s"


async def test_a_command_that_does_not_exist_is_a_reason_not_a_crash(supervise: MakeSupervisor) -> None:
    supervisor, events = await supervise(run=("/nonexistent/worker",))
    await until(lambda: len(events.lost) > 1)
    assert supervisor.reason.startswith("the inference process cannot be started")


@pytest.mark.parametrize("beside", [0, 1, 3])
async def test_who_is_at_fault_is_whose_sound_was_in_the_step_and_whose_voices_were_told_apart_beside_it(
    supervise: MakeSupervisor, beside: int
) -> None:
    _, events = await supervise("--beside", str(beside))
    await until(lambda: bool(events.models))
    assert events.child is not None
    await events.child.send(Open(session_id="s", generation=1, start_samples=0, options=SessionOptions()))
    await events.child.send(Audio(session_id="s", generation=1, start_samples=0), spoken(int(Cue.CRASH)))
    await until(lambda: bool(events.lost))
    [working] = events.working
    assert working is not None
    assert [session_id for session_id, *_ in working.sessions] == ["s"]
    assert working.voices == ((("s", beside - 1),) if beside else ())


async def test_a_kill_is_named(supervise: MakeSupervisor) -> None:
    supervisor, events = await supervise()
    await until(lambda: bool(events.models))
    assert supervisor.pid is not None
    os.kill(supervisor.pid, 9)
    await until(lambda: bool(supervisor.reason))
    assert supervisor.reason == "the inference process was ended by SIGKILL"


async def test_reload_is_no_failure(supervise: MakeSupervisor) -> None:
    supervisor, events = await supervise()
    await until(lambda: bool(events.models))
    supervisor.reload()
    await until(lambda: len(events.models) == 2)
    assert events.lost == [True]
    assert supervisor.restarts == 0


async def test_reload_cuts_the_waiting_short(tmp_path: Path) -> None:
    events = Events()
    supervisor = Supervisor(
        settings(),
        events,
        command=command("--state", str(tmp_path / "starts"), "--start", "exit", "--failures", "1"),
        backoff=Backoff(first_s=600, cap_s=600),
    )
    supervisor.start()
    await until(lambda: supervisor.restarts == 1)
    supervisor.reload()
    await until(lambda: bool(events.models))
    await supervisor.stop()


@pytest.mark.usefixtures("patience", "real_starts")
async def test_a_hung_process_writes_its_stacks_to_the_log() -> None:
    with capture_logs() as logs:
        child = await Child.spawn(command("--start", "silent", "--lines", "1"), settings())
        await until(lambda: any("x" in entry.get("line", "") for entry in logs))
        how = await asyncio.wait_for(child.end(Ending.DUMP), WAIT_S)
    assert how == "the inference process was ended by SIGABRT"
    assert any("tests/fakes/worker.py" in entry.get("line", "") for entry in logs)


@pytest.mark.usefixtures("patience", "real_starts")
@pytest.mark.parametrize("how", [Ending.DUMP, Ending.KILL])
async def test_only_asyncio_reaps_it_so_that_it_is_known_how_it_ended(
    how: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = await Child.spawn(command("--start", "silent"), settings())
    reaped: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(subprocess.Popen, "poll", reaped.append)
    ended = await asyncio.wait_for(child.end(how), WAIT_S)
    assert ended == f"the inference process was ended by {'SIGABRT' if how is Ending.DUMP else 'SIGKILL'}"
    assert not reaped


@pytest.mark.usefixtures("patience")
async def test_what_it_says_is_logged_in_bounds() -> None:
    with capture_logs() as logs:
        child = await Child.spawn(command("--start", "exit", "--lines", "1000"), settings())
        async for _ in child.messages():
            pass
        assert await asyncio.wait_for(child.end(Ending.LEAVE), WAIT_S) == "the inference process exited with code 1"
    lines = [entry["line"] for entry in logs if "line" in entry]
    assert 0 < len(lines) < 500
    assert max(len(line) for line in lines) == 500


async def test_writing_waits_while_nobody_reads() -> None:
    child = await Child.spawn(command("--start", "silent"), settings())
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            await child.send(Audio(session_id="s", generation=1, start_samples=0), bytes(32000))
            sent += 1

    sending = asyncio.create_task(send())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(sending), 0.3)
    assert sent < 60  # 2 MB: its buffer and ours
    await child.end(Ending.KILL)
    with pytest.raises(ChildGone):
        await asyncio.wait_for(sending, WAIT_S)


async def test_its_last_words_are_read_though_writing_failed_before() -> None:
    child = await Child.spawn(command("--slow", "0.01"), settings())

    async def read_to_the_end() -> list[FromWorker]:
        return [message async for message in child.messages()]

    reading = asyncio.create_task(read_to_the_end())
    await child.send(Open(session_id="s", generation=1, start_samples=0, options=SessionOptions()))

    async def write_until_it_fails() -> None:
        while True:
            await child.send(Audio(session_id="s", generation=1, start_samples=0), spoken(int(Cue.CRASH)))
            await asyncio.sleep(0)

    with pytest.raises(ChildGone):
        await asyncio.wait_for(write_until_it_fails(), WAIT_S)  # it ends hearing the first
    assert isinstance((await reading)[-1], Working)
    await child.end(Ending.LEAVE)


@pytest.mark.usefixtures("patience")
async def test_it_leaves_when_this_process_is_gone() -> None:
    """The end of the stream is all it needs: no process outlives the server."""
    child = await Child.spawn(command(), settings())
    assert isinstance(await anext(aiter(child.messages())), Ready)
    child.hang_up()
    assert await asyncio.wait_for(child.end(Ending.LEAVE), WAIT_S) == "the inference process exited with code 0"


def test_our_secrets_are_not_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EARSHOT_ACCESS_TOKEN", "PGPASSWORD", "AWS_SESSION_TOKEN", "DATABASE_URL", "SOMETHING"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    environment = worker_environment()
    assert "secret" not in environment.values()
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["PYTHONFAULTHANDLER"] == "1"
