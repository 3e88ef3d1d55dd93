"""What is told of participants of meetings, in both databases."""

from __future__ import annotations

import pytest

from protocol.errors import NotFound
from protocol.participants import MeetingParticipant
from server.store.store import Store

ADA = MeetingParticipant(id=2**53 - 1, name="Ada", is_host=True, platform="zoom", extra_data={"a": [1, None]})
BEN = MeetingParticipant(id=0)


async def test_the_newest_of_each(store: Store) -> None:
    own, other = (await store.create_transcript()).id, (await store.create_transcript()).id
    await store.meeting_participants.put(own, [ADA, BEN])
    await store.meeting_participants.put(other, [BEN])
    renamed = ADA.model_copy(update={"name": "Ada Lovelace"})
    await store.meeting_participants.put(own, [renamed])
    assert await store.meeting_participants.of_transcript(own) == [BEN, renamed]
    assert await store.meeting_participants.of_transcript(other) == [BEN]


async def test_they_go_with_their_transcript(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    await store.meeting_participants.put(transcript_id, [ADA])
    await store.delete_transcript(transcript_id)
    with pytest.raises(NotFound):
        await store.meeting_participants.put(transcript_id, [BEN])
    await store.destroy_transcript(transcript_id)
    assert await store.meeting_participants.of_transcript(transcript_id) == []
