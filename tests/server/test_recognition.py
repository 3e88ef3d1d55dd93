"""A voice that is enrolled is called by its name in later recordings, unless people say otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import Conflict
from protocol.events import SpeakerTurn
from protocol.wire.stream import Control
from server.services import Services
from server.store.enrolled_store import EnrolledVoice
from server.store.records import Participant
from tests.fakes.node import Client, events_of, new_client, running_services
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.server.test_track_prints import FIRST, SECOND, shown, talk

LONG = " ".join([FIRST, SECOND, FIRST, SECOND, FIRST, SECOND])  # 36 words, 12 s
ANNS = scripted_sound(sentence(LONG, 0.5), voice=1)
# Somebody else first, so that Ann is not the voice that begins.
TALK = talk((0, 0.5, FIRST), (1, 4.0, SECOND), (0, 8.0, FIRST), length_s=11.5)
FOUND = [(FIRST, "Speaker 1"), (SECOND, "Ann"), (FIRST, "Speaker 1")]


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path) as services:
        yield services


async def said(services: Services, sound: bytes, *, owner: str | None = None) -> Client:
    transcript = await services.store.create_transcript(owner=owner)
    client = Client(services, transcript.id)
    await client.begin()
    await client.say(sound)
    await client.stop()
    return client


async def enrolled(services: Services, name: str = "Ann") -> EnrolledVoice:
    client = await said(services, ANNS)
    return await services.enrolment.enrol(client.transcript_id, "Speaker 1", name=name)


async def people(services: Services, client: Client) -> list[Participant]:
    return await services.speakers.participants(client.transcript_id)


async def turns(services: Services, client: Client) -> list[tuple[str, str | None]]:
    bodies = [event.body for event in await events_of(services, client.transcript_id)]
    return [(body.speaker, body.speaker_label) for body in bodies if isinstance(body, SpeakerTurn)]


async def test_it_is_recognised_while_it_is_heard_and_at_the_end(services: Services) -> None:
    voice = await enrolled(services)
    assert voice.heard_samples >= 10 * 16_000
    client = await new_client(services)
    await client.begin()
    await client.say(TALK[: 2 * 16_000 * 7])
    await client.control(Control.FINALIZE)
    await client.wait_for(lambda client: bool(client.of("finalized")))
    await services.relabelling._recognition.settled(client.transcript_id)
    assert await shown(services, client.transcript_id) == FOUND[:2], "before any pass"
    assert (await turns(services, client))[-1] == ("Ann", "Speaker 2")
    await client.say(TALK[2 * 16_000 * 7 :])
    await client.stop()
    assert await shown(services, client.transcript_id) == FOUND
    [ann] = await people(services, client)
    assert (ann.name, ann.speaker, ann.recognised, ann.email) == ("Ann", "Speaker 2", True, None)
    assert await services.store.voices.enrolled.recognised_in(client.transcript_id) == {"Speaker 2": voice.id}


async def test_a_pass_finds_those_who_were_enrolled_afterwards(services: Services) -> None:
    client = await said(services, TALK)
    assert await people(services, client) == []
    await enrolled(services)
    await services.relabelling.relabel(client.transcript_id)
    assert await shown(services, client.transcript_id) == FOUND
    assert (await turns(services, client))[-1] == ("Ann", "Speaker 2")


async def test_what_people_say_of_it_stays(services: Services) -> None:
    await enrolled(services)
    client = await said(services, TALK)
    [ann] = await people(services, client)
    await services.speakers.change(client.transcript_id, ann.id, name="Hannah")
    await services.relabelling.relabel(client.transcript_id)
    [hannah] = await people(services, client)
    assert (hannah.name, hannah.recognised) == ("Hannah", False)
    # Nor is a name given again that was taken away, or one that somebody gave first.
    await services.speakers.remove(client.transcript_id, ann.id)
    await services.relabelling.relabel(client.transcript_id)
    assert await people(services, client) == []
    other = await new_client(services)
    await services.speakers.add(other.transcript_id, name="Zoe", speaker="Speaker 2")
    await other.begin()
    await other.say(TALK)
    await other.stop()
    assert [(each.name, each.recognised) for each in await people(services, other)] == [("Zoe", False)]


@pytest.mark.parametrize("by", ["participant", "label"])
async def test_whoever_is_given_words_is_left_alone_by_passes(services: Services, by: str) -> None:
    await enrolled(services)
    client = await said(services, TALK)
    [ann] = await people(services, client)
    whom = {"participant_id": ann.id} if by == "participant" else {"speaker": ann.speaker}
    given = await services.speakers.assign(client.transcript_id, from_s=0.0, to_s=3.0, **whom)
    assert given.participant is not None
    assert not given.participant.recognised
    for _ in range(2):
        await services.relabelling.relabel(client.transcript_id, speakers_expected=2)
        assert await shown(services, client.transcript_id) == [(FIRST, "Ann"), *FOUND[1:]]
        assert await people(services, client) == [given.participant]


async def test_what_was_recognised_wrongly_is_taken_back(services: Services) -> None:
    voice = await enrolled(services)
    client = await said(services, TALK)
    [track] = await services.store.tracks_of(client.transcript_id)
    zoe = await services.store.voices.enrolled.create(
        owner=None,
        project_id=None,
        name="Zoe",
        encoder=voice.encoder,
        dim=voice.dim,
        embedding=voice.embedding,
        heard_samples=1,
        transcript_id=client.transcript_id,
    )
    recognition = services.relabelling._recognition
    asked = await recognition.known(client.transcript_id, voice.encoder)
    assert {each.name for each in asked} == {voice.id, zoe.id}
    await recognition.found(track, {0: None, 1: zoe.id}, asked)
    assert [each.name for each in await people(services, client)] == ["Zoe"]
    await recognition.found(track, {0: voice.id, 1: None}, asked)
    assert [(each.name, each.speaker) for each in await people(services, client)] == [("Ann", "Speaker 1")]
    # What a pass did not compare with it does not judge.
    await recognition.found(track, {0: None, 1: None}, [each for each in asked if each.name != voice.id])
    assert [each.name for each in await people(services, client)] == ["Ann"]


async def test_after_it_is_deleted_it_is_nobody_and_names_stay(services: Services) -> None:
    voice = await enrolled(services)
    before = await said(services, TALK)
    await services.store.voices.enrolled.delete(voice.id)
    after = await said(services, TALK)
    assert [speaker for _, speaker in await shown(services, after.transcript_id)] == [
        *("Speaker 1", "Speaker 2", "Speaker 1")
    ]
    await services.relabelling.relabel(before.transcript_id)
    assert await shown(services, before.transcript_id) == FOUND


async def test_one_that_is_deleted_while_it_is_heard_is_named_no_more(services: Services) -> None:
    voice = await enrolled(services)
    client = await new_client(services)
    await client.begin()
    await services.store.voices.enrolled.delete(voice.id)
    await client.say(TALK)
    await client.stop()
    assert await people(services, client) == []
    assert {speaker for _, speaker in await shown(services, client.transcript_id)} == {"Speaker 1", "Speaker 2"}


async def test_it_goes_on_after_a_restart_under_the_same_label(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        await enrolled(services)
        client = await new_client(services)
        await client.begin()
        await client.say(TALK[: 2 * 16_000 * 7])
        await client.control(Control.FINALIZE)
        await client.wait_for(lambda client: bool(client.of("finalized")))
        await services.relabelling._recognition.settled(client.transcript_id)
    token = client.of("started")[0]["resume_token"]
    async with running_services(tmp_path) as services:
        again = Client(services, client.transcript_id)
        await again.begin(resume=token)
        position = again.of("started")[0]["position"]
        await again.say(TALK[position * 2 : 2 * 16_000 * 7] + talk((1, 0.5, SECOND), (2, 4.0, FIRST), length_s=7.5))
        await again.stop()
        assert await shown(services, client.transcript_id) == [
            *((FIRST, "Speaker 1"), (SECOND, "Ann"), (SECOND, "Ann"), (FIRST, "Speaker 3"))
        ]
        assert [each.name for each in await people(services, again)] == ["Ann"]


async def test_another_owners_voices_and_those_of_other_projects_are_never_matched(tmp_path: Path) -> None:
    async with running_services(tmp_path, auth_mode="jwt", jwt_secret="x" * 40) as services:
        mine = await said(services, ANNS, owner="anna")
        project = await services.store.projects.create(
            name="p", owner="anna", language="en", is_open=True, portal={}, tags_max=1, projects_max=9
        )
        await services.enrolment.enrol(mine.transcript_id, "Speaker 1", name="Ann")
        await services.enrolment.enrol(mine.transcript_id, "Speaker 1", name="Ann of p", project_id=project.id)
        for owner, name in (("anna", "Ann"), ("bert", "Speaker 2"), (None, "Speaker 2")):
            client = await said(services, TALK, owner=owner)
            assert [speaker for _, speaker in await shown(services, client.transcript_id)][1] == name
        conversation = await services.store.conversations.begin(
            project.id, name="", email=None, tags=(), source="PORTAL_AUDIO"
        )
        client = Client(services, conversation.id)
        await client.begin()
        await client.say(TALK)
        await client.stop()
        assert [speaker for _, speaker in await shown(services, client.transcript_id)][1] == "Ann of p"
        nobodys = await said(services, ANNS)
        with pytest.raises(Conflict, match="nobody owns"):
            await services.enrolment.enrol(nobodys.transcript_id, "Speaker 1", name="Ann")
