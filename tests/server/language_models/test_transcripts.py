"""Transcripts of the store, as lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import NotFound
from protocol.ids import new_transcript_id
from server.language_models.transcripts import stored_lines
from tests.fakes.node import running_services
from tests.server.projects.test_chunks import begun


async def test_what_was_said_in_order(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        for text in ("The roof leaks.", "We had soup."):
            await services.chunks.typed(id_, text, said_at=None, source="PORTAL_TEXT")
        found = await stored_lines(services.store, id_)
        assert [line.text for line in found] == ["The roof leaks.", "We had soup."]
        assert [line.number for line in found] == [1, 2]
        assert found[0].start_samples == 0
        with pytest.raises(NotFound):
            await stored_lines(services.store, new_transcript_id())
