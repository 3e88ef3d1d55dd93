"""A node that went away in the middle of things, and the next one on the same data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from protocol.errors import StoreUnavailable
from protocol.states import TranscriptState
from protocol.wire.stream import Control
from server import recovery
from server.store.kept_store import KeptStore
from server.store.store import Store
from tests.fakes.node import Client, new_client, running_services, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.server.test_intake import EXPECTED as FILE_EXPECTED
from tests.server.test_intake import WORDS as FILE_WORDS
from tests.server.test_intake import write_wav

SENTENCE = sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0)
EXPECTED = [(word.text, word.start_samples) for word in scripted_words(SENTENCE)]


async def test_a_recording_cut_short_is_completed_by_itself(tmp_path: Path) -> None:
    sound = scripted_sound(SENTENCE)
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(sound[:64000])
        await client.control(Control.FINALIZE)
        await client.wait_for(lambda client: bool(client.of("finalized")))
        await client.say(sound[64000:])  # recorded, perhaps heard, its last words not told yet
    async with running_services(tmp_path, resume_grace_s=0) as services:
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == EXPECTED


@pytest.mark.parametrize(("of", "asked"), [(Store, "tracks_of"), (KeptStore, "take")])
async def test_one_that_the_store_was_away_for_is_completed_as_soon_as_it_is_back(
    of: type, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(scripted_sound(SENTENCE))
    faults = [StoreUnavailable("away")]
    answer = getattr(of, asked)

    async def fails_once(store: object, *given: str, **named: str) -> Any:
        if faults:
            raise faults.pop()
        return await answer(store, *given, **named)

    monkeypatch.setattr(of, asked, fails_once)
    monkeypatch.setattr(recovery, "AGAIN_S", 0.05)
    async with running_services(tmp_path, resume_grace_s=0) as services:
        assert not faults
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_speaker_comes_back_after_the_restart_and_goes_on(tmp_path: Path) -> None:
    sound = scripted_sound(SENTENCE)
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(sound[:70000])
        await client.wait_for(lambda client: bool(client.of("ack")) and client.of("ack")[-1]["position"] >= 35000)
    token = client.of("started")[0]["resume_token"]
    async with running_services(tmp_path) as services:
        again = Client(services, client.transcript_id)
        await again.begin(resume=token)
        position = again.of("started")[0]["position"]
        assert position >= client.of("ack")[-1]["position"]
        await again.say(sound[position * 2 :])
        await again.stop()
        assert await words_of(services, client.transcript_id) == EXPECTED


async def test_a_file_goes_on_where_it_was(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "talk.wav", scripted_sound(FILE_WORDS))
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
    async with running_services(tmp_path / "data") as services:
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == FILE_EXPECTED


async def test_a_transcript_that_ended_stays_as_it_is(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(scripted_sound(SENTENCE))
        await client.stop()
        before = await services.store.get_transcript(client.transcript_id)
    async with running_services(tmp_path) as services:
        assert not services.hub.sessions
        assert await services.store.get_transcript(client.transcript_id) == before


async def test_a_track_cut_short_before_anything_was_on_it_is_gone(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await services.store.create_track(client.transcript_id, source="file", started_at=1.0)
        before = await services.store.get_transcript(client.transcript_id)
    async with running_services(tmp_path) as services:
        assert await services.store.tracks_of(client.transcript_id) == []
        assert not services.hub.sessions
        assert await services.store.get_transcript(client.transcript_id) == before


async def test_a_track_that_was_not_closed_when_its_transcript_ended_is_closed(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(scripted_sound(SENTENCE))
        await client.stop()
        [track] = await services.store.tracks_of(client.transcript_id)
        await services.store.update_track(track.id, state="open")
    async with running_services(tmp_path, resume_grace_s=0) as services:
        [session] = services.hub.sessions.values()
        await session.stop()
        assert await services.store.tracks_of(client.transcript_id) == [track]
        assert await words_of(services, client.transcript_id) == EXPECTED
