"""Endpoints of one's own, as they are asked for with a bot and looked at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.bots.signatures import Verifier
from server.doors.bots import paging
from tests.fakes.receiver import Receiver
from tests.fakes.running_app import RunningApp, running_app
from tests.server.doors.bots.test_stream import did, ended, path_of, pieces, recall, register

EVENTS = ["participant_events.join", "transcript.data"]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, webhooks_private=True) as running:
        yield running


async def endpoints_of(node: RunningApp) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await node.http.get("/api/v1/realtime_endpoint/")).json()["results"]
    return listed


async def test_what_happens_is_delivered_and_signed(node: RunningApp) -> None:
    async with Receiver.running() as receiver:
        asked = {"type": "webhook", "url": receiver.url, "events": EVENTS}
        bot = await register(node, recording_config={"realtime_endpoints": [asked]}, metadata={"case": "7"})
        [told] = bot["realtime_endpoints"]
        async with node.socket(path_of(bot)) as socket:
            await socket.send(did("join", 1, 0.0))
            await socket.send(did("speech_on", 1, 0.9))  # which it did not ask for
            for message in pieces(recall, 1, "alpha", 1.0):
                await socket.send(message)
            received = await receiver.until(2)
            recording = await ended(node, bot)
        messages = [json.loads(each.body) for each in received]
        assert [each["event"] for each in messages] == EVENTS
        for message in messages:
            assert message["data"]["recording"]["id"] == recording["id"]
            assert message["data"]["bot"] == {"id": bot["id"], "metadata": {"case": "7"}}
            assert message["data"]["realtime_endpoint"]["id"] == told["id"]
        assert messages[0]["data"]["data"]["participant"]["name"] == "Person 1"
        assert [word["text"] for word in messages[1]["data"]["data"]["words"]] == ["alpha"]
        for each in received:
            Verifier().verify(told["secret"], each.headers, each.body)
    shown = (await node.http.get(f"/api/v1/bot/{bot['id']}/")).text
    [listed] = await endpoints_of(node)
    assert (listed["id"], listed["recording"]["id"]) == (told["id"], recording["id"])
    assert told["secret"] not in shown + json.dumps(listed)  # it was told once


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "webhook", "url": "wss://example.com/", "events": EVENTS},
        {"type": "websocket", "url": "https://example.com/", "events": EVENTS},
        {"type": "webhook", "url": "file:///etc/passwd", "events": EVENTS},
        {"type": "webhook", "url": "https://user:pass@example.com/", "events": EVENTS},
        {"type": "webhook", "url": "no address", "events": EVENTS},
        {"type": "webhook", "url": "https://example.com/", "events": []},
        {"type": "webhook", "url": "https://example.com/", "events": [""]},
        {"type": "carrier pigeon", "url": "https://example.com/", "events": EVENTS},
    ],
)
async def test_what_is_no_endpoint_is_refused(node: RunningApp, wrong: dict[str, Any]) -> None:
    answer = await node.http.post("/api/v1/bot/", json={"recording_config": {"realtime_endpoints": [wrong]}})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["message"]
    assert await endpoints_of(node) == []
    assert (await node.http.get("/api/v1/bot/")).json()["results"] == []


async def test_what_is_not_delivered_may_be_asked_for(node: RunningApp) -> None:
    """As those do who send one configuration to whatever they use."""
    async with Receiver.running() as receiver:
        events = ["audio_mixed_raw.data", "participant_events.join", "bot.waved"]
        asked = {"type": "webhook", "url": receiver.url, "events": events}
        bot = await register(node, recording_config={"audio_mixed_raw": {}, "realtime_endpoints": [asked]})
        async with node.socket(path_of(bot)) as socket:
            for message in [*pieces(recall, 1, "alpha", 1.0), did("join", 1, 2.0)]:
                await socket.send(message)
            await receiver.until(1)
            await ended(node, bot)
        assert [json.loads(each.body)["event"] for each in receiver.received] == ["participant_events.join"]
        [listed] = await endpoints_of(node)
        assert listed["events"] == events


async def test_recordings_without_any_take_no_place_in_their_list(
    node: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PAGE_BOTS", 1)
    asked = [{"type": "webhook", "url": "https://example.com/", "events": EVENTS}]
    bots = [await register(node, recording_config={"realtime_endpoints": asked}) for _ in range(2)]
    await register(node)
    page = (await node.http.get("/api/v1/realtime_endpoint/")).json()
    assert [each["bot"]["id"] for each in page["results"]] == [bots[1]["id"]]
    page = (await node.http.get(page["next"])).json()
    assert [each["bot"]["id"] for each in page["results"]] == [bots[0]["id"]]
    assert page["next"] is None


async def test_a_recording_has_some_and_not_many(node: RunningApp) -> None:
    asked = [{"type": "webhook", "url": "https://example.com/", "events": EVENTS}] * 6
    answer = await node.http.post("/api/v1/bot/", json={"recording_config": {"realtime_endpoints": asked}})
    assert answer.status_code == 422
