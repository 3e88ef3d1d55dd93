"""A language model's server that checks what it is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.language_model import LanguageModelServer, running_language_model


@pytest.fixture
async def server() -> AsyncIterator[LanguageModelServer]:
    async with running_language_model() as running:
        yield running
    assert running.wrong == []
