"""What nobody needs goes, and what somebody may still need stays."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from protocol.errors import NotFound
from protocol.states import ChunkState
from server.blobs import Listed
from server.projects import blob_sweep
from server.projects.blob_sweep import UNUSED_S, BlobSweep
from server.projects.chunk_headers import HEADLESS
from server.projects.chunk_writing import ChunkWriting
from server.services import Services
from server.store.conversation_records import blobs_of
from tests.fakes.node import running_services
from tests.server.projects.test_chunks import begun, uploaded


async def keys(services: Services) -> set[str]:
    return {blob.key for blob in (await services.blobs.listed("conversations")).blobs}


def sweep(services: Services, later_s: float = 0.0) -> BlobSweep:
    return BlobSweep(services.settings, services.store, services.blobs, clock=lambda: time.time() + later_s)


async def never(self: ChunkWriting) -> None:
    """Nothing is written down."""


async def test_what_goes_and_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChunkWriting, "_begin", never)
    async with running_services(tmp_path) as services:
        store = services.store.conversations
        id_ = await begun(services)
        announced, confirmed, settled, headless, deleted = [await uploaded(services, id_, "alpha") for _ in range(5)]
        for chunk in (confirmed, settled, headless):
            await services.chunks.confirm(id_, chunk.id, said_at=None)
        node_id = services.membership.holding.node_id
        await services.store.nodes.hold(id_, node_id)
        await store.settle(settled, ChunkState.TRANSCRIBED, node_id=node_id)
        await store.settle(headless, ChunkState.FAILED, node_id=node_id, error=HEADLESS)
        assert deleted.key is not None
        await services.chunks.delete(id_, deleted.id)
        await services.blobs.put(deleted.key, b"put again")
        probe, strange = f"{blobs_of(id_)}/probe", f"{blobs_of(id_)}/something/else"
        for key in (probe, strange, f"{blobs_of('gone')}/chunks/gone"):
            await services.blobs.put(key, b"x")
        assert await sweep(services, UNUSED_S - 60).sweep() == 0
        assert await sweep(services, UNUSED_S + 60).sweep() == 4
        assert await keys(services) == {announced.key, confirmed.key, headless.key, strange}
        assert await sweep(services, services.settings.conversation_wait_s + 60).sweep() == 2
        assert await keys(services) == {confirmed.key, strange}
        assert await sweep(services, 10 * services.settings.conversation_wait_s).sweep() == 0


async def test_a_participant_who_comes_back_in_the_middle_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChunkWriting, "_begin", never)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        forgotten, wanted = [await uploaded(services, id_, "alpha") for _ in range(2)]
        pages = services.blobs.pages

        async def listed_slowly(prefix: str) -> AsyncIterator[Sequence[Listed]]:
            async for page in pages(prefix):
                yield page
            await services.chunks.confirm(id_, wanted.id, said_at=None)

        monkeypatch.setattr(services.blobs, "pages", listed_slowly)
        assert await sweep(services, services.settings.conversation_wait_s + 60).sweep() == 1
        assert await keys(services) == {wanted.key}
        assert forgotten.key != wanted.key


async def test_of_what_was_destroyed_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChunkWriting, "_begin", never)
    async with running_services(tmp_path) as services:
        binned, destroyed = await begun(services), await begun(services)
        kept, gone = await uploaded(services, binned, "alpha"), await uploaded(services, destroyed, "alpha")
        for chunk in (kept, gone):
            await services.chunks.confirm(chunk.conversation_id, chunk.id, said_at=None)
            await services.removal.delete(chunk.conversation_id)
        await services.removal.destroy(destroyed)
        assert await services.store.conversations.by_ids([kept.id, gone.id]) == [
            await services.store.conversations.chunk(binned, kept.id)
        ]
        assert await sweep(services, UNUSED_S + 60).sweep() == 1
        assert await keys(services) == {kept.key}


async def test_a_round_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_sweep, "LOOKED_UP_AT_ONCE", 2)
    async with running_services(tmp_path) as services:
        for at in range(7):
            await services.blobs.put(f"{blobs_of('gone')}/chunks/{at}", b"x")
        assert await sweep(services, UNUSED_S + 60).sweep() == 7
        with pytest.raises(NotFound):
            await services.blobs.get(f"{blobs_of('gone')}/chunks/0")


async def test_a_conversation_that_comes_out_of_the_bin_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        with monkeypatch.context() as patched:
            patched.setattr(ChunkWriting, "_begin", never)
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            confirmed = await services.store.conversations.chunk(id_, chunk.id)
            await services.removal.delete(id_)
        assert await services.store.conversations.waiting(without=(), limit=9) == []
        await services.chunks.writing._write_down(confirmed)  # its turn had come right before
        await services.removal.restore(id_)
        assert (await services.store.conversations.chunk(id_, chunk.id)).state is ChunkState.CONFIRMED
        assert [each.id for each in await services.store.conversations.waiting(without=(), limit=9)] == [chunk.id]
