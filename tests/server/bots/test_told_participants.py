"""Who takes part is known by whatever a bot tells of them, and stays known."""

from __future__ import annotations

import pytest

from protocol.participants import MeetingParticipant
from server.bots import told_participants
from server.bots.told_participants import ToldParticipants
from server.store.store import Store
from tests.server.bots.meetings import ADA, BEN

HOST = ADA.model_copy(update={"is_host": True, "platform": "zoom", "extra_data": {"zoom": {"id": 7}}})


async def test_the_newest_of_each_is_kept(store: Store) -> None:
    transcript_id = (await store.create_transcript()).id
    first = ToldParticipants(store.meeting_participants, transcript_id, is_new=True)
    for each in (HOST, BEN, ADA, HOST):  # what is not told again stays
        await first.told(each)
    await first.close()
    assert await store.meeting_participants.of_transcript(transcript_id) == [HOST, BEN]
    second = ToldParticipants(store.meeting_participants, transcript_id, is_new=False)
    await second.told(MeetingParticipant(id=1, name="Ada Lovelace"))
    await second.close()
    [ada, _] = await store.meeting_participants.of_transcript(transcript_id)
    assert ada == HOST.model_copy(update={"name": "Ada Lovelace"})


async def test_what_is_known_is_not_written_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript_id = (await store.create_transcript()).id
    people = ToldParticipants(store.meeting_participants, transcript_id, is_new=True)
    await people.told(HOST)
    await people.close()
    monkeypatch.setattr(store.meeting_participants, "put", None)
    await people.told(ADA)
    await people.told(HOST)
    await people.close()


async def test_there_is_an_end_to_participants(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told_participants, "KEPT_MAX", 1)
    transcript_id = (await store.create_transcript()).id
    people = ToldParticipants(store.meeting_participants, transcript_id, is_new=True)
    for each in (ADA, BEN, HOST):
        await people.told(each)
    await people.close()
    assert await store.meeting_participants.of_transcript(transcript_id) == [HOST]
