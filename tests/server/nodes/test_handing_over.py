"""A connection is passed on to whoever is the node that is looked for, and to nobody else."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from protocol.errors import IllegalMove, TryLater
from server.nodes.handing_over import DONE_S, RECORD_MAX_BYTES, HandingOver, Record, socket_of

DEADLINE_S = 20.0


class Worker:
    def __init__(self, folder: Path, index: int) -> None:
        self.taken: asyncio.Queue[tuple[socket.socket, bytes, bool]] = asyncio.Queue()
        self.asked: list[tuple[str, str]] = []
        self.is_asked, self.may_obey = asyncio.Event(), asyncio.Event()
        self.may_obey.set()
        self.hands = HandingOver(folder, index, lambda: f"nod_{index}", self._adopt, self._obey)

    async def _adopt(self, connection: socket.socket, read: bytes, is_answered: bool) -> None:
        self.taken.put_nowait((connection, read, is_answered))

    async def _obey(self, transcript_id: str, what: str) -> None:
        self.asked.append((transcript_id, what))
        self.is_asked.set()
        await self.may_obey.wait()
        if what == "stop":
            raise IllegalMove("nothing is being recorded", details={"where": "there"})


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@pytest.fixture
async def workers(folder: Path) -> AsyncIterator[list[Worker]]:
    made = [Worker(folder, index) for index in range(3)]
    for worker in made:
        worker.hands.start()
    yield made
    for worker in made:
        await worker.hands.stop()


async def test_the_socket_goes_where_it_belongs_with_what_was_read(workers: list[Worker]) -> None:
    client, ours = socket.socketpair()
    read = os.urandom(RECORD_MAX_BYTES)
    async with asyncio.timeout(DEADLINE_S):
        assert await workers[0].hands.hand_over("nod_2", ours.fileno(), read, is_answered=True)
        connection, came, is_answered = await workers[2].taken.get()
    ours.close()  # as the giver does: the client does not see it
    assert (came == read, is_answered) == (True, True)
    connection.setblocking(True)
    connection.sendall(b"an answer")
    assert client.recv(100) == b"an answer"
    assert workers[1].taken.empty()
    client.close()
    connection.close()


async def test_a_node_that_is_nobody_here_takes_nothing(folder: Path, workers: list[Worker]) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(socket_of(folder, 9)))  # of a worker that was killed
    left.close()
    client, ours = socket.socketpair()
    with client, ours:
        for node_id in ("nod_7", "nod_0"):  # nor does one give to itself
            assert not await workers[0].hands.hand_over(node_id, ours.fileno(), b"", is_answered=False)
    assert all(worker.taken.empty() for worker in workers)


async def test_who_holds_a_transcript_is_asked_to_do_something_with_it_and_says_what_became_of_it(
    folder: Path, workers: list[Worker]
) -> None:
    hands = workers[0].hands
    async with asyncio.timeout(DEADLINE_S):
        assert await hands.ask("nod_2", "a", "pause")
        with pytest.raises(IllegalMove) as refused:
            await hands.ask("nod_2", "a", "stop")
        assert not await hands.ask("nod_7", "a", "pause")
    assert refused.value.to_dict()["details"] == {"where": "there"}
    assert [worker.asked for worker in workers] == [[], [], [("a", "pause"), ("a", "stop")]]


async def test_while_one_does_what_it_was_asked_no_thread_waits_and_one_that_ends_is_said_to_have_said_nothing(
    workers: list[Worker],
) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))  # one that asks, one that is asked
    workers[2].may_obey.clear()
    async with asyncio.timeout(DEADLINE_S):
        asking = asyncio.create_task(workers[0].hands.ask("nod_2", "a", "pause"))
        await workers[2].is_asked.wait()
        both = threading.Barrier(2)
        await asyncio.gather(*(asyncio.to_thread(both.wait, DONE_S / 2) for _ in range(2)))
        await workers[2].hands.stop()
        with pytest.raises(TryLater):
            await asking


async def test_one_that_breaks_off_or_says_nonsense_hurts_nobody(folder: Path, workers: list[Worker]) -> None:
    loop = asyncio.get_running_loop()
    for said in (b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x09{}"):
        with socket.socket(socket.AF_UNIX) as link:
            link.setblocking(False)
            await loop.sock_connect(link, str(socket_of(folder, 1)))
            await loop.sock_sendall(link, said)
    client, ours = socket.socketpair()
    with client, ours:
        async with asyncio.timeout(DEADLINE_S):
            assert await workers[0].hands.hand_over("nod_1", ours.fileno(), b"x", is_answered=False)
            connection, read, is_answered = await workers[1].taken.get()
    connection.close()
    assert (read, is_answered) == (b"x", False)


def test_what_was_read_is_kept_while_nothing_was_answered_and_no_longer_than_it_may() -> None:
    record = Record()
    kept: list[bytes | None] = []
    for data in (b"GET / ", b"HTTP/1.1"):
        record.add(data)
    kept.append(record.read)
    record.stop()
    record.add(b"more")
    kept.append(record.read)
    assert kept == [b"GET / HTTP/1.1", None]
    record.begin(b"POST ")
    record.add(bytes(RECORD_MAX_BYTES - 5))
    lengths = [len(record.read or b"")]
    record.add(b"x")
    assert [*lengths, record.read] == [RECORD_MAX_BYTES, None]
