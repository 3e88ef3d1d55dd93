"""Meetings end by themselves, and what was due is done after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import Conflict
from protocol.states import TranscriptState
from server.live import SourceOptions
from server.meetings.meetings import Meetings
from server.meetings.providers import providers_of
from server.services import Services
from server.store.meeting_records import Meeting, MeetingState, Room
from tests.fakes.node import node_settings, running_services
from tests.fakes.scripted_sound import blocks_of, scripted_sound, sentence


class Clocks:
    """Both of them, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with running_services(tmp_path) as services:
        yield services


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def meetings_of(services: Services, clocks: Clocks) -> Meetings:
    """Others than the node's own, which see other clocks; swept by hand."""
    settings = services.settings
    return Meetings(
        settings,
        services.store,
        services.hub,
        providers_of(settings),
        services.removal.delete_sound,
        clock=clocks,
        monotonic=clocks,
    )


@pytest.fixture
async def meetings(services: Services, clocks: Clocks) -> AsyncIterator[Meetings]:
    made = meetings_of(services, clocks)
    yield made
    await made.stop()


async def room_of(services: Services, name: str = "weekly") -> Room:
    return await services.store.rooms.create(name=name, owner=None, rooms_max=10)


async def speak(services: Services, meeting: Meeting, *, seconds: float = 2.0) -> None:
    """Somebody whose connection is lost afterwards."""
    assert meeting.transcript_id is not None
    session = await services.hub.attach(meeting.transcript_id, SourceOptions(speaker="Anna", track="par_1"))

    def ended(_error: object) -> None:
        pass

    session.attach(ended)
    for block in blocks_of(scripted_sound(sentence("alpha bravo", 0.3), length_s=seconds)):
        session.feed(block)
    session.lost(ended, "gone")


async def state_of(services: Services, meeting: Meeting) -> MeetingState:
    return (await services.store.rooms.get_meeting(meeting.id)).state


async def test_a_meeting_that_nobody_is_in_ends(services: Services, meetings: Meetings, clocks: Clocks) -> None:
    meeting, _ = await meetings.open(await room_of(services))
    empty_s = services.settings.meeting_empty_s
    clocks.now_s += empty_s - 1
    await meetings.sweep()
    assert await state_of(services, meeting) is MeetingState.ACTIVE
    meetings.seen(meeting.id)  # somebody joins at the last moment
    clocks.now_s += empty_s - 1
    await meetings.sweep()
    assert await state_of(services, meeting) is MeetingState.ACTIVE
    assert meetings.active_count == 1
    clocks.now_s += 1
    await meetings.sweep()
    await meetings.conclude_soon(await services.store.rooms.get_meeting(meeting.id))
    assert await state_of(services, meeting) is MeetingState.ENDED
    assert meetings.active_count == 0


async def test_a_meeting_that_somebody_is_in_goes_on_until_its_last_hour(
    services: Services, meetings: Meetings, clocks: Clocks
) -> None:
    await services.asr.wait_ready()
    meeting, _ = await meetings.open(await room_of(services))
    assert meeting.transcript_id is not None
    await speak(services, meeting)
    for _ in range(3):
        clocks.now_s += services.settings.meeting_empty_s + 1
        await meetings.sweep()
        assert await state_of(services, meeting) is MeetingState.ACTIVE
    clocks.now_s = meeting.ends_at
    with pytest.raises(Conflict, match="Meeting has ended"):
        await meetings.active(meeting.id)
    await meetings.conclude_soon(await services.store.rooms.get_meeting(meeting.id))
    assert await state_of(services, meeting) is MeetingState.ENDED
    assert (await services.store.get_transcript(meeting.transcript_id)).state is TranscriptState.ENDED
    assert not services.hub.sessions


async def test_a_room_whose_meeting_is_over_time_gets_another(
    services: Services, meetings: Meetings, clocks: Clocks
) -> None:
    room = await room_of(services)
    first, _ = await meetings.open(room)
    clocks.now_s = first.ends_at
    second, is_new = await meetings.open(room)
    assert is_new
    assert second.id != first.id
    assert not (await services.store.rooms.get_meeting(first.id)).is_active


async def test_those_who_open_at_once_open_one(services: Services, meetings: Meetings, clocks: Clocks) -> None:
    other_node = meetings_of(services, clocks)
    room = await room_of(services)
    found = await asyncio.gather(*(each.open(room) for each in [meetings, other_node] * 3))
    assert len({meeting.id for meeting, _ in found}) == 1
    await other_node.stop()


async def test_what_was_due_is_done_after_a_restart(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        await services.asr.wait_ready()
        going_on, _ = await services.meetings.open(await room_of(services, "going-on"))
        meeting, _ = await services.meetings.open(await room_of(services))
        assert meeting.transcript_id is not None
        joined = await services.attendances.join(meeting.id, "Anna", is_host=True)
        await services.store.rooms.set_consent(meeting.id, joined.attendance.id, given=False)
        await speak(services, meeting)
        # Ended, and then the node dies: neither the last words nor the deletion came about.
        await services.store.rooms.end_meeting(meeting.id)
    folder = node_settings(tmp_path).recordings_dir / meeting.transcript_id
    assert any(folder.iterdir())
    async with running_services(tmp_path) as services:
        await services.asr.wait_ready()
        await services.store.update_transcript(meeting.transcript_id, locked=True)  # which does not keep the sound
        await services.meetings.sweep()
        await services.meetings.conclude_soon(await services.store.rooms.get_meeting(meeting.id))
        transcript = await services.store.get_transcript(meeting.transcript_id)
        assert (transcript.state, transcript.audio_deleted) == (TranscriptState.ENDED, True)
        assert transcript.words == 2
        assert not folder.exists()
        assert await state_of(services, meeting) is MeetingState.ENDED
        assert await state_of(services, going_on) is MeetingState.ACTIVE
        again = await services.attendances.join(going_on.id, "Ben", is_host=True)
        assert again.attendance.name == "Ben"


async def test_sound_in_the_bin_is_not_forgotten(services: Services, meetings: Meetings) -> None:
    """It could come back from there, and with it what somebody did not want to be kept."""
    await services.asr.wait_ready()
    meeting, _ = await meetings.open(await room_of(services))
    assert meeting.transcript_id is not None
    joined = await services.attendances.join(meeting.id, "Anna", is_host=True)
    await services.store.rooms.set_consent(meeting.id, joined.attendance.id, given=False)
    await speak(services, meeting)
    await services.removal.delete(meeting.transcript_id)
    await meetings.end(meeting.id)
    await meetings.conclude_soon(meeting)
    assert await state_of(services, meeting) is MeetingState.ENDING
    await services.removal.restore(meeting.transcript_id)
    await meetings.conclude_soon(meeting)
    assert (await services.store.get_transcript(meeting.transcript_id)).audio_deleted
    assert await state_of(services, meeting) is MeetingState.ENDED


async def test_a_meeting_whose_transcript_is_destroyed_is_done(services: Services, meetings: Meetings) -> None:
    meeting, _ = await meetings.open(await room_of(services))
    assert meeting.transcript_id is not None
    await services.removal.discard(meeting.transcript_id)
    await meetings.end(meeting.id)
    await meetings.conclude_soon(meeting)
    assert await state_of(services, meeting) is MeetingState.ENDED


async def test_a_meeting_whose_words_are_in_the_bin_is_done_where_its_sound_may_stay(
    services: Services, meetings: Meetings
) -> None:
    meeting, _ = await meetings.open(await room_of(services))
    assert meeting.transcript_id is not None
    await services.removal.delete(meeting.transcript_id)
    await meetings.end(meeting.id)
    await meetings.conclude_soon(meeting)
    assert await state_of(services, meeting) is MeetingState.ENDED
