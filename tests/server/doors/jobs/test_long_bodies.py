"""Long bodies are read a few at a time, and nobody who sends a short one waits for them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from server.doors.jobs.long_bodies import LONG_BYTES
from server.language_models.language_models import LONG_BODIES, LONG_BODIES_WAITING
from server.services import Services
from tests.fakes.waiting import until
from tests.server.doors.jobs.test_chat import ASKED

LONG: dict[str, Any] = ASKED | {"full_text": "The soup is cold. " * (LONG_BYTES // 18 + 1)}


@pytest.mark.parametrize("door", ["/api/chat", "/api/summary"])
async def test_they_wait_for_their_turn(client: httpx.AsyncClient, services: Services, door: str) -> None:
    turns = services.language_models.long_bodies
    async with turns.one(), turns.one():
        long = asyncio.create_task(client.post(door, json=LONG))
        await until(lambda: turns.people == 1)
        assert (await client.post(door, json=ASKED)).status_code == 200
        assert not long.done()
    assert (await long).status_code == 200
    assert turns.people == 0


@pytest.mark.parametrize("door", ["/api/chat", "/api/summary"])
async def test_too_many_are_told_to_come_again(client: httpx.AsyncClient, services: Services, door: str) -> None:
    turns = services.language_models.long_bodies
    with ExitStack() as others:
        for _ in range(LONG_BODIES + LONG_BODIES_WAITING):
            others.enter_context(turns.waited_for())
        refused = await client.post(door, json=LONG)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert (await client.post(door, json=ASKED)).status_code == 200
    assert (await client.post(door, json=LONG)).status_code == 200
