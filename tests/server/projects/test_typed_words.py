"""Words that were typed stand in the transcript once, however often they are sent, and none is taken for another."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import Conflict, StoreUnavailable
from protocol.events import Transcribed
from protocol.states import ChunkState, TranscriptState
from server.journal import Journal
from server.projects.typed_words import KEY_FILE
from server.services import Services
from server.store.conversation_records import Chunk
from server.store.conversation_store import ConversationStore
from server.store.records import Track
from server.store.store import Store
from tests.fakes.node import events_of, running_services, wait_for_state


async def begun(services: Services, *, redacts: bool = False) -> str:
    project = await services.store.projects.create(
        name="Talks",
        owner=None,
        language="en",
        is_open=True,
        portal={"redacts": redacts},
        tags_max=9,
        projects_max=100_000,
    )
    conversations = services.store.conversations
    return (await conversations.begin(project.id, name="Anna", email=None, tags=(), source="PORTAL_TEXT")).id


async def typed(services: Services, conversation_id: str, text: str, said_at: float | None) -> Chunk:
    return await services.chunks.typed(conversation_id, text, said_at=said_at, source="PORTAL_TEXT")


async def told(services: Services, conversation_id: str) -> list[str]:
    events = await events_of(services, conversation_id)
    return [each.body.segment.text for each in events if isinstance(each.body, Transcribed)]


async def test_words_that_are_sent_twice_at_once_stand_there_once(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        fast_s = time.time() + 3000  # whose clock is fast by fifty minutes
        sent = [services.chunks.typed(id_, "more trees", said_at=fast_s, source="PORTAL_TEXT") for _ in range(4)]
        assert len({chunk.id for chunk in await asyncio.gather(*sent)}) == 1
        later = await services.chunks.typed(id_, "and benches", said_at=fast_s + 20, source="PORTAL_TEXT")
        before = await services.chunks.typed(id_, "hello", said_at=fast_s - 20, source="PORTAL_TEXT")
        assert (before.said_at, later.said_at) == (fast_s - 20, fast_s + 20)
        assert len(await services.store.conversations.chunks_of(id_)) == 3


async def test_texts_that_differ_only_in_what_is_taken_out_are_both_there(tmp_path: Path) -> None:
    now_s = time.time()
    async with running_services(tmp_path) as services:
        id_ = await begun(services, redacts=True)
        first = await typed(services, id_, "Write to anna@example.org", now_s)
        other = await typed(services, id_, "Write to bert@example.org", now_s)
        assert (await typed(services, id_, "Write to anna@example.org", now_s)).id == first.id
        assert other.id != first.id
        assert await told(services, id_) == ["Write to <redacted_email>"] * 2
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"anna@example.org" not in kept
    async with running_services(tmp_path) as services:  # with the key that was made at first
        assert (await typed(services, id_, "Write to bert@example.org", now_s)).id == other.id
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0


async def test_those_of_one_moment_stand_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        wanted = [f"number {at}" for at in range(8)]
        for text in wanted:
            await typed(services, id_, text, 1_767_000_000.0)
        found = await services.store.segments_of(id_, offset=0, limit=9)
        assert [each.segment.text for each in found] == wanted
        assert [each.text for each in await services.store.conversations.chunks_of(id_)] == wanted


async def test_the_same_words_again_are_others_where_no_moment_tells_them_apart(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        for said_at in (None, None, 1000.0, 2000.0):
            await typed(services, id_, "yes", said_at)
        assert len(await services.store.conversations.chunks_of(id_)) == 4
        other = await begun(services)
        await typed(services, other, "yes", 1000.0)
        assert await told(services, other) == ["yes"]


async def test_one_that_is_deleted_while_it_is_taken_leaves_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun_to, goes_on = asyncio.Event(), asyncio.Event()
    create_track = Store.create_track

    async def slowly(self: Store, *args: Any, **how: Any) -> Track:
        begun_to.set()
        await goes_on.wait()
        return await create_track(self, *args, **how)

    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        monkeypatch.setattr(Store, "create_track", slowly)
        taking = asyncio.create_task(typed(services, id_, "quite secretive", None))
        await begun_to.wait()
        (chunk,) = await services.store.conversations.chunks_of(id_)
        deleting = asyncio.create_task(services.chunks.delete(id_, chunk.id))
        await asyncio.wait([deleting], timeout=0.05)  # as far as it comes
        goes_on.set()
        await asyncio.gather(taking, deleting)
        assert "secretive" not in str(await events_of(services, id_))
        assert await services.store.tracks_of(id_) == []


async def test_what_is_refused_is_not_kept(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        await services.store.update_transcript(id_, locked=True)
        with pytest.raises(Conflict, match="locked"):
            await typed(services, id_, "more trees", None)
        assert await services.store.conversations.chunks_of(id_) == []


async def test_deleted_ones_leave_nothing_that_they_could_be_known_by(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await typed(services, id_, "quite secretive", time.time())
        assert chunk.sha256 is not None
        await services.chunks.delete(id_, chunk.id)
        (left,) = await services.store.conversations.by_ids([chunk.id])
        assert (left.text, left.sha256) == (None, None)


@pytest.mark.parametrize(
    ("where", "step"),
    [
        (Store, "create_track"),
        (Journal, "append"),
        (ConversationStore, "confirm"),
    ],
)
async def test_what_was_not_answered_is_sent_again_and_stands_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: type, step: str
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("as if the server had died right then")

    now_s = time.time()
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        with monkeypatch.context() as patched:
            patched.setattr(where, step, fail)
            with pytest.raises(StoreUnavailable):
                await typed(services, id_, "more trees", now_s)
    async with running_services(tmp_path) as services:
        chunk = await typed(services, id_, "more trees", now_s)
        assert chunk.state is ChunkState.TRANSCRIBED
        assert [each.id for each in await services.store.conversations.chunks_of(id_)] == [chunk.id]
        assert await told(services, id_) == ["more trees"]
        assert [each.id for each in await services.store.tracks_of(id_)] == [chunk.track_id]
        await services.chunks.finish(id_)
        await wait_for_state(services, id_, TranscriptState.ENDED)
