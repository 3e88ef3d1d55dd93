"""Peers that never finish asking: cut after a while, bounded in number, and no cost to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from server.connections import Asking
from server.leaving import Leaving
from server.serving import Serving
from tests.fakes.node import node_settings
from tests.fakes.waiting import until

DEADLINE_S = 20.0  # of the test; the server's own is given to each
FOR_EVER_S = 3600.0
HEAD = b"GET /hello HTTP/1.1\r\nHost: x\r\n"


class NoServices:
    async def drain(self) -> None:
        pass


@asynccontextmanager
async def served(folder: Path, asking: Asking) -> AsyncIterator[Serving]:
    """A small app on a free port."""
    app = FastAPI()
    app.state.leaving, app.state.services = Leaving(), NoServices()

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    @app.post("/refuse")
    async def refuse() -> str:
        return "hello"

    @app.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    serving = Serving(node_settings(folder, port=0), app=app, asking=asking)
    task = asyncio.create_task(serving.run(handle_signals=False))
    async with asyncio.timeout(DEADLINE_S):
        await serving.ready.wait()
    try:
        yield serving
    finally:
        serving.stop()
        async with asyncio.timeout(DEADLINE_S):
            await task
    assert asking.count == 0


class Peer:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, serving: Serving) -> Peer:
        url = httpx.URL(serving.url)
        return cls(*await asyncio.open_connection(url.host, url.port))

    async def until_closed(self) -> bytes:
        """All that came."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b"(reset)"
            finally:
                await self.close()

    async def answer(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.readuntil(b'"hello"')

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


async def test_a_head_that_does_not_end_is_told_and_cut(folder: Path) -> None:
    async with served(folder, Asking(deadline_s=0.2)) as serving:
        slow, silent = await Peer.connect(serving), await Peer.connect(serving)
        slow.writer.write(HEAD)
        assert (await slow.until_closed()).startswith(b"HTTP/1.1 408 ")
        assert await silent.until_closed() == b""


async def test_the_deadline_holds_for_every_request_of_a_connection(folder: Path) -> None:
    async with served(folder, Asking(deadline_s=0.3)) as serving:
        peer = await Peer.connect(serving)
        for _ in range(2):
            peer.writer.write(HEAD + b"\r\n")
            assert (await peer.answer()).startswith(b"HTTP/1.1 200 ")
        peer.writer.write(HEAD[:5])
        assert (await peer.until_closed()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_may_take_its_time_and_so_may_an_idle_connection(folder: Path) -> None:
    asking = Asking(deadline_s=0.05)
    async with served(folder, asking) as serving:
        peer, watch = await Peer.connect(serving), await Peer.connect(serving)
        peer.writer.write(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        assert await watch.until_closed() == b""  # so that the deadline has passed
        peer.writer.write(b"b" + HEAD + b"\r\n")
        assert b"HTTP/1.1 200 " in await peer.answer()
        watch = await Peer.connect(serving)
        assert await watch.until_closed() == b""
        peer.writer.write(HEAD + b"\r\n")
        assert (await peer.answer()).startswith(b"HTTP/1.1 200 ")
        await peer.close()


async def test_what_comes_of_a_body_after_its_answer_is_not_taken_for_ever(folder: Path) -> None:
    head = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    async with served(folder, Asking(linger_s=0.4)) as serving:
        peer = await Peer.connect(serving)
        peer.writer.write(head)
        assert (await peer.answer()).startswith(b"HTTP/1.1 200 ")
        dripping = asyncio.create_task(drip(peer))
        assert await peer.until_closed() in (b"", b"(reset)")
        dripping.cancel()
    async with served(folder, Asking(linger_s=FOR_EVER_S)) as serving:
        peer = await Peer.connect(serving)
        peer.writer.write(head)
        assert (await peer.answer()).startswith(b"HTTP/1.1 200 ")
        peer.writer.write(bytes(1_000_000) + HEAD + b"\r\n")
        assert (await peer.answer()).startswith(b"HTTP/1.1 200 ")
        await peer.close()


async def drip(peer: Peer) -> None:
    while True:
        peer.writer.write(b"x")
        await asyncio.sleep(0.05)


async def test_an_address_may_hold_only_so_many(folder: Path) -> None:
    asking = Asking(deadline_s=FOR_EVER_S, most=3)
    async with served(folder, asking) as serving:
        peers = [await Peer.connect(serving) for _ in range(3)]
        for peer in peers:
            peer.writer.write(HEAD)
        assert await (await Peer.connect(serving)).until_closed() in (b"", b"(reset)")
        # One that has asked makes room for the next.
        peers[0].writer.write(b"\r\n")
        assert (await peers[0].answer()).startswith(b"HTTP/1.1 200 ")
        other = await Peer.connect(serving)
        other.writer.write(HEAD + b"\r\n")
        assert (await other.answer()).startswith(b"HTTP/1.1 200 ")
        for peer in (*peers, other):
            await peer.close()
        await until(lambda: not asking.count)


def test_addresses_are_counted_apart() -> None:
    asking = Asking(most=1)
    assert asking.enter("192.0.2.1")
    assert not asking.enter("192.0.2.1")
    assert asking.enter("192.0.2.2")
    asking.leave("192.0.2.1")
    assert asking.enter("192.0.2.1")
    assert asking.count == 2
