from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.waiting import until
from tests.net.relay import Counts, TcpRelay, UdpRelay, Way


def carried(seed: int, count: int = 2_000, **faults: Any) -> tuple[list[bytes], Counts]:
    out: list[bytes] = []
    way = Way(seed, out.append)
    with way.faults(**faults):
        for index in range(count):
            way.carry(index.to_bytes(4, "big"))
    return out, way.counts


async def test_a_seed_repeats_itself() -> None:
    assert carried(1, loss=0.1, corrupt=0.1) == carried(1, loss=0.1, corrupt=0.1)
    assert carried(1, loss=0.1)[0] != carried(2, loss=0.1)[0]


async def test_rates_are_kept() -> None:
    assert carried(1)[0] == [index.to_bytes(4, "big") for index in range(2_000)]
    assert 60 <= carried(1, loss=0.05)[1].lost <= 140
    assert 60 <= carried(1, duplicate=0.05)[1].duplicated <= 140
    damaged, counts = carried(1, corrupt=0.05, truncate=0.05)
    assert 120 <= counts.damaged <= 280
    assert any(len(data) < 4 for data in damaged)
    assert carried(1, black_hole=True)[0] == []


async def test_later_and_overtaken_datagrams_all_come() -> None:
    out: list[bytes] = []
    way = Way(3, out.append)
    with way.faults(delay_s=0.005, jitter_s=0.005, reorder=0.2, reorder_s=0.01):
        for index in range(200):
            way.carry(bytes([index]))
    await until(lambda: len(out) == 200)
    assert sorted(out) == [bytes([index]) for index in range(200)]
    assert out != sorted(out)


async def test_closing_forgets_what_is_on_its_way() -> None:
    out: list[bytes] = []
    way = Way(3, out.append)
    with way.faults(delay_s=0.01):
        way.carry(b"x")
    way.close()
    await asyncio.sleep(0.03)
    assert out == []


async def test_a_burst_takes_all_for_its_time() -> None:
    out: list[bytes] = []
    way = Way(4, out.append)
    with way.faults(burst=1.0, burst_s=10.0):
        way.carry(b"lost")
    way.carry(b"lost as well: the burst goes on")
    assert out == []


async def test_datagrams_pass_between_two_that_only_know_the_relay() -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for each in (a, b, stranger):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        async with UdpRelay(seed=1) as relay:
            relay.a, relay.b = a.getsockname(), b.getsockname()
            a.sendto(b"to b", relay.face_a)
            assert await loop.sock_recvfrom(b, 100) == (b"to b", relay.face_b)
            b.sendto(b"to a", relay.face_b)
            assert await loop.sock_recvfrom(a, 100) == (b"to a", relay.face_a)
            stranger.sendto(b"not me", relay.face_a)
            await until(lambda: relay.to_b.counts.strangers == 1)
            with relay.both(black_hole=True):
                a.sendto(b"nowhere", relay.face_a)
                await until(lambda: relay.to_b.counts.lost == 1)


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, int]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1_000):
                writer.write(data)
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[:2]
    server.close()
    await asyncio.sleep(0.02)


async def test_tcp_passes_late_and_not_at_all_and_is_cut(echo: tuple[str, int]) -> None:
    loop = asyncio.get_running_loop()
    async with TcpRelay(echo) as relay:
        reader, writer = await asyncio.open_connection(*relay.address)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        with relay.delay(0.03):
            began_s = loop.time()
            writer.write(b"late")
            assert await reader.readexactly(4) == b"late"
            assert loop.time() - began_s >= 0.06
        with relay.black_hole():
            writer.write(b"held")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reader.readexactly(4)
        assert await reader.readexactly(4) == b"held"
        relay.reset()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()


async def test_tcp_is_refused(echo: tuple[str, int]) -> None:
    async with TcpRelay(echo) as relay:
        with relay.refuse():
            reader, writer = await asyncio.open_connection(*relay.address)
            assert await reader.read() == b""
            writer.close()
