"""Inference processes that several servers share, with real processes and the scripted engine."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from asr.client import AsrClient, WorkerSettings
from asr.link import SharedLink
from asr.sharing import SharedEngines, links_in
from asr.watch import Backoff
from tests.asr.conftest import WAIT_S, Heard, feed, open_session
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.waiting import until

TEXTS = ("alpha bravo charlie", "delta echo foxtrot golf")
BACKOFF = Backoff(first_s=0.05, cap_s=0.2)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A socket's path must be short."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def settings(engine: str = "scripted", workers: int = 1) -> WorkerSettings:
    return WorkerSettings(engine=engine, start_deadline_s=60.0, workers=workers)


@pytest.fixture
async def engines(folder: Path) -> AsyncIterator[SharedEngines]:
    shared = SharedEngines(settings(), folder, backoff=BACKOFF)
    await shared.start()
    yield shared
    await shared.stop()


@pytest.fixture
async def servers(folder: Path, engines: SharedEngines) -> AsyncIterator[list[AsrClient]]:
    clients = [AsrClient(settings(), backoff=BACKOFF, sharing=links_in(folder)) for _ in range(2)]
    for client in clients:
        await client.start()
    yield clients
    for client in clients:
        await client.stop()


def test_a_socket_has_a_number_and_a_folder(folder: Path) -> None:
    assert WorkerSettings(index=2, shared_in=str(folder)).shared_at == folder / "engine-2"
    assert WorkerSettings(index=2).shared_at is None


async def test_a_process_that_dies_costs_none_of_its_owners_a_word(
    engines: SharedEngines, servers: list[AsrClient]
) -> None:
    heard = [Heard(), Heard()]
    sessions = [open_session(client, each) for client, each in zip(servers, heard, strict=True)]
    for session, text in zip(sessions, TEXTS, strict=True):
        feed(session, scripted_sound(sentence(text)))
        feed(session, scripted_sound(sentence("hotel india juliet"))[:30_000])
    await until(lambda: all(len(each.finals) == 1 for each in heard))
    [pid] = {client.status.pid for client in servers}
    assert pid == engines.status.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for session in sessions:
        feed(session, scripted_sound(sentence("hotel india juliet"))[30_000:])
    async with asyncio.timeout(WAIT_S):
        await asyncio.gather(*(session.finalize() for session in sessions))
    assert [each.text for each in heard] == [f"{text} hotel india juliet" for text in TEXTS]
    assert [each.states for each in heard] == [["degraded", "ok"]] * 2
    assert engines.status.restarts == 1
    assert [client.status.pid for client in servers] == [engines.status.pid] * 2


async def test_a_server_that_goes_away_takes_its_own_sessions_along(servers: list[AsrClient]) -> None:
    heard = Heard()
    stays = open_session(servers[0], heard)
    others = [open_session(servers[1], Heard()) for _ in range(2)]
    for session in (stays, *others):
        feed(session, scripted_sound(sentence(TEXTS[0]))[:20_000])

    def count() -> int:
        pong = servers[0].workers[0].pong
        return pong.sessions if pong is not None else 0

    await until(lambda: count() == 3)
    assert servers[0].workers[0].live == 3  # the load of all is what each goes by
    link = servers[1]._workers[0]._child
    assert isinstance(link, SharedLink)
    link.hang_up()
    servers[1]._workers[0].let_go(others[0])  # one does not come back
    await until(lambda: count() == 2)
    feed(stays, scripted_sound(sentence(TEXTS[0]))[20_000:])
    async with asyncio.timeout(WAIT_S):
        await stays.finalize()
    assert heard.text == TEXTS[0]
    assert heard.states == []


async def test_each_server_uses_as_many_processes_as_there_are(folder: Path) -> None:
    shared = SharedEngines(settings("scripted-2", workers=2), folder, backoff=BACKOFF)
    client = AsrClient(settings(workers=1), backoff=BACKOFF, sharing=links_in(folder))
    await client.start()  # it may be there first
    await shared.start()
    try:
        await until(lambda: client.status.workers == shared.status.workers == len(shared.workers))
        assert client.status.pids == shared.status.pids
    finally:
        await client.stop()
        await shared.stop()


async def test_an_engine_that_is_begun_anew_goes_on_with_what_all_of_them_said(folder: Path) -> None:
    shared = SharedEngines(settings(), folder, backoff=BACKOFF)
    clients = [
        AsrClient(settings(), backoff=BACKOFF, sharing=links_in(folder, shared.begin_anew)),
        AsrClient(settings(), backoff=BACKOFF, sharing=links_in(folder)),
    ]
    await shared.start()
    for client in clients:
        await client.start()
    try:
        heard = [Heard(), Heard()]
        sessions = [open_session(client, each) for client, each in zip(clients, heard, strict=True)]
        for session in sessions:
            feed(session, scripted_sound(sentence(TEXTS[0]))[:20_000])
        await until(lambda: all(client.status.workers for client in clients))
        before = shared.status.pid
        await clients[0].reload()
        await until(lambda: {client.status.pid for client in clients} == {shared.status.pid} - {before})
        for session in sessions:
            feed(session, scripted_sound(sentence(TEXTS[0]))[20_000:])
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*(session.finalize() for session in sessions))
        assert [each.text for each in heard] == [TEXTS[0]] * 2
        assert shared.status.restarts == 0
    finally:
        for client in clients:
            await client.stop()
        await shared.stop()


async def test_servers_are_told_why_there_is_no_engine(folder: Path) -> None:
    shared = SharedEngines(settings("scripted-broken"), folder, backoff=Backoff(first_s=0.3, cap_s=0.3))
    client = AsrClient(settings(), backoff=BACKOFF, sharing=links_in(folder))
    await client.start()
    await shared.start()
    try:
        await until(lambda: "asked not to load" in client.status.reason)
        assert client.status.state == "degraded"
    finally:
        await client.stop()
        await shared.stop()


async def test_a_client_may_be_stopped_that_never_found_anybody(folder: Path) -> None:
    client = AsrClient(settings(), sharing=links_in(folder))
    await client.start()
    async with asyncio.timeout(WAIT_S):
        await client.stop()
    assert client.status.restarts == 0
