"""The bin, and what goes for good: nothing is lost that can be restored, nothing stays that was destroyed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import Conflict, NotFound
from protocol.events import StatusChanged
from protocol.states import TranscriptState
from server.bots.signatures import new_secret
from server.removal import DAY_S, SOUNDLESS, Removal
from server.services import Services
from server.store.bot_store import NewBot
from tests.fakes.node import Client, events_of, new_client, running_services, texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.server.bots.meetings import Meeting
from tests.server.bots.test_video_parts import picture
from tests.server.test_intake import EXPECTED as FILE_EXPECTED
from tests.server.test_intake import WORDS as FILE_WORDS
from tests.server.test_intake import write_wav

SOUND = scripted_sound(sentence("alpha bravo", 0.5))


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path / "data") as services:
        yield services


async def recorded(services: Services) -> Client:
    client = await new_client(services)
    await client.begin()
    await client.say(SOUND)
    await client.stop()
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    return client


def kept_files(services: Services, client: Client) -> list[str]:
    return [path.name for path in services.settings.recordings_dir.glob(f"{client.transcript_id}/*")]


async def test_what_is_live_on_a_deleted_one_ends_with_its_words_kept(services: Services) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(SOUND)
    await services.removal.delete(client.transcript_id)
    with pytest.raises(NotFound):
        await client.begin()
    assert speaking.session.finishing is not None
    await speaking.session.finishing
    await services.removal.restore(client.transcript_id)
    kept = await services.store.get_transcript(client.transcript_id)
    assert (kept.state, kept.deleted_at) == (TranscriptState.ENDED, None)
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo"
    await client.begin()  # and it can go on
    await client.stop()


@pytest.mark.parametrize("how", ["into the bin", "for good", "for good by another node"])
async def test_a_bot_that_only_shows_something_is_sent_away_from_a_deleted_one(services: Services, how: str) -> None:
    bot = await services.store.bots.create(NewBot("Notes", None, {}, None, None, new_secret()), language="en")
    meeting = Meeting(services, bot.transcript.id, bot.id)
    stream = meeting.connect()
    folder = services.settings.recordings_dir / meeting.id
    async with services.attending.connected(bot, stream):
        await stream.take(picture(1.0))
        assert not services.hub.sessions
        assert len(list(folder.iterdir())) == 1
        if how == "into the bin":
            await services.removal.delete(meeting.id)
        elif how == "for good":
            await services.removal.discard(meeting.id)
        else:
            await services.store.destroy_transcript(meeting.id)
            await services.removal.end_deleted()
        assert [type(error) for error in meeting.ended] == [NotFound]
        await stream.take(picture(2.0))
        await stream.lost("sent away")
    assert folder.exists() == (how == "into the bin")
    if how == "into the bin":
        await services.removal.restore(meeting.id)
        assert (await services.store.get_transcript(meeting.id)).state is TranscriptState.ENDED


async def test_a_file_that_is_not_heard_to_its_end_goes_on_when_it_is_restored(
    services: Services, tmp_path: Path
) -> None:
    client = await new_client(services)
    path = write_wav(tmp_path / "talk.wav", scripted_sound(FILE_WORDS))
    await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
    await services.removal.delete(client.transcript_id)
    await services.removal.restore(client.transcript_id)
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    assert await words_of(services, client.transcript_id) == FILE_EXPECTED


async def test_a_restart_leaves_the_bin_alone_and_what_is_restored_after_it_is_completed(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data") as services:
        client = await new_client(services)
        path = write_wav(tmp_path / "talk.wav", scripted_sound(FILE_WORDS))
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
        await services.removal.delete(client.transcript_id)
    async with running_services(tmp_path / "data") as services:
        assert not services.hub.sessions
        await services.removal.restore(client.transcript_id)
        await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
        assert await words_of(services, client.transcript_id) == FILE_EXPECTED


async def test_only_from_the_bin_something_is_destroyed_and_then_nothing_is_left(services: Services) -> None:
    client, other = await recorded(services), await recorded(services)
    with pytest.raises(Conflict, match="soft-deleted first"):
        await services.removal.destroy(client.transcript_id)
    assert await events_of(services, client.transcript_id)
    await services.removal.delete(client.transcript_id)
    assert kept_files(services, client)
    await services.removal.destroy(client.transcript_id)
    assert not kept_files(services, client)
    assert not await events_of(services, client.transcript_id)
    assert not await services.store.segments_of(client.transcript_id)
    for again in (services.removal.restore, services.removal.destroy, services.removal.delete):
        with pytest.raises(NotFound):
            await again(client.transcript_id)
    assert kept_files(services, other)
    assert texts(await words_of(services, other.transcript_id)) == "alpha bravo"


async def test_sound_alone_is_removed_and_the_words_stay(services: Services) -> None:
    client = await new_client(services)
    speaking = await client.begin()
    await client.say(SOUND)
    with pytest.raises(Conflict, match="still being recorded"):
        await services.removal.delete_sound(client.transcript_id)
    await client.stop()
    del speaking
    await wait_for_state(services, client.transcript_id, TranscriptState.ENDED)
    before = await services.store.get_transcript(client.transcript_id)
    for _ in range(2):
        await services.removal.delete_sound(client.transcript_id)
    kept = await services.store.get_transcript(client.transcript_id)
    assert (kept.audio_deleted, kept.duration_samples) == (True, before.duration_samples)
    assert kept.last_seq == before.last_seq + 1  # readers are told once
    told = (await events_of(services, client.transcript_id))[-1].body
    assert isinstance(told, StatusChanged)
    assert (told.state, told.message) == (TranscriptState.ENDED, SOUNDLESS)
    assert not kept_files(services, client)
    assert texts(await words_of(services, client.transcript_id)) == "alpha bravo"
    with pytest.raises(Conflict, match="for privacy"):
        await client.begin()


async def test_a_locked_one_takes_no_sound_from_anybody(services: Services, tmp_path: Path) -> None:
    client = await recorded(services)
    token = client.of("started")[0]["resume_token"]
    await services.store.update_transcript(client.transcript_id, locked=True)
    with pytest.raises(Conflict, match="locked"):
        await client.begin()
    with pytest.raises(Conflict, match="locked"):
        await client.begin(resume=token)
    path = write_wav(tmp_path / "talk.wav", SOUND)
    with pytest.raises(Conflict, match="locked"):
        await services.intake.add_file(client.transcript_id, path, filename="talk.wav")
    assert path.exists()
    with pytest.raises(Conflict, match="locked"):
        await services.removal.discard(client.transcript_id)
    assert not services.hub.sessions
    assert (await services.store.get_transcript(client.transcript_id)).state is TranscriptState.ENDED
    await services.store.update_transcript(client.transcript_id, locked=False)
    await client.begin(resume=token)
    await client.stop()


async def test_what_a_crash_left_of_removed_sound_is_removed_after_the_next_start(services: Services) -> None:
    """The database was told, and then the power went: the files are there still."""
    destroyed, without_sound, whole = [await recorded(services) for _ in range(3)]
    await services.store.destroy_transcript(destroyed.transcript_id)
    await services.store.remove_audio(without_sound.transcript_id)
    foreign = services.settings.recordings_dir / "not-one-of-ours"
    foreign.mkdir()
    assert await services.removal.sweep() == 2
    assert not kept_files(services, destroyed)
    assert not kept_files(services, without_sound)
    assert kept_files(services, whole)
    assert foreign.is_dir()


async def test_the_bin_is_emptied_of_what_is_old(services: Services) -> None:
    old, kept = await new_client(services), await new_client(services)
    await services.removal.delete(old.transcript_id)
    days = services.settings.deleted_kept_days

    def removal(after_days: float) -> Removal:
        clock = time.time() + after_days * DAY_S
        rooms = services.settings, services.store, services.journal, services.hub, services.intake
        return Removal(*rooms, clock=lambda: clock)

    assert await removal(days - 1).empty() == 0
    assert await removal(days + 1).empty() == 1
    with pytest.raises(NotFound):
        await services.store.get_transcript(old.transcript_id, including_deleted=True)
    await services.store.get_transcript(kept.transcript_id)


async def test_where_nothing_is_kept_deleting_destroys(tmp_path: Path) -> None:
    async with running_services(tmp_path / "data", deleted_kept_days=0) as services:
        client = await recorded(services)
        await services.removal.delete(client.transcript_id)
        assert not kept_files(services, client)
        with pytest.raises(NotFound):
            await services.removal.restore(client.transcript_id)
