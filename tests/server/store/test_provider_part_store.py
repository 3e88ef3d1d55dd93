"""What other recognisers sent, in both databases."""

from __future__ import annotations

import pytest

from protocol.errors import NotFound
from protocol.ids import new_provider_part_id
from protocol.participants import MeetingParticipant
from server.store.provider_part_store import ProviderPart
from server.store.store import Store

ADA = MeetingParticipant(id=1, name="Ada", extra_data={"zoom": 1})


def part(transcript_id: str, at: float, who: MeetingParticipant | None = None, payload: str = "{}") -> ProviderPart:
    return ProviderPart(new_provider_part_id(), transcript_id, at, "transcript.data", who, 1.5, payload)


async def test_they_are_kept_once_and_in_order(store: Store) -> None:
    own, other = (await store.create_transcript()).id, (await store.create_transcript()).id
    late, early, of_other = part(own, 2.0, ADA, '{"half":"\\ud800"}'), part(own, 1.0), part(other, 1.0)
    await store.provider_parts.add([late])
    await store.provider_parts.add([late, early])
    await store.provider_parts.add([of_other])
    assert await store.provider_parts.of_transcript(own) == [early, late]
    assert await store.provider_parts.size(own) == (2, len(early.payload) + len(late.payload))
    assert await store.provider_parts.size(new_provider_part_id()) == (0, 0)


async def test_they_go_with_their_transcript(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    await store.provider_parts.add([part(transcript_id, 1.0)])
    await store.delete_transcript(transcript_id)
    with pytest.raises(NotFound):
        await store.provider_parts.add([part(transcript_id, 2.0)])
    await store.destroy_transcript(transcript_id)
    assert await store.provider_parts.of_transcript(transcript_id) == []
