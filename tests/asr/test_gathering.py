from __future__ import annotations

import asyncio

import pytest

from asr.gathering import GATHER_MAX_BYTES, GATHER_S, Gathering
from tests.fakes.virtual_time import in_virtual_time


class Written:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.at_s: list[float] = []
        self.changed = asyncio.Event()
        self.gathering = Gathering(self.write)

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.at_s.append(asyncio.get_running_loop().time())
        self.changed.set()

    async def next(self) -> None:
        self.changed.clear()
        async with asyncio.timeout(5):
            await self.changed.wait()


@in_virtual_time
async def test_the_first_goes_at_once_and_what_follows_goes_together() -> None:
    written = Written()
    for piece in (b"a", b"b", b"c"):
        written.gathering.put(piece, may_wait=True)
    assert written.writes == [b"a"]
    await written.next()
    assert written.writes == [b"a", b"bc"]
    assert written.at_s[1] - written.at_s[0] >= GATHER_S * 0.95
    # Where little is said nothing waits.
    await asyncio.sleep(GATHER_S)
    written.gathering.put(b"d", may_wait=True)
    assert written.writes[2:] == [b"d"]


async def test_what_may_not_wait_takes_along_what_does_and_nothing_overtakes() -> None:
    written = Written()
    for piece in (b"a", b"b", b"c"):
        written.gathering.put(piece, may_wait=True)
    written.gathering.put(b"!", may_wait=False)
    assert written.writes == [b"a", b"bc!"]


async def test_much_does_not_wait() -> None:
    written = Written()
    written.gathering.put(b"a", may_wait=True)
    written.gathering.put(bytes(GATHER_MAX_BYTES), may_wait=True)
    assert [len(data) for data in written.writes] == [1, GATHER_MAX_BYTES]


@in_virtual_time
async def test_nothing_is_written_after_the_end() -> None:
    written = Written()
    for piece in (b"a", b"b"):
        written.gathering.put(piece, may_wait=True)
    written.gathering.stop()
    await asyncio.sleep(GATHER_S * 3)  # past when it would have been due
    assert written.writes == [b"a"]


async def test_what_the_socket_raises_is_told_to_who_writes() -> None:
    def broken(data: bytes) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Gathering(broken).put(b"a", may_wait=False)
