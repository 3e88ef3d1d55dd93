"""Bodies have a limit that counts bytes and a pace that they must keep; so have messages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from protocol.errors import BadInput, TooLarge, TooSlow, UnsupportedMedia
from server import limits
from server.limits import MessageRate, body_pieces, read_body
from tests.fakes.virtual_time import in_virtual_time


def request_of(
    pieces: Sequence[bytes], *, declared: str | None = None, cut: bool = False, encoding: str | None = None
) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    headers = [] if declared is None else [(b"content-length", declared.encode())]
    if encoding is not None:
        headers.append((b"content-encoding", encoding.encode()))
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def test_a_body_up_to_the_limit_is_read() -> None:
    assert await read_body(request_of([b"abc", b"", b"de"]), 5) == b"abcde"
    assert await read_body(request_of([]), 5) == b""


@pytest.mark.parametrize("declared", [None, "3", "nonsense", "-1", "²"])
async def test_one_byte_more_is_too_large_whatever_was_declared(declared: str | None) -> None:
    with pytest.raises(TooLarge):
        await read_body(request_of([b"abc", b"def"], declared=declared), 5)


async def test_a_declared_size_over_the_limit_is_refused_unread() -> None:
    request = request_of([], declared="6")
    with pytest.raises(TooLarge):
        await read_body(request, 5)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate, gzip", "br"])
async def test_a_compressed_body_is_not_taken_for_what_is_in_it(encoding: str) -> None:
    with pytest.raises(UnsupportedMedia, match="Content-Encoding"):
        await read_body(request_of([b"abc"], encoding=encoding), 5)
    assert await read_body(request_of([b"abc"], encoding="identity"), 5) == b"abc"


async def test_a_body_that_is_cut_off_is_bad_input() -> None:
    with pytest.raises(BadInput, match="ended early"):
        await read_body(request_of([b"abc"], cut=True), 5)


@in_virtual_time
async def test_a_small_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_WHOLE_S", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(TooSlow, match="too slowly"):
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 1 << 30)


def request_in_time(pieces: Sequence[tuple[float, bytes]]) -> Request:
    """Each piece so many seconds after the one before was taken."""
    left = list(pieces)

    async def receive() -> Message:
        if not left:
            return {"type": "http.request", "body": b"", "more_body": False}
        wait_s, piece = left.pop(0)
        await asyncio.sleep(wait_s)
        return {"type": "http.request", "body": piece, "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bytes in 0.3 s."""
    monkeypatch.setattr(limits, "BODY_WINDOW_BYTES", 10)
    monkeypatch.setattr(limits, "BODY_WINDOW_S", 0.3)


@pytest.mark.usefixtures("window")
@pytest.mark.parametrize(
    "pieces",
    [
        [(3600.0, b"x")],
        [(0.05, b"x")] * 100,  # never still, and never done
        [(0.0, b"x" * 1000)] + [(0.05, b"x")] * 100,  # what came quickly before buys no time
        [(0.0, b"x" * 10), (3600.0, b"")],
    ],
)
@in_virtual_time
async def test_a_body_that_drips_is_given_up(pieces: Sequence[tuple[float, bytes]]) -> None:
    async with asyncio.timeout(2):
        with pytest.raises(TooSlow):
            await read_body(request_in_time(pieces), 10_000)


@pytest.mark.usefixtures("window")
@in_virtual_time
async def test_a_body_that_keeps_its_pace_may_take_long_and_so_may_its_taker() -> None:
    slow = [(0.1, b"x" * 10)] * 8  # more than twice the window in all
    assert await read_body(request_in_time(slow), 10_000) == b"x" * 80
    assert await read_body(request_in_time([(0.2, b"x"), (0.0, b"y")]), 10_000) == b"xy"
    taken = b""
    async for piece in body_pieces(request_in_time([(0.0, b"x")] * 3), 10_000):
        await asyncio.sleep(0.2)
        taken += piece
    assert taken == b"xxx"


def test_messages_beyond_the_rate_are_read_later_by_just_as_much() -> None:
    rate = MessageRate(100.0, 50)
    assert [rate.taken(1000.0) for _ in range(50)] == [0.0] * 50
    assert rate.taken(1000.0) == pytest.approx(0.01)
    assert rate.taken(1000.0) == pytest.approx(0.02)
    assert rate.taken(1000.52) == 0.0
    now_s = 2000.0
    for _ in range(1000):
        now_s += rate.taken(now_s)
    assert now_s == pytest.approx(2000.0 + (1000 - 50) / 100)
