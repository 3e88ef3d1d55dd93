"""What other recognisers sent is kept as it came, within bounds."""

from __future__ import annotations

import json

import pytest

from protocol.errors import InvalidMessage, TooLarge
from protocol.participants import MeetingParticipant
from server.bots import provider_log
from server.bots.provider_log import PART_MAX_CHARS, ProviderLog
from server.store.store import Store

ADA, BEN = MeetingParticipant(id=1, name="Ada"), MeetingParticipant(id=2, name="Ben")
DATA, RAW = "transcript.data", "transcript.provider_data"


async def kept(store: Store, transcript_id: str) -> list[tuple[str, object, float]]:
    found = await store.provider_parts.of_transcript(transcript_id)
    assert {part.created_at for part in found} <= {7.0}
    return sorted((part.event, json.loads(part.payload), part.offset_s) for part in found)


async def test_all_that_was_sent_is_kept_as_it_came(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    for who in (ADA, BEN):  # by one connection, and by the next
        log = ProviderLog(store.provider_parts, transcript_id, lambda: 7.0)
        await log.take(DATA, {"words": ["yes"]}, who, 1.5)
        await log.take(RAW, {"type": "KeepAlive"}, None, 2.0)
        await log.close()
    found = await kept(store, transcript_id)
    assert found == [(DATA, {"words": ["yes"]}, 1.5)] * 2 + [(RAW, {"type": "KeepAlive"}, 2.0)] * 2


async def test_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    log = ProviderLog(store.provider_parts, (await store.create_transcript()).id)
    with pytest.raises(TooLarge):
        await log.take(RAW, {"text": "a" * PART_MAX_CHARS}, None, 0.0)
    with pytest.raises(InvalidMessage):
        await log.take(RAW, {"n": float("nan")}, None, 0.0)
    monkeypatch.setattr(provider_log, "CHARS_MAX", 20)
    await log.take(RAW, {"text": "a"}, None, 0.0)
    with pytest.raises(TooLarge):
        await log.take(RAW, {"text": "a"}, None, 0.0)
    await log.close()
