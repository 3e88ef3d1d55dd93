"""A socket where much comes is looked at now and then, and not once for each datagram; nothing is lost by it."""

from __future__ import annotations

import asyncio
import socket

import pytest

from media.webrtc.udp_mux import READ_MAX_DATAGRAMS, Address, Face, UdpCounts, UdpMux

COUNT = 3 * READ_MAX_DATAGRAMS + 5
BAD = b"bad"


class Read(UdpMux):
    def __init__(self, face: Face) -> None:
        super().__init__([face], UdpCounts())
        self.data: list[bytes] = []
        self.changed = asyncio.Event()
        self.rested = asyncio.Event()

    def received(self, face: Face, data: bytes, source: Address) -> None:
        if data == BAD:
            raise ValueError("a fault of ours")
        self.data.append(data)
        self.changed.set()

    def _rested(self, face: Face) -> None:
        super()._rested(face)
        if face.resting is None:
            self.rested.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.data) < count:
                self.changed.clear()
                await self.changed.wait()


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.mark.parametrize("quiet_first", [True, False])
async def test_all_is_read_in_order_in_a_rush_and_after_it(*, quiet_first: bool) -> None:
    face = Face(bound())
    mux = Read(face)
    mux.start()
    with bound() as sender:
        expected = 0
        async with asyncio.timeout(10):
            while face.resting is None:  # one by one, until two come close together
                sender.sendto(str(expected).encode(), face.sock.getsockname())
                expected += 1
                await mux.until(expected)
        # A rush, more than one reading takes: part of it comes while nobody looks.
        for number in range(expected, expected + COUNT):
            sender.sendto(str(number).encode(), face.sock.getsockname())
        expected += COUNT
        if quiet_first:
            async with asyncio.timeout(5):
                await mux.rested.wait()
            assert len(mux.data) == expected
        sender.sendto(str(expected).encode(), face.sock.getsockname())
        await mux.until(expected + 1)
        assert mux.data == [str(number).encode() for number in range(expected + 1)]
        mux.close()


async def test_a_mux_closed_at_rest_reads_no_more() -> None:
    face = Face(bound())
    mux = Read(face)
    mux.start()
    with bound() as sender:
        async with asyncio.timeout(10):
            while face.resting is None:
                sender.sendto(b"x", face.sock.getsockname())
                await mux.until(len(mux.data) + 1)
        mux.close()
        assert face.resting is None or face.resting.cancelled()


async def test_an_error_of_ours_leaves_the_port_open_for_all_others() -> None:
    face = Face(bound())
    mux = Read(face)
    mux.start()
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context.get("exception")))
    with bound() as sender:
        async with asyncio.timeout(10):
            while face.resting is None:
                sender.sendto(b"x", face.sock.getsockname())
                await mux.until(len(mux.data) + 1)
        before = len(mux.data)
        sender.sendto(BAD, face.sock.getsockname())
        sender.sendto(b"y", face.sock.getsockname())
        await mux.until(before + 1)
        await asyncio.wait_for(mux.rested.wait(), 5)
        sender.sendto(b"z", face.sock.getsockname())
        await mux.until(before + 2)
    mux.close()
    assert mux.data[before:] == [b"y", b"z"]
    assert [type(each) for each in told] == [ValueError]
