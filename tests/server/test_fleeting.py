"""Nothing is left of what was there for the moment only, not even by a crash; and all of it, where that is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import NotFound
from server.services import Services
from tests.fakes.node import node_settings, running_services


async def test_what_is_over_is_gone_and_what_a_crash_left_goes_at_the_next_start(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        over, left, other = [(await services.store.create_transcript()).id for _ in range(3)]
        await services.fleeting.began(over)
        await services.fleeting.began(left)
        services.fleeting.over(over)
        await services.fleeting.stop()
        with pytest.raises(NotFound):
            await services.store.get_transcript(over)
        [markers] = (tmp_path / "nodes").glob("*.fleeting")
        assert [each.name for each in markers.iterdir()] == [left]
        # Another node of the same folder lets those be that somebody may wait for.
        async with running_services(tmp_path):
            assert (await services.store.get_transcript(left)).id == left
    again = await Services.start(node_settings(tmp_path))
    try:
        with pytest.raises(NotFound):
            await again.store.get_transcript(left)
        assert (await again.store.get_transcript(other)).id == other
        assert not list(markers.iterdir())
    finally:
        await again.stop()


async def test_what_did_not_begin_so_stays(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        kept = (await services.store.create_transcript()).id
        services.fleeting.over(kept)
        await services.fleeting.stop()
        assert (await services.store.get_transcript(kept)).id == kept


async def test_what_never_came_to_anything_leaves_no_marker(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        made = (await services.store.create_transcript()).id
        await services.fleeting.began(made)
        await services.fleeting.discard(made)
        with pytest.raises(NotFound):
            await services.store.get_transcript(made)
        [markers] = (tmp_path / "nodes").glob("*.fleeting")
        assert not services.fleeting.ids
        assert not list(markers.iterdir())
