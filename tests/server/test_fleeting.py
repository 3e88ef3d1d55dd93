"""Nothing is left of what was there for the moment only, not even by a crash; and all of it, where that is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import Conflict, NotFound
from server.services import Services
from tests.fakes.node import node_settings, running_services


async def made(services: Services) -> str:
    async with services.fleeting.beginning() as id_:
        return (await services.store.create_transcript(transcript_id=id_)).id


async def test_what_is_over_is_gone_and_what_a_crash_left_goes_at_the_next_start(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        over, left, other = await made(services), await made(services), (await services.store.create_transcript()).id
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


async def comes_to_nothing(services: Services, tmp_path: Path) -> None:
    async with services.fleeting.beginning() as id_:
        [markers] = (tmp_path / "nodes").glob("*.fleeting")
        assert [each.name for each in markers.iterdir()] == [id_]  # before it is made
        await services.store.create_transcript(transcript_id=id_)
        raise Conflict("the rest", details={"id": id_})


async def test_what_comes_to_nothing_leaves_no_marker_that_it_had_before_it_was_made(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        with pytest.raises(Conflict) as failed:
            await comes_to_nothing(services, tmp_path)
        id_ = failed.value.details["id"]
        [markers] = (tmp_path / "nodes").glob("*.fleeting")
        with pytest.raises(NotFound):
            await services.store.get_transcript(id_)
        assert not services.fleeting.ids
        assert not list(markers.iterdir())
        async with services.fleeting.beginning(kept=True) as kept:
            assert not list(markers.iterdir())
        services.fleeting.over(kept)
        # A crash before it was made leaves a marker of nothing.
        (markers / kept).touch()
        await services.fleeting.load()
        assert not list(markers.iterdir())
