"""A node behind its doors, in process. Stopped after each test; the inference process is the scripted one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.services import Services
from server.settings import Settings
from tests.fakes.node import node_settings
from tests.fakes.running_app import in_process
from tests.server.databases import lay_sqlite_file


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return node_settings(tmp_path)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    lay_sqlite_file(settings.data_dir / "earshot.db")
    started = await Services.start(settings)
    yield started
    await started.stop()


@pytest.fixture
async def client(settings: Settings, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with in_process(settings, services) as client:
        yield client
