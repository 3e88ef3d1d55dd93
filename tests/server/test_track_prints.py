"""Voices at one microphone, from sound to segments, by the scripted encoder: live, over restarts, and in its prints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from protocol.events import SpeakerTurn
from protocol.wire.stream import Control
from server.services import Services
from server.store.records import AS_USUAL, Track
from server.track_prints import TrackPrints
from tests.fakes.node import Client, events_of, new_client, running_services
from tests.fakes.scripted_sound import scripted_sound, sentence

FIRST, SECOND = "alpha bravo charlie delta echo foxtrot", "golf hotel zero one two three"


def talk(*turns: tuple[int, float, str], length_s: float) -> bytes:
    """Each turn by a voice, from a moment on, with words 100 ms apart."""
    sound = np.zeros(round(length_s * 16_000), np.int16)
    for voice, start_s, text in turns:
        sound += np.frombuffer(scripted_sound(sentence(text, start_s), length_s=length_s, voice=voice), np.int16)
    return sound.tobytes()


TALK = talk((0, 0.5, FIRST), (1, 4.0, SECOND), (0, 8.0, FIRST), length_s=11.5)
HALF_BYTES = 2 * 16_000 * 7  # both have spoken


async def shown(services: Services, transcript_id: str) -> list[tuple[str, str | None]]:
    return [(each.segment.text, each.segment.speaker) for each in await services.store.segments_of(transcript_id)]


async def sureness(services: Services, client: Client) -> list[float | None]:
    return [each.segment.speaker_confidence for each in await services.store.segments_of(client.transcript_id)]


async def said_half(services: Services) -> Client:
    client = await new_client(services)
    await client.begin()
    await client.say(TALK[:HALF_BYTES])
    await client.control(Control.FINALIZE)
    await client.wait_for(lambda client: bool(client.of("finalized")))
    return client


async def track_of(services: Services, client: Client) -> Track:
    [track] = await services.store.tracks_of(client.transcript_id)
    return track


async def test_two_voices_at_one_microphone_are_two_speakers(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin()
        await client.say(TALK)
        await client.stop()
        assert await shown(services, client.transcript_id) == [
            (FIRST, "Speaker 1"),
            (SECOND, "Speaker 2"),
            (FIRST, "Speaker 1"),
        ]
        bodies = [event.body for event in await events_of(services, client.transcript_id)]
        turns = [body for body in bodies if isinstance(body, SpeakerTurn)]
        assert [(turn.speaker, turn.voice) for turn in turns] == [("Speaker 1", 0), ("Speaker 2", 1), ("Speaker 1", 0)]
        assert all(0.5 < turn.confidence <= 1.0 for turn in turns)
        assert [(sure or 0.0) > 0.5 for sure in await sureness(services, client)] == [True] * 3
        track = await track_of(services, client)
        prints = await services.store.voices.prints_of(track.id)
        assert [{voice for _, _, voice in each.steps} for each in prints] == [{0}, {1}, {0}]
        # The last pass had all of it before the end was told.
        assert track.grouped_samples == track.printed_samples == prints[-1].end_samples


async def test_where_nobody_asked_for_it_a_track_has_one_speaker(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin(diarize=False)
        await client.say(TALK)
        await client.stop()
        assert {speaker for _, speaker in await shown(services, client.transcript_id)} == {"Speaker 1"}
        assert set(await sureness(services, client)) == {None}
        assert await services.store.voices.prints_of((await track_of(services, client)).id) == []


async def test_several_channels_and_named_speakers_are_not_guessed_at(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        for start in ({"channels": 2}, {"participant": {"name": "Ann"}}, {"diarize": True, "channels": 2}):
            client = await new_client(services)
            await client.begin(**start)
            assert (await track_of(services, client)).diarize is ("diarize" in start)
            await client.stop()
    async with running_services(tmp_path / "off", diarize=False) as services:
        client = await new_client(services)
        await client.begin(diarize=True)
        assert not (await track_of(services, client)).diarize
        await client.stop()


async def test_after_a_restart_each_voice_keeps_its_number_and_name(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await said_half(services)
        await services.speakers.add(client.transcript_id, name="Ann", speaker="Speaker 2")
    token = client.of("started")[0]["resume_token"]
    async with running_services(tmp_path) as services:
        again = Client(services, client.transcript_id)
        await again.begin(resume=token)
        position = again.of("started")[0]["position"]
        rest = talk((1, 0.5, SECOND), (0, 4.0, FIRST), (2, 8.0, SECOND), length_s=11.5)
        await again.say(TALK[position * 2 : HALF_BYTES] + rest)
        await again.stop()
        assert [speaker for _, speaker in await shown(services, client.transcript_id)] == [
            *("Speaker 1", "Ann", "Ann", "Speaker 1", "Speaker 3")
        ]


async def test_what_cannot_be_kept_costs_no_words(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await said_half(services)
        track = await track_of(services, client)
        prints = await TrackPrints.load(services.store, track)
        assert [voice.number for voice in prints.known.told()] == [0, 1]
        assert (prints.known.encoder, prints.heard_samples > 0) == ("scripted", True)
        await services.store.delete_track(track.id)
        await client.say(TALK[HALF_BYTES:])
        await client.stop()
        assert (await shown(services, client.transcript_id))[-1][0] == FIRST


async def test_two_sources_at_once_and_their_voices_share_no_label(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await said_half(services)
        other = Client(services, client.transcript_id)
        await other.begin(track="desk-2")
        await other.say(talk((3, 0.5, FIRST), (4, 4.0, SECOND), length_s=7.0))
        await other.stop()
        await client.say(talk((5, 0.5, FIRST), length_s=4.0))
        await client.stop()
        tracks = {track.name: track.id for track in await services.store.tracks_of(client.transcript_id)}
        found = [each.segment for each in await services.store.segments_of(client.transcript_id)]
        by_track = {name: {each.speaker for each in found if each.track == id_} for name, id_ in tracks.items()}
        assert by_track["track-1"] == {"Speaker 1", "Speaker 2", "Speaker 5"}
        assert by_track["desk-2"] == {"Speaker 3", "Speaker 4"}


async def test_how_many_there_are_is_asked_of_the_recogniser_and_remembered(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await new_client(services)
        await client.begin(max_speakers=1)
        await client.say(TALK)
        await client.stop()
        assert {speaker for _, speaker in await shown(services, client.transcript_id)} == {"Speaker 1"}
        track = await track_of(services, client)
        assert (track.diarize, track.max_speakers, track.speakers_expected) == (True, 1, AS_USUAL.speakers_expected)


async def test_what_is_said_next_goes_by_what_people_said(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        client = await said_half(services)
        await services.speakers.assign(client.transcript_id, speaker="Speaker 7", from_s=3.9, to_s=7.0)
        services.relabelling.hurry(client.transcript_id)
        await services.relabelling.make_due()
        await client.say(talk((1, 0.5, FIRST), (0, 4.0, SECOND), length_s=7.0))
        await client.control(Control.FINALIZE)
        await client.wait_for(lambda client: len(client.of("finalized")) == 2)
        assert await shown(services, client.transcript_id) == [
            (FIRST, "Speaker 1"),
            (SECOND, "Speaker 7"),
            (FIRST, "Speaker 7"),
            (SECOND, "Speaker 1"),
        ]
        track = await track_of(services, client)
        assert track.grouped_samples < track.printed_samples  # no other pass set it right
        await client.stop()


async def test_what_is_said_next_goes_by_what_a_pass_found(tmp_path: Path) -> None:
    """Both are taken for one, and so is whoever of them speaks next."""
    async with running_services(tmp_path) as services:
        client = await said_half(services)
        await services.relabelling.relabel(client.transcript_id, max_speakers=1)
        await client.say(talk((1, 0.5, SECOND), (2, 4.0, FIRST), length_s=7.0))
        await client.control(Control.FINALIZE)
        await client.wait_for(lambda client: len(client.of("finalized")) == 2)
        assert [speaker for _, speaker in await shown(services, client.transcript_id)] == [
            *("Speaker 1", "Speaker 1", "Speaker 1", "Speaker 3")
        ]
        await client.stop()
