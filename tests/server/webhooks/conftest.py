"""A sender on each kind of database, and a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.receiver import Receiver
from tests.server.webhooks.sending import Clock, Node, a_node


@pytest.fixture
async def node(database_url: str) -> AsyncIterator[Node]:
    async with a_node(database_url, Clock()) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as running:
        yield running
