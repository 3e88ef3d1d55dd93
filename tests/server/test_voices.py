"""Speakers that are named and merged while they speak, and what is told of them then, also after a restart."""

from __future__ import annotations

from pathlib import Path

from protocol.events import SpeakerTurn, Transcribed
from protocol.wire.stream import Control
from server.services import Services
from server.store.records import VoicesAsked
from server.store.store import Store
from server.voices import Voices
from tests.fakes.node import Client, events_of, finals_of, new_client, running_services
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.server.spoken import put, segment

SOUND = scripted_sound(sentence("alpha bravo charlie delta", 0.5) + sentence("echo foxtrot golf", 3.0))
FIRST_BYTES = 70_000  # the first sentence, and enough silence after it


def told_by(speaker: str) -> Transcribed:
    return Transcribed(segment=segment().model_copy(update={"speaker": speaker}), track_started_at=1.0)


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


async def test_voices_of_a_track_get_the_lowest_free_labels_and_keep_them(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    asked = VoicesAsked(diarize=True)
    track = await store.create_track(
        transcript_id, source="stream", started_at=1.0, track_id="trk_1", speaker="Speaker 1", voices=asked
    )
    await put(store, transcript_id, told_by("Speaker 3"))  # whom a person told apart
    async with store.changing_participants(transcript_id) as changes:
        await changes.add(name="Ann", speaker="Speaker 2")  # named before anybody heard her
    voices = Voices(store)
    await voices.learn(transcript_id)
    found = [voices.of(track, number) for number in (0, 5, 1, 5, None)]
    assert [voice.label for voice in found] == ["Speaker 1", "Speaker 2", "Speaker 4", "Speaker 2", "Speaker 1"]
    assert found[1].name == "Ann"
    assert await store.voices.labels_of(transcript_id) == {}
    await voices.save(track)
    assert await store.voices.labels_of(transcript_id) == {("trk_1", 5): "Speaker 2", ("trk_1", 1): "Speaker 4"}
    assert voices.reserve(transcript_id, "Speaker 4") is False
    assert voices.reserve(transcript_id, "Speaker 5") is True
    many = [voices.of(track, number).label for number in range(6, 16)]
    assert many == [f"Speaker {number}" for number in range(6, 16)]
    again = Voices(store)  # as after a crash: what was never told may be given again
    await again.learn(transcript_id)
    assert again.of(track, 1).label == "Speaker 4"


async def test_what_is_merged_goes_on_as_the_other_also_where_it_was_not_stored_yet(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    track = await store.create_track(
        transcript_id, source="stream", started_at=1.0, speaker="Speaker 1", voices=VoicesAsked(diarize=True)
    )
    voices = Voices(store)
    await voices.learn(transcript_id)
    assert [voices.of(track, 1).label, voices.begins(track, 0), voices.begins(track, 1)] == ["Speaker 2", True, True]
    async with voices.changing(transcript_id), store.changing_participants(transcript_id) as changes:
        await changes.move_tracks("Speaker 2", "Speaker 1")
    assert voices.of(track, 1).label == "Speaker 1"
    assert [voices.begins(track, 0), voices.begins(track, 1)] == [True, False]
    assert await voices.labels(track, [0, 1, 2]) == {0: "Speaker 1", 1: "Speaker 1", 2: "Speaker 2"}
