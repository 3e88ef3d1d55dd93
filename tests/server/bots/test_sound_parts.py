"""Parts of a participant's sound begin and end where their sound does, whatever the store does meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from protocol.blocks import SAMPLE_RATE_HZ, Block, silence
from server.bots import sound_parts
from server.bots.sound_parts import SoundParts
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


async def test_they_are_stored_while_they_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_parts, "WRITTEN_EVERY_S", 0.0)
    transcript_id = (await store.create_transcript()).id
    parts = SoundParts(store.meeting_parts, transcript_id)
    parts.heard(1, block(0.0, 0.5))
    parts.tick()
    async with asyncio.timeout(30):
        stored = await times(store, transcript_id)
        while not stored:
            stored = await times(store, transcript_id)
    parts.heard(1, block(0.5, 1.0))
    await parts.close()
    assert await times(store, transcript_id) == [(1, 0.0, 1.0)]


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
    parts.heard(1, block(0.0, 1.0))
    await store.delete_transcript(transcript_id)
    await parts.close()
    assert await times(store, transcript_id) == []
