"""Limits of sizes at the doors: nothing that a stranger sends is kept without a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from protocol.errors import BadInput, TooLarge

JSON_MAX_BYTES = 64 * 1024  # our largest JSON body is a PATCH with a summary
BODY_WHOLE_S = 60.0  # a body that is read as one, which is a small one
BODY_IDLE_S = 30.0  # a body that brings nothing for so long is given up: no slow-loris holds a task for ever


def too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body may hold {max_bytes} bytes", details={"max_bytes": max_bytes})


async def body_pieces(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises ``TooLarge`` at one byte too many, ``BadInput`` when it stops."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > max_bytes:
        raise too_large(max_bytes)
    count_bytes = 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(BODY_IDLE_S):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except (ClientDisconnect, TimeoutError):
            raise BadInput("the body ended early", details={"received_bytes": count_bytes}) from None
        count_bytes += len(piece)
        if count_bytes > max_bytes:
            raise too_large(max_bytes)
        if piece:
            yield piece


async def read_body(request: Request, max_bytes: int = JSON_MAX_BYTES) -> bytes:
    """The whole body, at most ``max_bytes`` of it and within ``BODY_WHOLE_S``. Raises as ``body_pieces``."""
    try:
        async with asyncio.timeout(BODY_WHOLE_S):
            return b"".join([piece async for piece in body_pieces(request, max_bytes)])
    except TimeoutError:
        raise BadInput("the body came too slowly", details={"deadline_s": BODY_WHOLE_S}) from None
