"""Waiting for what tells nobody when it happens: on a disk, in another process, when the operating system likes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_S = 90.0
LOOK_S = 0.01


async def until(is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Look again and again, and let others run in between."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = is_so()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(LOOK_S)
