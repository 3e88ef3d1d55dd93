"""The door as Vosk's own sample client speaks to it: each message of sound is answered before the next is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

TOKEN = "canary-token-of-the-test"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
SOUND = scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.5), sample_rate=8_000)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, access_token=SecretStr(TOKEN)) as running:
        yield running


async def said(node: RunningApp, path: str, config: dict[str, Any]) -> list[dict[str, Any]]:
    answers = []
    async with connect(node.ws_url(path), additional_headers=AUTH, proxy=None) as socket:
        await socket.send(json.dumps({"config": config}))
        for at in range(0, len(SOUND), 3_001):  # never whole samples
            await socket.send(SOUND[at : at + 3_001])
            answers.append(json.loads(await socket.recv()))
        await socket.send('{"eof" : 1}')
        answers.append(json.loads(await socket.recv()))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000
    return answers


async def test_each_message_is_answered_and_nothing_is_kept_unless_it_is_asked_for(node: RunningApp) -> None:
    answers = await said(node, "/", {"sample_rate": 8000})
    assert all(("partial" in answer) != ("text" in answer) for answer in answers)
    words = [word for answer in answers for word in answer.get("result", ())]
    assert [(word["word"], word["start"]) for word in words] == [("alpha", 0.5), ("bravo", 0.84), ("charlie", 2.5)]
    await node.services.fleeting.stop()
    listed = await node.http.get("/v1/transcripts", headers=AUTH)
    assert listed.json()["items"] == []
    answers = await said(node, "/vosk?keep=true", {"sample_rate": 8000, "words": False})
    assert " ".join(answer["text"] for answer in answers if answer.get("text")) == "alpha bravo charlie"
    listed = await node.http.get("/v1/transcripts", headers=AUTH)
    assert [item["name"] for item in listed.json()["items"]] == ["Vosk stream"]


async def test_a_message_that_is_too_long_is_told_so_while_it_still_comes(node: RunningApp) -> None:
    for message in ("x" * 8_000_000, bytes(8_000_000)):
        async with connect(node.ws_url("/vosk"), additional_headers=AUTH, proxy=None) as socket:
            with pytest.raises(ConnectionClosed, match="1009"):
                await asyncio.gather(socket.send(message), socket.recv())
    async with connect(node.ws_url("/vosk?keep=true&keep=false"), additional_headers=AUTH, proxy=None) as socket:
        assert json.loads(await socket.recv())["data"]["code"] == "BAD_REQUEST"


async def test_whoever_shows_no_token_is_not_heard(node: RunningApp) -> None:
    for path in ("/", "/vosk"):
        async with connect(node.ws_url(path), proxy=None) as socket:
            assert json.loads(await socket.recv())["data"]["code"] == "NOT_AUTHORISED"
            with pytest.raises(ConnectionClosed, match="4001"):
                await socket.recv()
