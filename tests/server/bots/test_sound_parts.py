"""Parts of a participant's sound begin and end where their sound does, whatever the store does meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from protocol.blocks import SAMPLE_RATE_HZ, Block, silence
from protocol.ids import new_meeting_part_id
from server.bots import sound_parts
from server.bots.sound_parts import SoundParts
from server.store.meeting_part_store import MeetingPart
from server.store.store import Store


def block(start_s: float, end_s: float) -> Block:
    return silence(round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ))


async def times(store: Store, transcript_id: str) -> list[tuple[int, float, float | None]]:
    found = await store.meeting_parts.of_transcript(transcript_id)
    return [(each.participant_id, each.start_s, each.end_s) for each in found]


async def test_a_pause_ends_a_part_and_a_moment_does_not(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    parts = SoundParts(store.meeting_parts, transcript_id)
    for start_s, end_s in ((0.0, 0.5), (0.5, 1.0), (2.0, 3.0), (4.5, 5.0)):
        parts.heard(1, block(start_s, end_s))
    parts.heard(2, block(4.0, 6.0))
    await parts.close()
    assert await times(store, transcript_id) == [(1, 0.0, 3.0), (2, 4.0, 6.0), (1, 4.5, 5.0)]
    await parts.close()


async def test_they_are_stored_when_they_begin_and_when_they_have_ended(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    parts = SoundParts(store.meeting_parts, transcript_id)
    for number, at_s in enumerate((0.0, 3.0), start=1):
        parts.heard(1, block(at_s, at_s + 0.5))
        async with asyncio.timeout(30):
            while len(stored := await times(store, transcript_id)) < number:  # noqa: ASYNC110 - it comes by itself
                await asyncio.sleep(0.01)
    assert stored == [(1, 0.0, 0.5), (1, 3.0, None)]  # as a crash would leave it
    await parts.close()
    assert await times(store, transcript_id) == [(1, 0.0, 0.5), (1, 3.0, 3.5)]


async def test_what_was_heard_by_a_connection_before_goes_on_without_a_pause(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    first = SoundParts(store.meeting_parts, transcript_id)
    for who in (1, 2):
        await first.look()
        first.resume(who, 0.0)
        first.heard(who, block(0.0, 2.0))
    await first.close()
    second = SoundParts(store.meeting_parts, transcript_id)
    for who, at_s in ((1, 2.5), (2, 3.5)):
        await second.look()
        second.resume(who, 2.0)
        second.heard(who, block(at_s, at_s + 1.0))
    await second.close()
    await first.close()  # whose connection was found lost later: it shortens nothing
    assert sorted(await times(store, transcript_id)) == [(1, 0.0, 3.5), (2, 0.0, 2.0), (2, 3.5, 4.5)]


async def test_what_the_end_of_the_server_cut_short_ends_where_its_sound_did(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    for who in (1, 2):
        cut = MeetingPart(new_meeting_part_id(), transcript_id, "audio", who, 1.0)
        await store.meeting_parts.put([cut])
    parts = SoundParts(store.meeting_parts, transcript_id)
    for who, at_s in ((1, 9.0), (2, 4.2)):
        await parts.look()
        parts.resume(who, 4.0)
        parts.heard(who, block(at_s, 10.0))
    await parts.close()
    assert sorted(await times(store, transcript_id)) == [(1, 1.0, 4.0), (1, 9.0, 10.0), (2, 1.0, 10.0)]


async def test_who_mutes_too_often_has_longer_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_parts, "PARTS_MAX", 2)
    transcript_id = (await store.create_transcript()).id
    parts = SoundParts(store.meeting_parts, transcript_id)
    for at_s in (0.0, 3.0, 6.0):
        parts.heard(1, block(at_s, at_s + 1))
    await parts.close()
    assert await times(store, transcript_id) == [(1, 0.0, 1.0), (1, 3.0, 7.0)]


async def test_of_a_transcript_that_is_gone_nothing_is_stored(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    parts = SoundParts(store.meeting_parts, transcript_id)
    await store.delete_transcript(transcript_id)
    parts.heard(1, block(0.0, 1.0))
    await parts.close()
    assert await times(store, transcript_id) == []
