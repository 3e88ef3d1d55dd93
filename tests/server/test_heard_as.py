"""A track is heard as its source asked, also by whoever goes on with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asr.contract import SessionOptions
from protocol.words import Segment, Word
from server.services import Services
from tests.fakes.node import Client, new_client, running_services
from tests.fakes.scripted_sound import scripted_sound, sentence

ASKED: dict[str, Any] = {"language": "de", "hotwords": ["Zug", "Gleis"], "utterance_silence_ms": 2000}
SOUND = scripted_sound(sentence("alpha bravo", 0.5))


def heard_as(services: Services) -> SessionOptions:
    [session] = services.hub.sessions.values()
    return session.pipeline.options


def told(options: SessionOptions) -> tuple[object, ...]:
    return options.language, options.hotwords, options.utterance_silence_ms


@pytest.fixture
async def left(tmp_path: Path) -> Client:
    """Somebody who spoke when the node stopped, and asked for much."""
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin(**ASKED)
        await client.say(SOUND)
        assert told(heard_as(services)) == ("de", ("Zug", "Gleis"), 2000)
        await services.drain()
    return client


def token(client: Client) -> str:
    resume_token: str = client.of("started")[0]["resume_token"]
    return resume_token


async def test_by_the_next_node_before_its_source_is_back_and_after(tmp_path: Path, left: Client) -> None:
    async with running_services(tmp_path) as services:
        assert told(heard_as(services)) == ("de", ("Zug", "Gleis"), 2000)
        client = Client(services, left.transcript_id)
        await client.begin(resume=token(left))
        assert told(heard_as(services)) == ("de", ("Zug", "Gleis"), 2000)


async def test_what_its_source_says_anew_is_kept_as_well(tmp_path: Path, left: Client) -> None:
    async with running_services(tmp_path) as services:
        client = Client(services, left.transcript_id)
        await client.begin(resume=token(left), language="fr", utterance_silence_ms=700)
        await client.begin(resume=token(client), language="it")
        assert told(heard_as(services)) == ("it", ("Zug", "Gleis"), 700)
        await client.say(SOUND[: 2 * 16_000])
        await services.drain()
    async with running_services(tmp_path) as services:
        assert told(heard_as(services)) == ("it", ("Zug", "Gleis"), 700)


async def test_where_the_node_that_goes_on_has_no_session_of_it(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin(**ASKED)
        await client.say(SOUND + bytes(2 * 48_000))  # it is silent: the track ends
        await services.drain()
    async with running_services(tmp_path) as services:
        assert not services.hub.sessions
        again = Client(services, client.transcript_id)
        await again.begin(resume=token(client))
        assert told(heard_as(services)) == ("de", ("Zug", "Gleis"), 2000)


async def test_who_asks_for_nothing_is_heard_as_usual(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        assert told(heard_as(services)) == ("en", (), None)
        [session] = services.hub.sessions.values()
        assert (await services.store.get_track(session.track.id)).asked is None


@pytest.mark.parametrize("spoken", ["fr", None])
async def test_the_language_that_was_heard_last_is_the_likely_one(tmp_path: Path, spoken: str | None) -> None:
    async with running_services(tmp_path, language="auto") as services:
        client = Client(services, (await services.store.create_transcript(language="auto")).id)
        await client.begin()
        [session] = services.hub.sessions.values()
        for number, language in enumerate((None, "de", spoken)):
            if language is not None:
                word = Word(text="word", start_samples=8000 * number, end_samples=8000 * number + 4000)
                segment = Segment(
                    segment_id=f"seg_{number}",
                    track=session.track.id,
                    text=word.text,
                    start_samples=word.start_samples,
                    end_samples=word.end_samples,
                    is_final=True,
                    words=(word,),
                    language=language,
                )
                session.pipeline.on_segment(segment, 0)
        likely = spoken or "de"
        assert session.pipeline.options.heard_language == likely
        await client.say(SOUND[: 2 * 16_000])  # the stop waits until all finals are stored
        await services.drain()
    async with running_services(tmp_path, language="auto") as services:
        assert heard_as(services).language is None
        assert heard_as(services).heard_language == likely
