"""Calls as they are documented, replayed to the door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from protocol.states import TranscriptState
from tests.fakes.calls import mulaw, telnyx_call, twilio_call
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import DEADLINE_S, RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

TOKEN = "canary-token-of-the-test"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
CALLER = scripted_sound(sentence("alpha bravo", 0.5), length_s=3, sample_rate=8_000)
CALLED = scripted_sound(sentence("charlie", 1.5), length_s=3, sample_rate=8_000)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, access_token=SecretStr(TOKEN), first_message_deadline_s=0.5) as running:
        yield running


async def play(node: RunningApp, call: Iterable[dict[str, Any]]) -> int:
    """The close code. Nothing but that is ever sent to them."""
    async with connect(node.ws_url("/v1/telephony/stream"), proxy=None) as socket:
        try:
            for message in call:
                await socket.send(json.dumps(message))
            await socket.recv()
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else 1006
    raise AssertionError("something was sent")


async def transcripts(node: RunningApp) -> dict[str, str]:
    """Id by name."""
    listed = await node.http.get("/v1/transcripts", headers=AUTH)
    return {item["name"]: item["id"] for item in listed.json()["items"]}


async def words(node: RunningApp, id_: str) -> dict[str, str]:
    """By who said them."""
    await wait_for_state(node.services, id_, TranscriptState.ENDED)
    listed = await node.http.get(f"/v1/transcripts/{id_}/segments", headers=AUTH)
    return {item["speaker"]: item["text"] for item in listed.json()["items"]}


async def test_the_parties_of_a_call_are_heard_each_alone(node: RunningApp) -> None:
    parties = {"inbound": mulaw(CALLER), "outbound": mulaw(CALLED)}
    named = {"inbound_name": "Ada", "outbound_name": "Bob"}
    assert await play(node, twilio_call(parties, {"token": TOKEN, **named})) == 1000
    id_ = (await transcripts(node))["twilio CA0"]
    assert await words(node, id_) == {"Ada": "alpha bravo", "Bob": "charlie"}
    # Into a transcript that is there already, with a ticket, and sound in network order.
    id_ = await node.new_transcript()
    ticket = (await node.http.post("/v1/tickets", headers=AUTH)).json()["ticket"]
    swapped = b"".join(CALLER[at : at + 2][::-1] for at in range(0, len(CALLER), 2))
    call = telnyx_call(
        {"inbound": swapped},
        {"token": ticket, "transcript_id": id_, "inbound_name": "Ada"},
        encoding="L16",
        frame_bytes=320,
    )
    assert await play(node, call) == 1000
    assert await words(node, id_) == {"Ada": "alpha bravo"}


async def test_a_call_that_breaks_off_is_written_down_all_the_same(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    asked = {"token": TOKEN, "transcript_id": id_}
    call = twilio_call({"inbound": mulaw(CALLER)}, asked, is_stopped=False)
    async with connect(node.ws_url("/v1/telephony/stream"), proxy=None) as socket:
        for message in call:
            await socket.send(json.dumps(message))
    assert list((await words(node, id_)).values()) == ["alpha bravo"]


async def test_a_call_without_sound_leaves_nothing_and_takes_nothing_away(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    for asked in ({"transcript_id": id_}, {}):
        assert await play(node, twilio_call({"inbound": b""}, {"token": TOKEN, **asked})) == 1000
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if list((await transcripts(node)).values()) == [id_]:
                break
            await asyncio.sleep(0.02)


async def test_nobody_is_heard_who_is_not_let_in(node: RunningApp) -> None:
    sound = {"inbound": bytes(1600)}
    foreign = "00000000-0000-4000-8000-000000000000"
    for call, code in (
        (twilio_call(sound, {}), 4001),
        (telnyx_call(sound, {"token": "wrong"}), 4001),
        (twilio_call(sound, {"token": "tkt_" + "x" * 43}), 4001),
        (twilio_call(sound, {"token": TOKEN, "transcript_id": foreign}), 4004),
        ([{"event": "media", "media": {"track": "inbound", "payload": ""}}] * 9, 4001),
        ([], 4001),
        ([{"event": "start", "start": {"mediaFormat": {"encoding": "audio/unheard-of"}}}], 4000),
    ):
        assert await play(node, call) == code
    assert await transcripts(node) == {}
