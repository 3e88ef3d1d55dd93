"""A meeting of a running node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.node import running_services
from tests.server.bots.meetings import Meeting


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[Meeting]:
    async with running_services(tmp_path) as services:
        yield Meeting(services, (await services.store.create_transcript()).id)
