"""Chunks that continue a header sent earlier are heard, in whatever order they come; without it they say so."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from protocol.states import ChunkState
from server.projects.chunk_headers import HEADLESS
from server.services import Services
from server.store.conversation_records import Chunk
from tests.fakes.node import running_services
from tests.fakes.recorder_pieces import Kind, cut, streamed
from tests.fakes.scripted_sound import sentence
from tests.server.projects.test_chunk_removal import a_moment
from tests.server.projects.test_chunks import begun, ended

WORDS = [*sentence("alpha bravo", 0.4), *sentence("river papa", 3.4), *sentence("never window", 6.4)]
BEFORE_S = 600.0


def pieces(kind: Kind) -> list[bytes]:
    """Three of about one length in bytes."""
    return cut(kind, streamed(kind, WORDS, length_s=9.0), 3)


async def sent(services: Services, id_: str, data: bytes, at: int) -> Chunk:
    """As the piece ``at`` of its recording, confirmed."""
    chunk, _ = await services.chunks.announce(id_, filename="a", content_type="audio/webm", source="PORTAL_AUDIO")
    assert chunk.key is not None
    await services.blobs.put(chunk.key, data)
    began = (await services.store.conversations.get(id_)).created_at - BEFORE_S
    return await services.chunks.confirm(id_, chunk.id, said_at=began + 30.0 * at)


async def said_in(services: Services, id_: str) -> list[str]:
    """By chunk, in the order of what was said."""
    tracks = [chunk.track_id for chunk in await services.store.conversations.chunks_of(id_)]
    found = dict.fromkeys(tracks, "")
    for stored in await services.store.segments_of(id_, offset=0, limit=100):
        found[stored.segment.track] += f" {stored.segment.text}"
    return [found[track].strip() for track in tracks]


async def states(services: Services, id_: str) -> list[ChunkState]:
    return [chunk.state for chunk in await services.store.conversations.chunks_of(id_)]


async def until_quiet(services: Services) -> None:
    """Until whatever can be written down is."""
    async with asyncio.timeout(30):
        while services.chunks.writing.busy or any(
            chunk.next_try_at is None for chunk in await services.store.conversations.waiting(without=(), limit=100)
        ):
            await a_moment(services)


@pytest.mark.parametrize(
    ("kind", "order"), [("webm", (0, 1, 2)), ("ogg", (0, 2, 1)), ("mp4", (2, 1, 0)), ("webm", (1, 0, 2))]
)
async def test_pieces_of_one_stream_in_any_order(tmp_path: Path, kind: Kind, order: tuple[int, ...]) -> None:
    made = pieces(kind)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        for at in order:
            await sent(services, id_, made[at], at)
            await until_quiet(services)
        await services.chunks.finish(id_, expected_chunks=3)
        await ended(services, id_)
        assert await states(services, id_) == [ChunkState.TRANSCRIBED] * 3
        heard = " ".join(await said_in(services, id_)).split()
        assert (heard[0], heard[-1]) == ("alpha", "window")  # a word that lies where it is cut may be another
        assert len(await services.store.tracks_of(id_)) == 3


async def test_two_recordings_one_after_the_other(tmp_path: Path) -> None:
    """As when the page was loaded again: each piece follows the nearest beginning before it."""
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        for at, data in enumerate([*pieces("ogg"), *pieces("mp4")]):
            await sent(services, id_, data, at)
        await services.chunks.finish(id_)
        await ended(services, id_)
        assert await states(services, id_) == [ChunkState.TRANSCRIBED] * 6


async def test_a_beginning_that_never_comes_is_not_waited_for_without_end(tmp_path: Path) -> None:
    made = pieces("webm")
    async with running_services(tmp_path) as services:
        chunks, store = services.chunks, services.store.conversations
        id_ = await begun(services)
        late = await sent(services, id_, made[1], 1)
        await chunks.finish(id_)
        await until_quiet(services)
        assert await states(services, id_) == [ChunkState.CONFIRMED]
        assert (await store.get(id_)).closed_at is None
        chunks.writing.clock = lambda: time.time() + services.settings.conversation_idle_s + 1
        await store.hurry(id_, HEADLESS)  # as if its time had come
        chunks.writing.wake()
        await until_quiet(services)  # tried once more
        found = await store.chunk(id_, late.id)
        assert (found.state, found.error) == (ChunkState.FAILED, HEADLESS)
        assert await ended(services, id_) == ""
        chunks.writing.clock = time.time

        await sent(services, id_, made[0], 0)  # and then it does
        await until_quiet(services)
        assert await states(services, id_) == [ChunkState.TRANSCRIBED] * 2
        assert [said.split()[0] for said in await said_in(services, id_)] == ["alpha", "river"]


async def nothing(*_: str) -> None:
    pass


async def test_a_beginning_that_came_unnoticed_is_found_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pieces("webm")
    async with running_services(tmp_path) as services:
        chunks, store = services.chunks, services.store.conversations
        hurry = store.hurry
        id_ = await begun(services)
        await sent(services, id_, made[1], 1)
        await until_quiet(services)
        with monkeypatch.context() as unnoticed:
            unnoticed.setattr(store, "hurry", nothing)
            await sent(services, id_, made[0], 0)
            await until_quiet(services)
        assert sorted(await states(services, id_)) == [ChunkState.CONFIRMED, ChunkState.TRANSCRIBED]
        chunks.writing.clock = lambda: time.time() + services.settings.conversation_idle_s + 1
        await hurry(id_, HEADLESS)  # as if its time had come
        chunks.writing.wake()
        await until_quiet(services)
        assert await states(services, id_) == [ChunkState.TRANSCRIBED] * 2


async def test_a_piece_waits_across_a_restart(tmp_path: Path) -> None:
    made = pieces("mp4")
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        await sent(services, id_, made[1], 1)
        await until_quiet(services)
    async with running_services(tmp_path) as services:
        await sent(services, id_, made[0], 0)
        await services.chunks.finish(id_)
        await ended(services, id_)
        assert await states(services, id_) == [ChunkState.TRANSCRIBED] * 2


async def test_what_is_of_another_kind_leads_nothing(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        await sent(services, id_, pieces("ogg")[0], 0)
        await sent(services, id_, pieces("webm")[1], 1)
        await until_quiet(services)
        assert await states(services, id_) == [ChunkState.TRANSCRIBED, ChunkState.CONFIRMED]
        (waiting,) = await services.store.conversations.waiting(without=(), limit=9)
        assert (waiting.error, waiting.attempts) == (HEADLESS, 0)
        assert waiting.next_try_at is not None
