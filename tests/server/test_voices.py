"""Speakers that are named and merged while they speak, and what is told of them then, also after a restart."""

from __future__ import annotations

from pathlib import Path

from protocol.events import SpeakerTurn
from protocol.wire.stream import Control
from server.services import Services
from tests.fakes.node import Client, events_of, finals_of, new_client, running_services
from tests.fakes.scripted_sound import scripted_sound, sentence

SOUND = scripted_sound(sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0))
FIRST_BYTES = 70_000  # the first sentence, and enough silence after it


async def shown(services: Services, transcript_id: str) -> list[tuple[str, str | None, str | None]]:
    found = await services.store.segments_of(transcript_id)
    return [(each.segment.text, each.segment.speaker, each.segment.label) for each in found]


async def said_first(services: Services) -> Client:
    client = await new_client(services)
    await client.begin()
    await client.say(SOUND[:FIRST_BYTES])
    await client.control(Control.FINALIZE)
    await client.wait_for(lambda client: bool(client.of("finalized")))
    return client


async def test_what_a_named_speaker_still_says_carries_the_name(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await said_first(services)
        async with services.journal.subscribe(client.transcript_id, after=None) as reader:
            await services.speakers.add(client.transcript_id, name="Ann", speaker="Speaker 1")
            told = await anext(reader)
            while not (hasattr(told, "body") and isinstance(told.body, SpeakerTurn)):
                told = await anext(reader)
        [first] = await finals_of(services, client.transcript_id)
        assert (told.body.speaker, told.body.segment_ids) == ("Ann", (first.segment_id,))
        await client.say(SOUND[FIRST_BYTES:])
        await client.stop()
        assert await shown(services, client.transcript_id) == [
            ("alpha bravo charlie delta", "Ann", "Speaker 1"),
            ("echo foxtrot golf", "Ann", "Speaker 1"),
        ]
        events = [event.body for event in await events_of(services, client.transcript_id)]
        # Nobody else began to speak.
        assert [body.segment_ids for body in events if isinstance(body, SpeakerTurn)] == [(), (first.segment_id,)]
        assert [segment.speaker for segment in await finals_of(services, client.transcript_id)] == ["Speaker 1", "Ann"]


async def test_after_a_restart_a_voice_goes_on_under_its_name_and_as_it_was_merged(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await said_first(services)
        await services.speakers.assign(client.transcript_id, speaker="Speaker 7", from_s=0.0, to_s=0.6)
        await services.speakers.add(client.transcript_id, name="Bob", speaker="Speaker 7")
    token = client.of("started")[0]["resume_token"]
    async with running_services(tmp_path) as services:
        await services.speakers.merge(client.transcript_id, "Speaker 1", "Speaker 7")
        again = Client(services, client.transcript_id)
        await again.begin(resume=token)
        position = again.of("started")[0]["position"]
        await again.say(SOUND[position * 2 :])
        await again.stop()
        assert await shown(services, client.transcript_id) == [
            ("alpha", "Bob", "Speaker 7"),
            ("bravo charlie delta", "Bob", "Speaker 7"),
            ("echo foxtrot golf", "Bob", "Speaker 7"),
        ]
