"""Chunks are written down once, whatever happens between any two steps; and conversations come to their end."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

import pytest

from protocol.errors import BadInput, Conflict, Draining, NotFound
from protocol.states import ChunkState, TranscriptState
from server import intake
from server.projects import chunk_writing
from server.projects import chunks as chunks_module
from server.projects.chunk_bytes import CHANGED
from server.projects.chunk_writing import UNFORESEEN, ChunkWriting
from server.services import Services
from server.store.conversation_records import ATTEMPTS_MAX, Chunk, Conversation
from server.store.conversation_store import ConversationStore
from tests.fakes.node import running_services, texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of


async def begun(services: Services) -> str:
    project = await services.store.projects.create(
        name="Talks", owner=None, language="en", is_open=True, portal={}, tags_max=9, projects_max=100_000
    )
    conversations = services.store.conversations
    return (await conversations.begin(project.id, name="Anna", email=None, tags=(), source="PORTAL_AUDIO")).id


async def uploaded(services: Services, conversation_id: str, said: str) -> Chunk:
    chunk, _ = await services.chunks.announce(
        conversation_id, filename="a.wav", content_type="audio/wav", source="PORTAL_AUDIO"
    )
    assert chunk.key is not None
    await services.blobs.put(chunk.key, wav_of(scripted_sound(sentence(said, 0.3))))
    return chunk


async def ended(services: Services, conversation_id: str) -> str:
    """All that was said, when the conversation is at its end."""
    await wait_for_state(services, conversation_id, TranscriptState.ENDED)
    return texts(await words_of(services, conversation_id))


async def test_a_crash_after_the_confirmation_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: ChunkWriting) -> None:
        """As if the server had died before it came to that."""

    with monkeypatch.context() as patched:
        patched.setattr(ChunkWriting, "_begin", never)
        async with running_services(tmp_path) as services:
            id_ = await begun(services)
            chunk = await uploaded(services, id_, "alpha bravo")
            assert (await services.chunks.confirm(id_, chunk.id, said_at=None)).state is ChunkState.CONFIRMED
            await services.chunks.finish(id_)
    async with running_services(tmp_path) as services:
        assert await ended(services, id_) == "alpha bravo"
        assert [each.state for each in await services.store.conversations.chunks_of(id_)] == [ChunkState.TRANSCRIBED]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("as_long", [True, False])
async def test_what_was_confirmed_cannot_become_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, as_long: bool
) -> None:
    async def never(self: ChunkWriting) -> None:
        """Its turn has not come."""

    said, other = (wav_of(scripted_sound(sentence(words, 0.3))) for words in ("alpha bravo", "papa river"))
    replaced = other[: len(said)].ljust(len(said), b"\0") if as_long else other + b"more"
    with monkeypatch.context() as patched:
        patched.setattr(ChunkWriting, "_begin", never)
        async with running_services(tmp_path) as services:
            id_ = await begun(services)
            chunk, _ = await services.chunks.announce(
                id_,
                filename="a.wav",
                content_type="audio/wav",
                source="PORTAL_AUDIO",
                sha256=hashlib.sha256(said).hexdigest() if known else None,
            )
            assert chunk.key is not None
            await services.blobs.put(chunk.key, said)
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            await services.blobs.put(chunk.key, replaced)
            await services.chunks.finish(id_)
    async with running_services(tmp_path) as services:
        assert await ended(services, id_) == ""
        (lost,) = await services.store.conversations.chunks_of(id_)
        assert lost.error == CHANGED
        with pytest.raises(BadInput, match="not the bytes" if as_long else "not as many"):
            await services.chunks.confirm(id_, lost.id, said_at=None)
        assert lost.key is not None
        await services.blobs.put(lost.key, said)
        again = await services.chunks.confirm(id_, lost.id, said_at=time.time() + 60)
        assert (again.state, again.said_at, again.error) == (ChunkState.CONFIRMED, lost.said_at, None)
        async with asyncio.timeout(30):
            while (await services.store.conversations.chunk(id_, lost.id)).state is ChunkState.CONFIRMED:
                busy = list(services.chunks.writing.busy.values())
                await (asyncio.wait(busy, timeout=0.1) if busy else asyncio.sleep(0))
        assert await ended(services, id_) == "alpha bravo"


async def test_what_was_confirmed_takes_no_other_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: ChunkWriting) -> None:
        """Its turn has not come."""

    async def put(services: Services, key: str, data: bytes) -> None:
        path = tmp_path / "put"
        path.write_bytes(data)
        await services.chunks.put(key, path, sha256=hashlib.sha256(data).hexdigest())

    said = wav_of(scripted_sound(sentence("alpha bravo", 0.3)))
    with monkeypatch.context() as patched:
        patched.setattr(ChunkWriting, "_begin", never)
        async with running_services(tmp_path) as services:
            id_ = await begun(services)
            chunk, _ = await services.chunks.announce(
                id_, filename="a.wav", content_type="audio/wav", source="PORTAL_AUDIO"
            )
            assert chunk.key is not None
            for data in (b"not that", said):
                await put(services, chunk.key, data)
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            await put(services, chunk.key, said)  # by whom it was not answered
            for other in (said + b"more", said[:-2] + b"ok"):
                with pytest.raises(Conflict, match="other bytes"):
                    await put(services, chunk.key, other)
            await services.chunks.finish(id_)
    async with running_services(tmp_path) as services:
        assert await ended(services, id_) == "alpha bravo"
        with pytest.raises(Conflict, match="other bytes"):
            await put(services, chunk.key, said + b"more")
        await put(services, chunk.key, said)
        with pytest.raises(NotFound):
            await services.blobs.size_bytes(chunk.key)
        await put(services, f"conversations/{id_}/probe", b"probe")


async def test_a_deleted_chunk_takes_no_bytes(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        assert chunk.key is not None
        await services.chunks.delete(id_, chunk.id)
        path = tmp_path / "put"
        path.write_bytes(b"late")
        with pytest.raises(Conflict, match="was deleted"):
            await services.chunks.put(chunk.key, path, sha256=hashlib.sha256(b"late").hexdigest())


async def test_a_crash_while_it_is_heard_writes_no_word_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut(self: ChunkWriting, chunk: Chunk, node_id: str) -> None:
        await hear(self, chunk, node_id)
        raise Draining("as if the server had died right after")

    hear = ChunkWriting._hear
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        with monkeypatch.context() as patched:
            patched.setattr(ChunkWriting, "_hear", cut)
            chunk = await uploaded(services, id_, "alpha bravo")
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            async with asyncio.timeout(30):
                while not await words_of(services, id_):
                    busy = list(services.chunks.writing.busy.values())
                    await (asyncio.wait(busy, timeout=0.1) if busy else asyncio.sleep(0))
            await services.chunks.stop()
        assert (await services.store.conversations.chunk(id_, chunk.id)).state is ChunkState.CONFIRMED
        await services.store.conversations.finish(id_, by="participant")
    async with running_services(tmp_path) as services:
        assert await ended(services, id_) == "alpha bravo"
        assert len(await services.store.tracks_of(id_)) == 1


async def test_that_its_node_is_no_more_is_no_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(self: ChunkWriting, chunk: Chunk, node_id: str) -> None:
        raise Draining("found to be gone")

    async def never(self: ChunkWriting) -> None:
        """Its turn does not come by itself."""

    monkeypatch.setattr(ChunkWriting, "_hear", gone)
    monkeypatch.setattr(ChunkWriting, "_begin", never)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha bravo")
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        node_id = services.membership.holding.node_id
        [claimed] = await services.store.conversations.claim(node_id, without=(), limit=1)
        await services.chunks.writing._write_down(claimed)
        found = await services.store.conversations.chunk(id_, chunk.id)
        assert (claimed.attempts, found.state, found.attempts) == (1, ChunkState.CONFIRMED, 0)


async def test_a_crash_right_before_the_bytes_are_taken_over_loses_no_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path, kept: Path) -> None:
        raise Draining("as if the server had died")

    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        with monkeypatch.context() as patched:
            patched.setattr(intake, "_move", die)
            chunk = await uploaded(services, id_, "alpha bravo")
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            async with asyncio.timeout(30):
                while not await services.store.tracks_of(id_):
                    busy = list(services.chunks.writing.busy.values())
                    await (asyncio.wait(busy, timeout=0.1) if busy else asyncio.sleep(0))
            await services.chunks.stop()
    async with running_services(tmp_path) as services:
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha bravo"
        assert len(await services.store.tracks_of(id_)) == 1


async def test_an_idle_conversation_is_finished_and_a_late_chunk_opens_it_again(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        store, chunks = services.store.conversations, services.chunks
        id_ = await begun(services)
        first = await uploaded(services, id_, "alpha")
        await chunks.confirm(id_, first.id, said_at=None)
        await chunks._tend()
        assert (await store.get(id_)).finished_at is None  # somebody may go on
        chunks._clock = lambda: time.time() + services.settings.conversation_idle_s + 1
        await chunks._tend()
        chunks._clock = time.time
        assert await ended(services, id_) == "alpha"
        assert (await store.get(id_)).finished_by == "idle"

        late = await uploaded(services, id_, "bravo")
        await chunks.confirm(id_, late.id, said_at=None)
        again = await store.get(id_)
        assert (again.finished_at, again.closed_at) == (None, None)
        await chunks.finish(id_)
        async with asyncio.timeout(30):
            while (await store.get(id_)).closed_at is None:
                busy = list(chunks.writing.busy.values())
                await (asyncio.wait(busy, timeout=0.1) if busy else asyncio.sleep(0))
        assert texts(await words_of(services, id_)) == "alpha bravo"


async def test_a_chunk_costs_the_same_however_many_conversations_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unclosed, looks = ConversationStore.unclosed, 0

    async def counted(self: ConversationStore) -> list[Conversation]:
        nonlocal looks
        looks += 1
        return await unclosed(self)

    monkeypatch.setattr(chunks_module, "LOOK_S", 3600.0)
    async with running_services(tmp_path) as services:
        monkeypatch.setattr(ConversationStore, "unclosed", counted)
        id_ = await begun(services)
        for said in ("alpha", "bravo", "papa"):
            await services.chunks.confirm(id_, (await uploaded(services, id_, said)).id, said_at=None)
        await services.chunks.finish(id_)
        await ended(services, id_)
        assert looks <= 1, "they are looked at once in a while, and not for each chunk"


async def test_what_was_announced_and_never_came_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        chunks = services.chunks
        id_ = await begun(services)
        await chunks.finish(id_, expected_chunks=3)
        await chunks._tend()
        assert (await services.store.conversations.get(id_)).closed_at is None
        chunks._clock = lambda: time.time() + services.settings.conversation_wait_s + 1
        await chunks._tend()
        assert await ended(services, id_) == ""


async def test_blobs_go_when_they_are_written_down_and_no_copy_stays(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        await services.chunks.finish(id_)
        await ended(services, id_)
        assert chunk.key is not None
        with pytest.raises(NotFound):
            await services.blobs.size_bytes(chunk.key)
        assert list((services.settings.data_dir / "incoming").iterdir()) == []


async def test_what_nobody_foresaw_is_tried_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def fail(self: ChunkWriting, chunk: Chunk, node_id: str) -> None:
        nonlocal tried
        tried += 1
        raise RuntimeError("of the test")

    monkeypatch.setattr(chunk_writing, "AGAIN_S", 0.0)
    monkeypatch.setattr(ChunkWriting, "_hear", fail)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        await services.chunks.finish(id_)
        assert await ended(services, id_) == ""
        found = await services.store.conversations.chunk(id_, chunk.id)
        assert (found.state, found.error, tried) == (ChunkState.FAILED, UNFORESEEN, ATTEMPTS_MAX)
        assert found.is_given_up
        monkeypatch.undo()  # whatever it was, it is over
        assert found.key is not None
        again = await services.chunks.retry(id_, chunk.id)
        assert (again.state, again.error, again.attempts) == (ChunkState.CONFIRMED, None, 0)
        async with asyncio.timeout(30):
            while (await services.store.conversations.get(id_)).closed_at is None:
                busy = list(services.chunks.writing.busy.values())
                await (asyncio.wait(busy, timeout=0.1) if busy else asyncio.sleep(0))
        assert texts(await words_of(services, id_)) == "alpha"
        with pytest.raises(Conflict):
            await services.chunks.retry(id_, chunk.id)


async def test_one_that_ends_every_node_that_tries_it_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: ChunkWriting) -> None:
        pass

    monkeypatch.setattr(ChunkWriting, "_begin", never)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        await services.chunks.finish(id_)
        mine, store = services.hub.node_id(), services.store
        services.membership.holding.is_leaving = True  # it adopts nothing behind our back
        await store.nodes.hold(id_, mine)
        await store.nodes.let_go(id_, mine, unfinished=True)
        assert not await store.conversations.claim(mine, without=(), limit=1)  # nobody would open what was left of it
        assert await store.nodes.adopt(mine, limit=1)
        for _ in range(ATTEMPTS_MAX):  # each of them gone before anything of it came to an end
            assert await store.conversations.claim(mine, without=(), limit=1)
    monkeypatch.undo()
    async with running_services(tmp_path) as services:
        assert await ended(services, id_) == ""
        found = await services.store.conversations.chunk(id_, chunk.id)
        assert (found.state, found.error, found.is_given_up) == (ChunkState.FAILED, UNFORESEEN, True)


async def test_a_try_that_a_stop_cuts_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or so many restarts in the middle of one chunk would give it up."""
    begins = asyncio.Event()

    async def endless(self: ChunkWriting, chunk: Chunk, node_id: str) -> None:
        begins.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ChunkWriting, "_hear", endless)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        async with asyncio.timeout(30):
            await begins.wait()
        assert (await services.store.conversations.chunk(id_, chunk.id)).attempts == 1
        await services.chunks.stop()
        found = await services.store.conversations.chunk(id_, chunk.id)
        assert (found.state, found.attempts) == (ChunkState.CONFIRMED, 0)
