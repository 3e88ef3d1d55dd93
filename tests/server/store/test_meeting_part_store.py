"""Parts of meetings, in both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import NotFound
from protocol.ids import new_meeting_part_id
from server.store.meeting_part_store import MeetingPart
from server.store.store import Store


def part(transcript_id: str, participant_id: int, start_s: float, end_s: float | None = None) -> MeetingPart:
    return MeetingPart(new_meeting_part_id(), transcript_id, "audio", participant_id, start_s, end_s)


async def test_parts_begin_and_end(store: Store) -> None:
    own, other = (await store.create_transcript()).id, (await store.create_transcript()).id
    late, early, of_other = part(own, 2**53 - 1, 7.0), part(own, 2, 0.5, 1.5), part(other, 1, 0.0)
    await store.meeting_parts.put([late, early, of_other])
    assert await store.meeting_parts.of_transcript(own) == [early, late]
    ended = replace(late, end_s=9.25)
    await store.meeting_parts.put([ended])
    assert await store.meeting_parts.of_transcript(own) == [early, ended]
    assert await store.meeting_parts.get(late.id) == ended
    await store.meeting_parts.put([replace(late, end_s=8.0), late])  # by a connection that is over
    assert await store.meeting_parts.get(late.id) == ended
    with pytest.raises(NotFound):
        await store.meeting_parts.get(new_meeting_part_id())


async def test_they_go_with_their_transcript(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    mine = part(transcript_id, 1, 0.0)
    await store.meeting_parts.put([mine])
    await store.delete_transcript(transcript_id)
    with pytest.raises(NotFound):
        await store.meeting_parts.get(mine.id)
    with pytest.raises(NotFound):
        await store.meeting_parts.put([part(transcript_id, 1, 0.0)])
    await store.destroy_transcript(transcript_id)
    assert await store.meeting_parts.of_transcript(transcript_id) == []
