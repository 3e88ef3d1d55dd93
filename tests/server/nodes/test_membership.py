"""Nodes that share a database: who works on what, and what happens when one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import HeldElsewhere, NotFound, StoreUnavailable
from protocol.states import TranscriptState
from protocol.wire.stream import Control
from server.live import SourceOptions
from server.nodes.slot import Slot
from server.services import Services
from server.store.records import Track
from tests.fakes.buckets import no_other_bucket
from tests.fakes.node import Client, node_settings, wait_for_state, words_of
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.waiting import until
from tests.server.databases import Postgres, SocketRelay
from tests.server.projects.test_chunks_in_bucket import bucket

SENTENCE = sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0)
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(SENTENCE)]
SECRET = "0123456789abcdef"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    no_other_bucket(monkeypatch)
    with S3Server() as running:
        yield running


@asynccontextmanager
async def nodes(url: str, folders: Sequence[Path], **options: Any) -> AsyncIterator[list[Services]]:
    """Some in one process; they know nothing of each other but what the database says."""
    async with AsyncExitStack() as stack:
        started = []
        for number, folder in enumerate(folders):
            given = {"database_url": url, "node_url": f"http://n{number}:1", "shared_secret": SECRET, "node_lease_s": 1}
            services = await Services.start(node_settings(folder, **(given | options)))
            stack.push_async_callback(services.stop)
            started.append(services)
        yield started


async def speaking(services: Services, sound: bytes) -> Client:
    client = Client(services, (await services.store.create_transcript()).id)
    await client.begin()
    await client.say(sound)
    return client


async def gone(services: Services) -> None:
    """It lives, and nobody hears of it any more."""
    for task in services.membership._tasks:
        task.cancel()
    await asyncio.gather(*services.membership._tasks, return_exceptions=True)


async def test_who_comes_to_another_node_is_told_where_to_go(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        client = await speaking(a, scripted_sound(SENTENCE))
        there = Client(b, client.transcript_id)
        for start in ({}, {"resume": client.of("started")[0]["resume_token"]}):
            with pytest.raises(HeldElsewhere) as refused:
                await there.begin(**start)
            assert refused.value.details["server_url"] == "http://n0:1"
        status, _ = await b.hub.status(client.transcript_id)
        assert (status.state, status.audio) == (TranscriptState.RECORDING, "live")
        for call in (b.hub.end, b.hub.pause, b.hub.unpause):
            with pytest.raises(HeldElsewhere):
                await call(client.transcript_id)
        await client.stop()
        assert await words_of(b, client.transcript_id) == EXPECTED
        await there.begin()  # it is anybody's again
        with pytest.raises(HeldElsewhere) as refused:
            await a.hub.attach(client.transcript_id, SourceOptions())
        assert refused.value.details["server_url"] == "http://n1:1"


async def test_a_node_that_leaves_gives_its_work_back(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path]) as (b,):
        async with nodes(postgres_url, [tmp_path]) as (a,):
            client = await speaking(a, scripted_sound(SENTENCE)[:64000])
            await client.control(Control.FINALIZE)
            await client.wait_for(lambda client: bool(client.of("finalized")))
        again = Client(b, client.transcript_id)
        await again.begin(resume=client.of("started")[0]["resume_token"])
        assert (await b.store.nodes.holder(client.transcript_id)) is not None
        await again.stop()
        assert (await b.store.get_transcript(client.transcript_id)).state is TranscriptState.ENDED


async def test_what_a_node_held_that_is_gone_is_taken_over_and_it_writes_no_more(
    postgres_url: str, tmp_path: Path, s3: S3Server
) -> None:
    options = {"resume_grace_s": 0, "record_remote_interval_s": 1, **bucket(s3)}
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], **options) as (a, b):
        client = await speaking(a, scripted_sound(SENTENCE)[:64000])
        await client.control(Control.FINALIZE)
        await client.wait_for(lambda client: bool(client.of("finalized")))
        before = await words_of(a, client.transcript_id)
        await gone(a)
        await wait_for_state(b, client.transcript_id, TranscriptState.ENDED)
        # It goes on hearing, and nothing of that is told.
        await client.say(scripted_sound(SENTENCE)[64000:])
        await client.stop()
        assert await words_of(b, client.transcript_id) == before == EXPECTED[: len(before)]
        # Found to be gone, it begins anew; nobody says the same of it so soon again, who has no beat any more.
        b.membership._settings = b.membership._settings.model_copy(update={"node_lease_s": 120})
        await a.membership._beat()
        assert not a.hub.sessions
        assert not a.membership.holding.held
        await speaking(a, b"")


async def test_a_source_is_sent_away_by_a_node_that_was_found_to_be_gone(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        client = await speaking(a, scripted_sound(SENTENCE)[:64000])
        await gone(a)
        was = a.membership.holding.node_id
        await b.store.nodes.leave(was)
        await a.membership._beat()
        assert client.speaking is not None
        assert isinstance(await client.speaking.wait_ended(), HeldElsewhere)
        assert not a.hub.sessions
        assert a.membership.holding.node_id != was


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_who_comes_back_to_a_node_that_was_found_to_be_gone_is_told_to_go_elsewhere(
    moment: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        client = Client(a, (await a.store.create_transcript()).id)
        await client.begin()
        [session] = a.hub.sessions.values()
        await gone(a)

        async def take_over() -> None:
            await b.store.nodes.leave(a.membership.holding.node_id)
            await b.membership.holding.hold(client.transcript_id)
            await b.store.delete_track(session.track.id)  # of which nobody had heard anything

        async def meanwhile(*_: object, **__: object) -> None:
            await take_over()
            raise NotFound("no such track")

        await a.hub.drop(session)
        if moment == "before":
            await take_over()
        else:
            monkeypatch.setattr(a.hub.sound, "open", meanwhile)
        with pytest.raises(HeldElsewhere) as refused:
            await client.begin(resume=session.resume_token)
        assert refused.value.details["server_url"] == "http://n1:1"
        assert refused.value.retry_after_s


async def test_no_track_begins_at_a_node_that_was_found_to_be_gone_meanwhile(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        await gone(a)
        client = Client(a, (await a.store.create_transcript()).id)
        tracks_of = a.store.tracks_of

        async def taken_over(transcript_id: str) -> list[Track]:
            await b.store.nodes.leave(a.membership.holding.node_id)
            await b.membership.holding.hold(transcript_id)
            return await tracks_of(transcript_id)

        monkeypatch.setattr(a.store, "tracks_of", taken_over)  # asked before a track begins
        with pytest.raises(HeldElsewhere) as refused:
            await client.begin()
        assert refused.value.details["server_url"] == "http://n1:1"
        assert await tracks_of(client.transcript_id) == []


async def test_a_node_that_others_may_have_found_to_be_gone_acknowledges_nothing(
    postgres: Postgres, postgres_url: str, tmp_path: Path, s3: S3Server
) -> None:
    """Another node reaches the database meanwhile, and may go on at what was in the bucket when it looked."""
    name = postgres_url.split("/")[3].split("?")[0]
    options = {"record_remote_interval_s": 1, "node_lease_s": 4, **bucket(s3)}
    async with (
        SocketRelay.running(postgres.folder) as way,
        nodes(postgres.url(name, way.folder), [tmp_path], **options) as (a,),
    ):
        client = await speaking(a, scripted_sound(SENTENCE)[:64000])
        await client.wait_for(lambda client: bool(client.of("ack")))
        await way.cut()
        await until(lambda: not a.membership.is_sure)
        [session] = a.hub.sessions.values()
        before = session.pipeline.recorder.durable_samples
        await client.say(scripted_sound(SENTENCE)[64000:])
        await session.pipeline.recorder.flush()
        shipments = a.hub.sound._shipping._shipments
        await until(lambda: not any(each.waits for each in shipments))
        assert session.pipeline.recorder.durable_samples == before
        await way.heal()
        async with asyncio.timeout(30):
            await session.pipeline.recorder.wait_durable(before + 1)
        await client.stop()


async def test_nodes_with_other_keys_do_not_start(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path / "a"]):
        with pytest.raises(StoreUnavailable, match="set shared_secret"):
            async with nodes(postgres_url, [tmp_path / "b"], shared_secret=None):
                pass
        async with nodes(postgres_url, [tmp_path / "b"]):
            pass


async def test_nodes_of_one_folder_need_no_secret_and_know_at_once_who_is_gone(
    postgres_url: str, tmp_path: Path
) -> None:
    options = {"shared_secret": None, "node_lease_s": 120, "resume_grace_s": 0}
    async with nodes(postgres_url, [tmp_path, tmp_path], **options) as (a, b):
        assert a.membership.holding.node_id != b.membership.holding.node_id
        client = await speaking(a, scripted_sound(SENTENCE))
        await gone(a)
        await a.hub.stop()  # as by kill -9: nothing is told, and the locks are free
        a.membership._slot.close()
        third = await Services.start(node_settings(tmp_path, database_url=postgres_url, **options))
        try:
            await wait_for_state(third, client.transcript_id, TranscriptState.ENDED)
            assert await words_of(third, client.transcript_id) == EXPECTED
        finally:
            await third.stop()


async def test_after_the_database_was_away_nobody_is_found_to_be_gone_for_a_lease(
    postgres_url: str, tmp_path: Path
) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        for each in (a, b):
            await gone(each)
        client = await speaking(a, b"")
        b.membership._sees_since_s = None  # it could not reach it
        b.membership._settings = b.membership._settings.model_copy(update={"node_lease_s": 0.001})
        await b.membership._beat()
        assert await a.store.nodes.beat(a.membership.holding.node_id)
        await b.membership._beat()  # by now it sees for a lease
        assert not await a.store.nodes.beat(a.membership.holding.node_id)
        await client.stop()


def test_a_slot_is_free_when_a_node_could_not_start(tmp_path: Path) -> None:
    async def start() -> None:
        url = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
        await Services.start(node_settings(tmp_path, database_url=url))

    with pytest.raises(StoreUnavailable):
        asyncio.run(start())
    slot = Slot.take(tmp_path / "nodes")
    assert slot.is_alone
    slot.close()
