"""The sentences of stored transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.summaries import said as said_module
from server.summaries.said import said_in
from tests.fakes.node import running_services
from tests.server.projects.test_chunks import begun


async def test_one_of_thousands_of_sentences_is_read_to_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said_module, "SENTENCES_MAX", 5)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        for at in range(4):
            await services.chunks.typed(id_, f"One {at}. Two {at}.", said_at=None, source="PORTAL_TEXT")
        assert [each.text for each in await said_in(services.store, id_)] == [
            *("One 0.", "Two 0.", "One 1.", "Two 1.", "One 2.")
        ]
