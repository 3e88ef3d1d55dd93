"""Who speaks while a node stops: the utterance in the middle is heard once, and whole, by the next one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import Draining
from protocol.states import TranscriptState
from server import endings, recovery
from server.services import Services
from server.store.node_store import Before
from server.store.records import Track
from server.store.store import Store
from tests.fakes.node import Client, finals_of, new_client, running_services, wait_for_state, words_of
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.waiting import until
from tests.server.nodes.test_membership import nodes
from tests.server.projects.test_chunks_in_bucket import bucket, s3

SAID = sentence("alpha bravo", 0.5) + sentence("charlie delta echo", 1.45)  # an utterance ends behind bravo
SOUND = scripted_sound(SAID)
__all__ = ["s3"]

WORDS = [(word.text, word.start_samples) for word in scripted_words(SAID)]
CUT = scripted_words(SAID)[3]
IN_A_WORD = CUT.start_samples + CUT.end_samples  # bytes of the sound up to the middle of delta
BEFORE, BEHIND = WORDS[:2], WORDS[2:]


async def speaking(services: Services, transcript_id: str | None = None, **start: Any) -> Client:
    """Somebody in the middle of a word."""
    client = await new_client(services) if transcript_id is None else Client(services, transcript_id)
    await client.begin(**start)
    await client.say(SOUND[:IN_A_WORD])
    return client


def options_of(s3: S3Server, **options: float) -> dict[str, Any]:
    return {"node_lease_s": 120, "record_remote_interval_s": 1, **bucket(s3), **options}


async def cut_short(services: Services, count: int = 1) -> list[Client]:
    """So many who speak while the node stops, of whom there are the words of the utterance before."""
    clients = [await speaking(services) for _ in range(count)]
    await services.drain()
    for client in clients:
        assert client.speaking is not None
        assert isinstance(await client.speaking.wait_ended(), Draining)
        assert await words_of(services, client.transcript_id) == BEFORE
        assert list(services.journal.interims(client.transcript_id)) == []
        assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.RECORDING
        with pytest.raises(Draining):
            await client.speaking.stop()  # its last words are told elsewhere
    return clients


async def test_a_word_is_not_cut_where_its_speaker_goes_on_at_the_next_node(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        [before] = await cut_short(services)
    async with running_services(tmp_path) as services:
        client = Client(services, before.transcript_id)
        await client.begin(resume=before.of("started")[0]["resume_token"])
        [started] = client.of("started")
        assert 2 * started["position"] == IN_A_WORD
        await client.say(SOUND[IN_A_WORD:])
        stopped = await client.stop()
        assert await words_of(services, client.transcript_id) == WORDS
        assert stopped["words"] == len(BEHIND)
        assert len({final.segment_id for final in await finals_of(services, client.transcript_id)}) == 2


async def test_who_is_silent_leaves_nothing(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(SOUND + bytes(2 * 32_000))
        await services.drain()
        assert await words_of(services, client.transcript_id) == WORDS
        assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.ENDED
        stopped = await client.stop()
        assert stopped["words"] == len(WORDS)


async def test_of_whom_something_is_left_is_told_while_the_node_waits_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        left, other = await speaking(services), await new_client(services)
        await other.begin(comes_back=False)
        await other.say(SOUND[:IN_A_WORD])
        [held] = [each for each in services.hub.sessions.values() if each.transcript_id == other.transcript_id]
        goes_on, finish = asyncio.Event(), held.pipeline.finish

        async def late(*, finals: bool = True) -> None:
            await goes_on.wait()
            await finish(finals=finals)

        monkeypatch.setattr(endings, "PAUSE_MAX_S", 0.0)
        monkeypatch.setattr(held.pipeline, "finish", late)
        draining = asyncio.create_task(services.hub.drain(120.0))
        try:
            assert left.speaking is not None
            assert isinstance(await left.speaking.wait_ended(), Draining)
            assert not draining.done()
            status, _ = await services.hub.status(left.transcript_id)
            assert (status.state, status.audio) == (TranscriptState.RECORDING, "none")
        finally:
            goes_on.set()
            assert await draining


async def test_the_last_words_of_who_does_not_come_back_are_told_all_the_same(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        [before] = await cut_short(services)
    async with running_services(tmp_path, resume_grace_s=0.5) as services:
        await wait_for_state(services, before.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, before.transcript_id) == WORDS[:4]


async def test_whoever_cannot_come_back_has_all_words_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "PAUSE_MAX_S", 0.0)
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin(comes_back=False)
        await client.say(SOUND[:IN_A_WORD])
        await services.drain()
        assert await words_of(services, client.transcript_id) == WORDS[:4]
        assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.ENDED


async def test_what_others_said_ends_no_transcript_of_which_words_are_left(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        quiet = await new_client(services)
        await quiet.begin()
        await quiet.say(scripted_sound(sentence("golf", 0.5)))
        await speaking(services, quiet.transcript_id, track="another")
        await services.drain()
        assert sorted(await words_of(services, quiet.transcript_id)) == sorted([*BEFORE, ("golf", 8000)])
        assert (await services.store.get_transcript(quiet.transcript_id)).state is TranscriptState.RECORDING
    async with running_services(tmp_path, resume_grace_s=0.5) as services:
        await wait_for_state(services, quiet.transcript_id, TranscriptState.ENDED)
        assert sorted(await words_of(services, quiet.transcript_id)) == sorted([*WORDS[:4], ("golf", 8000)])


async def test_another_node_goes_on_with_it_before_this_one_is_gone(
    postgres_url: str, tmp_path: Path, s3: S3Server
) -> None:
    options = options_of(s3, resume_grace_s=0.5)
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], **options) as (first, second):
        comes_back, is_gone = await cut_short(first, 2)
        client = Client(second, comes_back.transcript_id)
        await client.begin(resume=comes_back.of("started")[0]["resume_token"])
        await client.say(SOUND[IN_A_WORD:])
        await client.stop()
        assert await words_of(second, client.transcript_id) == WORDS
        await first.membership._adopt()
        assert (await second.store.nodes.holder(is_gone.transcript_id)) is None
        await second.membership._adopt()
        await wait_for_state(second, is_gone.transcript_id, TranscriptState.ENDED)
        assert await words_of(second, is_gone.transcript_id) == WORDS[:4]


async def test_who_comes_back_first_leaves_no_words_of_others_behind(
    postgres_url: str, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = options_of(s3, resume_grace_s=0.5)
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], **options) as (first, second):
        before = await speaking(first)
        await speaking(first, before.transcript_id, track="gone")
        await first.drain()
        is_over, tracks_to_recover = asyncio.Event(), recovery.tracks_to_recover

        async def late(store: Store, transcript_id: str) -> list[Track]:
            await is_over.wait()
            return await tracks_to_recover(store, transcript_id)

        monkeypatch.setattr(recovery, "tracks_to_recover", late)
        client = Client(second, before.transcript_id)
        await client.begin(resume=before.of("started")[0]["resume_token"])
        await client.say(SOUND[IN_A_WORD:])
        await client.stop()
        assert (await second.store.get_transcript(client.transcript_id)).state is TranscriptState.RECORDING
        is_over.set()
        await wait_for_state(second, client.transcript_id, TranscriptState.ENDED)
        assert sorted(await words_of(second, client.transcript_id)) == sorted([*WORDS, *WORDS[:4]])


async def test_what_is_left_stays_so_where_this_node_goes_on_with_something_else_of_it(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client, holding = await speaking(services), services.membership.holding
        async with holding.kept(client.transcript_id, services.hub.lock_of(client.transcript_id)):
            await services.drain()
        assert holding.held == {client.transcript_id}
        await holding.let_go(client.transcript_id)  # when it is idle
        await services.store.nodes.join("next", url="", keys_digest="")
        assert await services.store.nodes.adopt("next", limit=9) == {client.transcript_id: Before.STOPPED}


@pytest.mark.parametrize("is_first", [False, True])
async def test_who_begins_anew_need_not_wait_for_who_was_told_to_come_back(
    is_first: bool, postgres_url: str, tmp_path: Path, s3: S3Server
) -> None:
    options = options_of(s3, resume_grace_s=3600)
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], **options) as (first, second):
        [before] = await cut_short(first)
        if not is_first:
            await second.membership._adopt()
        client = Client(second, before.transcript_id)
        await client.begin()
        await client.say(scripted_sound(sentence("golf", 0.5)))
        said = [text for text, _ in WORDS[:4]]

        async def is_told() -> bool:
            return [text for text, _ in await words_of(second, client.transcript_id) if text != "golf"] == said

        await until(is_told)
        await client.stop()
        await wait_for_state(second, client.transcript_id, TranscriptState.ENDED)
        assert sorted(text for text, _ in await words_of(second, client.transcript_id)) == sorted([*said, "golf"])


async def test_where_no_other_node_has_the_sound_nothing_is_left(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path]) as (services,):
        client = await new_client(services)
        await client.begin()
        await client.say(SOUND[:IN_A_WORD])
        await services.drain()
        assert await words_of(services, client.transcript_id) == WORDS[:4]
