"""Bodies have a limit that counts bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.types import Message

from protocol.errors import BadInput, TooLarge
from server import limits
from server.limits import read_body


def request_of(pieces: Sequence[bytes], *, declared: str | None = None, cut: bool = False) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return messages.pop(0)

    headers = [] if declared is None else [(b"content-length", declared.encode())]
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


async def test_a_body_that_is_cut_off_is_bad_input() -> None:
    with pytest.raises(BadInput, match="ended early"):
        await read_body(request_of([b"abc"], cut=True), 5)


async def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_WHOLE_S", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(BadInput, match="too slowly"):
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 1 << 30)
