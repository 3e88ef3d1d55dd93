"""Who speaks without a pause while a node stops: the word in the middle is heard once, and whole, by the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.errors import Draining
from protocol.states import TranscriptState
from protocol.wire.stream import Start
from server import endings
from server.services import Services
from server.speaking import SpeakingSession
from tests.fakes.node import Client, finals_of, new_client, running_services, wait_for_state, words_of
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.server.nodes.test_membership import nodes
from tests.server.projects.test_chunks_in_bucket import bucket, s3

SAID = sentence("alpha bravo", 0.5) + sentence("charlie delta echo", 1.45)  # a pause behind bravo
SOUND = scripted_sound(SAID)
__all__ = ["s3"]

WORDS = [(word.text, word.start_samples) for word in scripted_words(SAID)]
CUT = scripted_words(SAID)[3]
IN_A_WORD = CUT.start_samples + CUT.end_samples  # bytes of the sound up to the middle of delta
BEFORE, BEHIND = WORDS[:2], WORDS[2:]  # the pause


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node waits for a pause."""
    monkeypatch.setattr(endings, "PAUSE_MAX_S", 0.0)


async def cut_short(services: Services, count: int = 1) -> list[Client]:
    """So many who speak while the node stops, of whom there are the words up to the last pause."""
    clients = [await new_client(services) for _ in range(count)]
    for client in clients:
        await client.begin()
        await client.say(SOUND[:IN_A_WORD])
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


async def test_the_last_words_of_who_does_not_come_back_are_told_all_the_same(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        [before] = await cut_short(services)
    async with running_services(tmp_path, resume_grace_s=0.5) as services:
        await wait_for_state(services, before.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, before.transcript_id) == WORDS[:4]


async def test_whoever_cannot_come_back_has_all_words_at_once(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        client.speaking = await SpeakingSession.begin(
            services.hub, services.settings, client.transcript_id, Start(), client._hear, comes_back=False
        )
        await client.say(SOUND[:IN_A_WORD])
        await services.drain()
        assert await words_of(services, client.transcript_id) == WORDS[:4]
        assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.ENDED


async def test_what_others_said_ends_no_transcript_of_which_words_are_left(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        quiet = await new_client(services)
        await quiet.begin()
        await quiet.say(scripted_sound(sentence("golf", 0.5)))
        speaking = Client(services, quiet.transcript_id)
        await speaking.begin(track="another")
        await speaking.say(SOUND[:IN_A_WORD])
        await services.drain()
        assert sorted(await words_of(services, quiet.transcript_id)) == sorted([*BEFORE, ("golf", 8000)])
        assert (await services.store.get_transcript(quiet.transcript_id)).state is TranscriptState.RECORDING
    async with running_services(tmp_path, resume_grace_s=0.5) as services:
        await wait_for_state(services, quiet.transcript_id, TranscriptState.ENDED)
        assert sorted(await words_of(services, quiet.transcript_id)) == sorted([*WORDS[:4], ("golf", 8000)])


async def test_another_node_goes_on_with_it_before_this_one_is_gone(
    postgres_url: str, tmp_path: Path, s3: S3Server
) -> None:
    options = {"node_lease_s": 120, "resume_grace_s": 0.5, "record_remote_interval_s": 1, **bucket(s3)}
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


async def test_where_no_other_node_has_the_sound_nothing_is_left(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path]) as (services,):
        client = await new_client(services)
        await client.begin()
        await client.say(SOUND[:IN_A_WORD])
        await services.drain()
        assert await words_of(services, client.transcript_id) == WORDS[:4]
