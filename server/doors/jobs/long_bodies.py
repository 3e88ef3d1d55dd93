"""Long bodies are read a few at a time: a transcript takes many times its size while it is, and all threads' time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from server.doors.access import services_of

LONG_BYTES = 256 << 10  # shorter ones take some hundredths of a second


@asynccontextmanager
async def being_read(request: Request, data: bytes) -> AsyncIterator[None]:
    """Around the reading of ``data``. Raises ``LanguageModelUnavailable`` where too many wait for that already."""
    if len(data) < LONG_BYTES:
        yield
        return
    turns = services_of(request).language_models.long_bodies
    with turns.waited_for():
        async with turns.one():
            yield
