"""A node behind its doors that asks a language model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.language_model import KEY, LanguageModelServer, running_language_model
from tests.fakes.running_app import RunningApp, running_app
from tests.server.language_models.asking import generators_closed


@pytest.fixture
async def model_server() -> AsyncIterator[LanguageModelServer]:
    async with running_language_model() as running:
        yield running
    assert running.wrong == []


@pytest.fixture
async def node(tmp_path: Path, model_server: LanguageModelServer) -> AsyncIterator[RunningApp]:
    options = {"llm_base_url": model_server.url, "llm_api_key": KEY, "llm_deadline_s": 20, "llm_context_tokens": 2048}
    async with running_app(tmp_path / "data", **options) as running:
        yield running
    await generators_closed()
