"""Bots and the transcripts that they make, in both databases."""

from __future__ import annotations

import pytest

from protocol.errors import NotFound
from protocol.ids import new_bot_id
from protocol.wire.bot_items import Began
from server.accounts.bot_tokens import hashed, new_token
from server.store.bot_store import Bot, NewBot
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
