"""Rooms, meetings and participants, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from protocol.errors import Conflict, NotFound, Overloaded
from server.store import room_store
from server.store.meeting_records import Attendance, Meeting, MeetingState, Room
from server.store.standing import ShareMode, Viewer
from server.store.store import Store

MISSING = "00000000-0000-4000-8000-000000000000"


async def made(
    store: Store,
    name: str = "weekly",
    *,
    owner: str | None = None,
    share_mode: ShareMode = "private",
    language: str = "en",
    settings: dict[str, Any] | None = None,
    rooms_max: int = 50,
) -> Room:
    return await store.rooms.create(
        name=name, owner=owner, share_mode=share_mode, language=language, settings=settings, rooms_max=rooms_max
    )


async def opened(
    store: Store, room: Room, *, meetings_max: int = 50, owner_max: int | None = None
) -> tuple[Meeting, bool]:
    return await store.rooms.open_meeting(
        room, title="Weekly", room_url="/r/weekly", ends_at=2e9, meetings_max=meetings_max, owner_max=owner_max
    )


async def joined_as(store: Store, meeting: Meeting, name: str, user_id: str | None = None) -> Attendance:
    return await store.rooms.join(meeting.id, token_hash=name, user_id=user_id, choose_name=lambda _: name)


async def test_a_room_is_kept_as_it_was_made(store: Store, database_url: str) -> None:
    room = await made(store, owner="me", share_mode="public", language="de", settings={"room_mode": "group"})
    again = await Store.open(database_url)
    assert await again.rooms.get(room.id) == room == await again.rooms.named("weekly")
    await again.close()
    for unknown in (store.rooms.get(MISSING), store.rooms.named("other"), store.rooms.delete(MISSING)):
        with pytest.raises(NotFound):
            await unknown


async def test_a_name_is_taken_once_among_the_living(store: Store) -> None:
    first = await made(store)
    with pytest.raises(Conflict, match="another name"):
        await made(store)
    other = await made(store, "daily")
    with pytest.raises(Conflict):
        await store.rooms.change(other.id, {"name": "weekly"})
    assert (await store.rooms.get(other.id)).name == "daily"
    await store.rooms.delete(first.id)
    with pytest.raises(NotFound):
        await store.rooms.get(first.id)
    assert (await made(store)).id != first.id
    at_once = await asyncio.gather(*(made(store, "rush") for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in at_once) == ["Conflict"] * 4 + ["Room"]


async def test_rooms_are_bounded(store: Store) -> None:
    await made(store)
    with pytest.raises(Overloaded, match="as many rooms"):
        await made(store, "one-more", rooms_max=1)


async def test_a_change_keeps_what_it_does_not_name(store: Store) -> None:
    room = await made(store, settings={"room_mode": "group", "skip_consent": True})
    changed = await store.rooms.change(room.id, {"is_locked": True}, settings={"skip_consent": False})
    assert (changed.name, changed.is_locked) == ("weekly", True)
    assert changed.settings == {"room_mode": "group", "skip_consent": False}
    assert changed.updated_at > room.updated_at
    with pytest.raises(NotFound):
        await store.rooms.change(MISSING, {"is_locked": True})


async def test_a_page_shows_whose_rooms_they_are(store: Store) -> None:
    mine = await made(store, "mine", owner="me")
    await made(store, "hers", owner="her")
    shared = await made(store, "shared", owner="her", share_mode="semi-private")
    items, total = await store.rooms.page(page=1, size=1, viewer=Viewer("me"))
    assert ([item.id for item in items], total) == ([shared.id], 2)
    items, _ = await store.rooms.page(page=2, size=1, viewer=Viewer("me"))
    assert [item.id for item in items] == [mine.id]
    assert (await store.rooms.page(page=1, size=50))[1] == 3


async def test_those_who_come_at_once_get_the_same_meeting(store: Store) -> None:
    room = await made(store, owner="me", language="fr")
    found = await asyncio.gather(*(opened(store, room) for _ in range(6)))
    assert len({meeting.id for meeting, _ in found}) == 1
    assert sum(is_new for _, is_new in found) == 1
    meeting = found[0][0]
    assert meeting == await store.rooms.get_meeting(meeting.id) == await store.rooms.active_meeting(room.id)
    assert meeting.transcript_id is not None
    transcript = await store.get_transcript(meeting.transcript_id)
    assert (transcript.name, transcript.owner, transcript.language) == ("Weekly", "me", "fr")
    assert (await store.list_transcripts())[1] == 1  # those who came second left none behind


async def test_a_meeting_ends_once_and_the_next_one_is_another(store: Store) -> None:
    room = await made(store)
    meeting, _ = await opened(store, room)
    ended = await asyncio.gather(*(store.rooms.end_meeting(meeting.id) for _ in range(3)))
    assert sum(was_active for _, was_active in ended) == 1
    assert (await store.rooms.get_meeting(meeting.id)).ended_at is not None
    assert [each.id for each in await store.rooms.open_meetings()] == [meeting.id]  # its words may still be due
    await store.rooms.finish_meeting(meeting.id)
    assert (await store.rooms.get_meeting(meeting.id)).state is MeetingState.ENDED
    assert await store.rooms.open_meetings() == []
    other, is_new = await opened(store, room)
    assert is_new
    assert other.id != meeting.id
    with pytest.raises(NotFound):
        await store.rooms.end_meeting(MISSING)
    with pytest.raises(NotFound):
        await store.rooms.get_meeting(MISSING)


async def test_meetings_are_bounded(store: Store) -> None:
    await opened(store, await made(store))
    with pytest.raises(Overloaded, match="as many meetings"):
        await opened(store, await made(store, "other"), meetings_max=1)


async def test_one_owner_does_not_hold_the_meetings_of_all(store: Store) -> None:
    first, second = [await made(store, name, owner="anna") for name in ("one", "two")]
    meeting, _ = await opened(store, first, owner_max=1)
    with pytest.raises(Conflict, match="as many meetings as one may have"):
        await opened(store, second, owner_max=1)
    for owner in ("bert", None, None):
        name = f"{owner}-{len(await store.rooms.open_meetings())}"
        assert (await opened(store, await made(store, name, owner=owner), owner_max=1))[1]
    assert not (await opened(store, first, owner_max=1))[1]  # the one that goes on is no further one
    await store.rooms.end_meeting(meeting.id)
    assert (await opened(store, second, owner_max=1))[1]


async def test_an_ad_hoc_room_goes_with_its_meeting(store: Store) -> None:
    room = await made(store, settings={"ad_hoc": True})
    meeting, _ = await opened(store, room)
    await store.rooms.end_meeting(meeting.id)
    await store.rooms.finish_meeting(meeting.id)
    with pytest.raises(NotFound):
        await store.rooms.get(room.id)
    assert (await store.rooms.get_meeting(meeting.id)).room.name == "weekly"


async def test_an_ad_hoc_room_stays_for_another_meeting_and_goes_with_that_one(store: Store) -> None:
    room = await made(store, settings={"ad_hoc": True})
    first, _ = await opened(store, room)
    await store.rooms.end_meeting(first.id)
    second, is_new = await opened(store, room)  # before the first one's last words are there
    assert is_new
    await store.rooms.finish_meeting(first.id)
    assert (await store.rooms.get(room.id)).name == "weekly"
    await store.rooms.end_meeting(second.id)
    await store.rooms.finish_meeting(second.id)
    with pytest.raises(NotFound):
        await store.rooms.get(room.id)


async def test_participants_join_until_the_end(store: Store) -> None:
    meeting, _ = await opened(store, await made(store))

    def numbered(there: Sequence[Attendance]) -> str:
        return f"Anna {len(there) + 1}"

    joined = await asyncio.gather(
        *(store.rooms.join(meeting.id, token_hash=f"{n}", user_id=None, choose_name=numbered) for n in range(5))
    )
    assert sorted(each.name for each in joined) == [f"Anna {n}" for n in range(1, 6)]
    assert await store.rooms.attending("3") == (joined[3], meeting)
    assert await store.rooms.attending("none") is None
    assert meeting.transcript_id is not None
    named = await store.participants_of(meeting.transcript_id)
    assert {(each.speaker, each.name) for each in named} == {(f"Anna {n}", f"Anna {n}") for n in range(1, 6)}
    await store.rooms.set_left(joined[0].id, left=True)
    there = {each.id: each.left_at for each in await store.rooms.attendances_of(meeting.id)}
    assert there[joined[0].id] is not None
    assert there[joined[1].id] is None
    await store.rooms.end_meeting(meeting.id)
    with pytest.raises(Conflict, match="Meeting has ended"):
        await store.rooms.join(meeting.id, token_hash="late", user_id=None, choose_name=numbered)
    with pytest.raises(NotFound):
        await store.rooms.join(MISSING, token_hash="x", user_id=None, choose_name=numbered)


async def test_one_denial_is_enough_also_after_the_end(store: Store) -> None:
    meeting, _ = await opened(store, await made(store))
    people = [await joined_as(store, meeting, name) for name in ("Anna", "Ben")]
    await store.rooms.set_consent(meeting.id, people[0].id, given=True)
    assert not await store.rooms.wants_no_sound(meeting)
    await store.rooms.end_meeting(meeting.id)
    await store.rooms.finish_meeting(meeting.id)
    assert (await store.rooms.set_consent(meeting.id, people[0].id, given=True)).state is MeetingState.ENDED
    assert (await store.rooms.set_consent(meeting.id, people[1].id, given=False)).state is MeetingState.ENDING
    assert await store.rooms.wants_no_sound(meeting)
    assert [each.id for each in await store.rooms.open_meetings()] == [meeting.id]  # so that it is done after a crash


async def test_a_denial_of_somebody_who_did_not_join_is_never_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_store, "BYSTANDERS_MAX", 2)
    meeting, _ = await opened(store, await made(store))

    async def answer(n: int, *, given: bool) -> None:
        attendance, counts = await store.rooms.bystander(meeting.id, token_hash=f"{n}", given=given)
        if counts:
            await store.rooms.set_consent(meeting.id, attendance.id, given=given)

    for n in range(4):
        await answer(n, given=True)
    assert not await store.rooms.wants_no_sound(meeting)
    await answer(5, given=False)
    await answer(6, given=True)
    assert await store.rooms.wants_no_sound(meeting)
    assert len(await store.rooms.attendances_of(meeting.id)) == 2
    joined = await store.rooms.join(
        meeting.id, token_hash="x", user_id=None, choose_name=lambda ever: f"Anna {len(ever)}"
    )
    assert joined.name == "Anna 0"  # they did not join


async def test_a_room_that_keeps_no_sound(store: Store) -> None:
    meeting, _ = await opened(store, await made(store, settings={"recording_type": "none"}))
    assert await store.rooms.wants_no_sound(meeting)


async def test_a_meeting_is_not_done_while_unwanted_sound_is_there(store: Store) -> None:
    """Whoever denies between the last look and the end of all is heard, too."""
    meeting, _ = await opened(store, await made(store))
    assert meeting.transcript_id is not None
    anna = await joined_as(store, meeting, "Anna")
    await store.rooms.end_meeting(meeting.id)
    assert not await store.rooms.wants_no_sound(meeting)
    await store.rooms.set_consent(meeting.id, anna.id, given=False)
    await store.rooms.finish_meeting(meeting.id)
    assert (await store.rooms.get_meeting(meeting.id)).state is MeetingState.ENDING
    await store.remove_audio(meeting.transcript_id)
    await store.rooms.finish_meeting(meeting.id)
    assert (await store.rooms.get_meeting(meeting.id)).state is MeetingState.ENDED


async def test_meetings_are_listed_for_those_who_own_or_attended_them(store: Store) -> None:
    mine, _ = await opened(store, await made(store, "mine", owner="me"))
    hers, _ = await opened(store, await made(store, "hers", owner="her"))
    await opened(store, await made(store, "other", owner="her"))
    await joined_as(store, hers, "Me", user_id="me")
    items, total = await store.rooms.meetings_page(page=1, size=50, viewer=Viewer("me"))
    assert ([each.id for each in items], total) == ([hers.id, mine.id], 2)
    assert (await store.rooms.meetings_page(page=1, size=50))[1] == 3
    await store.rooms.end_meeting(mine.id)
    items, _ = await store.rooms.meetings_page(page=1, size=50, room_id=mine.room_id, active=False)
    assert [each.id for each in items] == [mine.id]
    assert (await store.rooms.meetings_page(page=1, size=50, active=True))[1] == 2
