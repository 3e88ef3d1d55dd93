"""A chunk that is deleted is gone from everything: words, events, search, sound, bytes; whenever that is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from protocol.errors import Conflict, NotFound, StoreUnavailable
from protocol.events import Event, Transcribed
from protocol.states import ChunkState, TranscriptState
from server.blobs import Blobs
from server.projects.chunk_removal import ChunkRemoval
from server.projects.chunk_writing import ChunkWriting
from server.reports.reports import key_of
from server.services import Services
from server.store.conversation_records import Chunk
from server.store.report_records import Report
from server.store.search_words import parse_query
from server.store.summary_store import SUMMARIZED
from tests.fakes.node import events_of, running_services, texts, wait_for_state, words_of
from tests.server.projects.test_chunks import begun, ended, uploaded
from tests.server.webhooks.noted import noted, wanting


async def confirmed(services: Services, id_: str, said: str) -> Chunk:
    chunk = await uploaded(services, id_, said)
    return await services.chunks.confirm(id_, chunk.id, said_at=None)


async def heard(services: Services, chunk: Chunk) -> None:
    async with asyncio.timeout(30):
        while not (await services.store.conversations.chunk(chunk.conversation_id, chunk.id)).is_settled:
            await a_moment(services)


async def a_moment(services: Services) -> None:
    """Until a chunk may stand otherwise."""
    busy = list(services.chunks.writing.busy.values())
    await (asyncio.wait(busy, timeout=0.02) if busy else asyncio.sleep(0.01))


async def test_nothing_is_left_of_a_chunk_that_was_written_down(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        kept, gone = await confirmed(services, id_, "alpha bravo"), await confirmed(services, id_, "papa window")
        await heard(services, kept)
        await heard(services, gone)
        folder = services.settings.recordings_dir / id_
        assert list(folder.glob(f"{gone.track_id}*"))
        (folder / "mix-of-both.mp3").write_bytes(b"both")
        last_seq = (await services.store.get_transcript(id_)).last_seq
        async with services.journal.subscribe(id_, after=last_seq, types=frozenset({"transcription"})) as reader:
            for _ in range(2):
                await services.chunks.delete(id_, gone.id)
            told = await anext(reader)
        assert isinstance(told, Event)
        assert isinstance(told.body, Transcribed)
        assert (told.body.segment.track, told.body.segment.text, told.body.segment.revision) == (gone.track_id, "", 2)
        transcript = await services.store.get_transcript(id_)
        assert (transcript.segments, transcript.words) == (1, 2)
        events = [each for each in await events_of(services, id_) if isinstance(each.body, Transcribed)]
        assert [each.seq for each in await events_of(services, id_)] == list(range(1, transcript.last_seq + 1))
        assert " ".join(each.body.segment.text for each in events if isinstance(each.body, Transcribed)).split() == [
            "alpha",
            "bravo",
        ]
        assert [each.id for each in await services.store.conversations.chunks_of(id_)] == [kept.id]
        assert [each.id for each in await services.store.tracks_of(id_)] == [kept.track_id]
        assert not [path.name for name in (f"{gone.track_id}*", "mix-*") for path in folder.glob(name)]
        await services.chunks.finish(id_, expected_chunks=2)  # one that was deleted has come, too
        assert await ended(services, id_) == "alpha bravo"
        with pytest.raises(Conflict, match="ask its host"):
            await services.chunks.delete(id_, kept.id)
        await services.chunks.delete(id_, gone.id)
        with pytest.raises(NotFound):
            await services.chunks.delete(id_, "another")
        with pytest.raises(Conflict, match="was deleted"):
            await services.chunks.confirm(id_, gone.id, said_at=None)


async def test_one_that_is_just_heard_ends(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, " ".join(["papa window"] * 60))
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        async with asyncio.timeout(30):
            while not services.hub.sessions_of(id_):
                await a_moment(services)
        await services.chunks.delete(id_, chunk.id)
        assert services.hub.sessions_of(id_) == []
        assert not list(services.settings.recordings_dir.rglob(f"{chunk.track_id}*"))
        assert chunk.key is not None
        with pytest.raises(NotFound):
            await services.blobs.size_bytes(chunk.key)
        after = await confirmed(services, id_, "alpha")
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha"
        assert [each.id for each in await services.store.conversations.chunks_of(id_)] == [after.id]


async def test_one_that_was_only_announced_and_what_was_typed(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        announced = await uploaded(services, id_, "alpha")
        typed = await services.chunks.typed(id_, "quite secretive", said_at=None, source="PORTAL_TEXT")
        for chunk in (announced, typed):
            await services.chunks.delete(id_, chunk.id)
        left = await services.store.conversations.by_ids([announced.id, typed.id])
        assert all(each.is_erased for each in left)
        await services.chunks.finish(id_)
        await wait_for_state(services, id_, TranscriptState.ENDED)
        assert "secretive" not in str(await events_of(services, id_))
        assert await services.store.segments_of(id_, offset=0, limit=9) == []


@pytest.mark.parametrize("step", ["_end", "_tell", "_remove_files"])
async def test_a_crash_at_any_step_only_delays_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> None:
        raise StoreUnavailable("as if the server had died")

    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        kept, gone = await confirmed(services, id_, "alpha"), await confirmed(services, id_, "papa window")
        await heard(services, kept)
        await heard(services, gone)
        with monkeypatch.context() as patched:
            patched.setattr(ChunkRemoval, step, crash)
            with pytest.raises(StoreUnavailable):
                await services.chunks.delete(id_, gone.id)
            assert [each.id for each in await services.store.conversations.chunks_of(id_)] == [kept.id]
            await services.chunks.stop()
    async with running_services(tmp_path) as services:
        async with asyncio.timeout(30):
            while await services.store.conversations.to_erase(limit=9):
                await a_moment(services)
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha"
        assert not list(services.settings.recordings_dir.rglob(f"{gone.track_id}*"))


async def test_what_fails_at_the_place_of_blobs_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: Blobs, key: str) -> None:
        raise StoreUnavailable("the bucket is busy")

    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await uploaded(services, id_, "alpha")
        with monkeypatch.context() as patched:
            patched.setattr(Blobs, "delete", fail)
            with pytest.raises(StoreUnavailable):
                await services.chunks.delete(id_, chunk.id)
        assert not (await services.store.conversations.by_ids([chunk.id]))[0].is_erased
        await services.chunks._erase_left()
        assert (await services.store.conversations.by_ids([chunk.id]))[0].is_erased


async def test_one_that_is_deleted_right_before_its_turn_is_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(self: ChunkWriting) -> None:
        """Its turn does not come by itself."""

    monkeypatch.setattr(ChunkWriting, "_begin", never)
    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        chunk = await confirmed(services, id_, "alpha")
        await services.chunks.delete(id_, chunk.id)
        await services.chunks.writing._write_down(chunk)
        assert (await services.store.conversations.by_ids([chunk.id]))[0].state is ChunkState.DELETED
        assert texts(await words_of(services, id_)) == ""
        assert await services.store.tracks_of(id_) == []


async def test_what_was_made_of_its_words_goes_with_it(tmp_path: Path) -> None:
    """Of a conversation that was over, summed up, told of and reported on, and that late words opened again."""

    async def summarised(times: int) -> None:
        """Whoever made it: the service itself may be about to. It is told of last."""
        async with asyncio.timeout(30):
            while (await noted(services, hook)).count(SUMMARIZED) < times:
                await services.language_models.live_summaries.make_due()

    async with running_services(tmp_path) as services:
        id_ = await begun(services)
        project_id = (await services.store.conversations.get(id_)).project_id
        hook = await wanting(services, project_id, "conversation.transcribed", SUMMARIZED)
        said = "The canary of the school sings. The school has a canary."
        first = await services.chunks.typed(id_, said, said_at=None, source="PORTAL_TEXT")
        await services.chunks.finish(id_)
        await summarised(1)
        await services.webhooks.round()
        assert not await services.store.webhooks.bodiless(limit=9)
        report, _ = await services.reports.ask(project_id, is_published=True)
        await services.reports.make_all()
        assert "canary" in (await services.reports.file(await made(services, report), "html")).decode()

        await services.chunks.finish(id_, expected_chunks=3)
        late = "The garden of the school is green. The school has a garden."
        await services.chunks.typed(id_, late, said_at=None, source="PORTAL_TEXT")
        await services.chunks.delete(id_, first.id)
        transcript = await services.store.get_transcript(id_)
        assert (transcript.summary, transcript.title) == (None, "")
        assert "canary" not in str(await events_of(services, id_))
        assert (await services.store.search(parse_query("canary")))[1] == 0
        assert {each.event for each in await services.store.webhooks.bodiless(limit=9)} >= {SUMMARIZED}
        with pytest.raises(NotFound):
            await services.store.reports.get(project_id, report.id)
        with pytest.raises(NotFound):
            await services.blobs.get(key_of(report.id, "html"))

        await services.chunks.finish(id_, expected_chunks=0)
        await summarised(2)
        assert "garden" in str((await services.store.get_transcript(id_)).summary)
        assert sorted(await noted(services, hook)) == ["conversation.summarized"] * 2 + ["conversation.transcribed"] * 2


async def made(services: Services, report: Report) -> Report:
    return await services.store.reports.get(report.project_id, report.id)
