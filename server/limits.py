"""Limits of sizes and paces at the doors: nothing that a stranger sends is kept, or waited for, without a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from protocol.errors import BadInput, TooLarge, TooSlow, UnsupportedMedia

JSON_MAX_BYTES = 64 * 1024  # our largest JSON body is a PATCH with a summary
BODY_WHOLE_S = 60.0  # a body that is read as one, which is a small one
# Of a body so many bytes must come, or its end, within so long: half a KiB a second, over half a minute. The worst of
# telephone lines brings more, and a train may pass through a tunnel; a slow-loris holds nothing for long.
BODY_WINDOW_BYTES = 16 * 1024
BODY_WINDOW_S = 30.0


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"this is too large: at most {_size(max_bytes)} are taken", details={"max_bytes": max_bytes})


def _size(count_bytes: int) -> str:
    """As people say it, and settings: a MB is 2^20 bytes."""
    for unit, unit_bytes in (("MB", 1 << 20), ("kB", 1 << 10)):
        if count_bytes >= unit_bytes:
            return f"{round(count_bytes / unit_bytes, 1):g} {unit}"
    return f"{count_bytes} bytes"


def too_slow(received_bytes: int) -> TooSlow:
    return TooSlow(
        f"the body came too slowly: {BODY_WINDOW_BYTES} bytes in {BODY_WINDOW_S:g} s, or its end, are waited for",
        details={"received_bytes": received_bytes},
    )


async def body_pieces(request: Request, max_bytes: int, *, around_bytes: int = 0) -> AsyncIterator[bytes]:
    """The body as it comes: at most ``max_bytes``, and ``around_bytes`` of a form around them, of which nobody is told.

    Raises ``TooLarge`` at one byte too many, ``TooSlow`` when less than ``BODY_WINDOW_BYTES`` came within
    ``BODY_WINDOW_S`` of waiting for them, ``BadInput`` when the client is gone, ``UnsupportedMedia`` when it is
    compressed. Time that the taker needs between two
    pieces is not counted.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("send the body as it is, without Content-Encoding")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes + around_bytes:
        raise too_large(max_bytes)
    count_bytes = window_bytes = 0
    left_s = BODY_WINDOW_S
    loop = asyncio.get_running_loop()
    stream = request.stream()
    while True:
        began_s = loop.time()
        try:
            async with asyncio.timeout(left_s):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except ClientDisconnect:
            raise BadInput("the body ended early", details={"received_bytes": count_bytes}) from None
        except TimeoutError:
            raise too_slow(count_bytes) from None
        left_s -= loop.time() - began_s
        count_bytes += len(piece)
        window_bytes += len(piece)
        if count_bytes > max_bytes + around_bytes:
            raise too_large(max_bytes)
        if window_bytes >= BODY_WINDOW_BYTES:
            window_bytes, left_s = 0, BODY_WINDOW_S
        if piece:
            yield piece


async def read_body(request: Request, max_bytes: int = JSON_MAX_BYTES) -> bytes:
    """The whole body, at most ``max_bytes`` of it and within ``BODY_WHOLE_S``. Raises as ``body_pieces``."""
    try:
        async with asyncio.timeout(BODY_WHOLE_S):
            return b"".join([piece async for piece in body_pieces(request, max_bytes)])
    except TimeoutError:
        raise TooSlow(
            f"the body came too slowly: it must be here within {BODY_WHOLE_S:g} s",
            details={"deadline_s": BODY_WHOLE_S},
        ) from None


class MessageRate:
    """How long to wait before the next message is read, so that no sender keeps the loop to itself.

    ``per_s`` messages a second, and ``burst`` of them at once; more are read later, and none is lost.
    """

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval_s = 1.0 / per_s
        self._ahead_s = burst / per_s
        self._due_s = 0.0

    def taken(self, now_s: float) -> float:
        """One message was taken at ``now_s``; so many seconds to wait."""
        self._due_s = max(self._due_s, now_s) + self._interval_s
        return max(0.0, self._due_s - now_s - self._ahead_s)
