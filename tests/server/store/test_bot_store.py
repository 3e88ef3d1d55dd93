"""Bots and the transcripts that they make, in both databases."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.errors import Conflict, NotFound
from protocol.ids import new_bot_id
from protocol.states import TranscriptState
from protocol.wire.bot_items import Began
from server.accounts.bot_tokens import hashed, new_token
from server.store.bot_store import Bot, BotsWanted, NewBot
from server.store.standing import EVERYBODY, Viewer
from server.store.store import Store


async def made(store: Store, name: str = "Notes", *, owner: str | None = None, token: str = "") -> Bot:
    new = NewBot(name, "https://meet.example/x", {"case": "7"}, None, owner, hashed(token or new_token()))
    return await store.bots.create(new, language="en")


async def test_a_bot_comes_with_its_transcript(store: Store) -> None:
    bot = await made(store, "No\x00tes", owner="anna")
    assert (bot.name, bot.meeting_url, bot.metadata) == ("Notes", "https://meet.example/x", {"case": "7"})
    assert (bot.transcript.owner, bot.transcript.language, bot.transcript.name) == ("anna", "en", "Notes")
    assert await store.bots.get(bot.id) == await store.bots.of_recording(bot.transcript.id) == bot
    with pytest.raises(NotFound):
        await store.bots.get(new_bot_id())
    standing = await store.standing("bot", bot.id)
    assert standing == await store.standing("recording", bot.transcript.id)
    assert standing is not None
    assert standing.owner == "anna"


async def test_its_recording_begins_and_it_leaves_once(store: Store) -> None:
    bot = await made(store)
    for at in (5.0, 6.0):
        await store.bots.began(bot.id, Began(at, 0.5))
    left = [(await store.bots.leave(bot.id)).left_at for _ in range(2)]
    found = await store.bots.get(bot.id)
    assert (found.began, [found.left_at] * 2) == (Began(5.0, 0.5), left)
    with pytest.raises(NotFound):
        await store.bots.leave(new_bot_id())


async def test_it_is_known_by_its_token_until_its_transcript_is_deleted(store: Store) -> None:
    token = new_token()
    bot = await made(store, token=token)
    assert await store.bots.attending(hashed(token)) == bot
    assert await store.bots.attending(hashed(new_token())) is None
    await store.delete_transcript(bot.transcript.id)
    assert await store.bots.attending(hashed(token)) is None
    with pytest.raises(NotFound):
        await store.bots.get(bot.id)
    await store.destroy_transcript(bot.transcript.id)
    assert await store.standing("bot", bot.id) is None


async def test_lists_go_on_where_a_page_ended(store: Store) -> None:
    bots = [await made(store, f"Bot {number}", owner="anna") for number in range(5)]
    of_nobody = await made(store)
    anna = Viewer("anna")
    found: list[Bot] = []
    while page := await store.bots.newest(anna, limit=2, before=found[-1].cursor if found else None):
        found += page
    assert [each.id for each in found] == [each.id for each in bots[::-1]]
    assert await store.bots.newest(Viewer(), limit=9) == [of_nobody]
    assert len(await store.bots.newest(EVERYBODY, limit=9)) == 6


async def test_a_page_goes_back_to_the_one_before(store: Store) -> None:
    made_ones = [await made(store, f"Bot {number}") for number in range(5)]
    second = made_ones[1].cursor
    assert [each.name for each in await store.bots.newest(EVERYBODY, limit=2, after=second)] == ["Bot 3", "Bot 2"]
    assert [each.name for each in await store.bots.newest(EVERYBODY, limit=9, after=second)] == [
        *("Bot 4", "Bot 3", "Bot 2")
    ]


async def test_one_pauses_until_it_goes_on_or_leaves(store: Store) -> None:
    bot = await made(store)
    assert bot.status == "processing"
    paused = await store.bots.pause(bot.id, paused=True)
    assert paused.status == "paused"
    assert await store.bots.pause(bot.id, paused=True) == paused == await store.bots.get(bot.id)
    assert (await store.bots.pause(bot.id, paused=False)).paused_at is None
    await store.bots.pause(bot.id, paused=True)
    await store.bots.leave(bot.id)
    with pytest.raises(Conflict):
        await store.bots.pause(bot.id, paused=False)
    for state in (TranscriptState.RECORDING, TranscriptState.PROCESSING, TranscriptState.ENDED):
        await store.set_state(bot.transcript.id, state)
    assert (await store.bots.get(bot.id)).status == "done"


async def test_lists_of_some(store: Store) -> None:
    first, second, third = [await made(store, f"Bot {number}") for number in range(3)]
    await store.bots.pause(second.id, paused=True)
    for state in (TranscriptState.RECORDING, TranscriptState.PROCESSING, TranscriptState.ENDED):
        await store.set_state(third.transcript.id, state)

    async def names(**wanted: Any) -> list[str]:
        return [each.name for each in await store.bots.newest(EVERYBODY, limit=9, wanted=BotsWanted(**wanted))]

    assert await names(bot_id=second.id) == await names(transcript_id=second.transcript.id) == ["Bot 1"]
    assert await names(status="paused") == ["Bot 1"]
    assert await names(status="processing") == ["Bot 0"]
    assert await names(status="done") == ["Bot 2"]
    assert await names(status="failed") == []
    assert await names(created_after=first.created_at) == ["Bot 2", "Bot 1"]
    assert await names(created_before=third.created_at, created_after=first.created_at) == ["Bot 1"]
