"""Realtime by WebRTC: a secret of the official client, its call, and events on the data channel of a real peer."""

from __future__ import annotations

import json
import time

import pytest
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError

from tests.fakes.running_app import RunningApp
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.net.rtc_client import RtcClient
from tests.server.doors.openai.test_realtime import ABOUT, gone

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOUND = scripted_sound(sentence("alpha bravo charlie", 0.6), length_s=2.2)


async def test_a_page_talks_by_a_secret_and_nothing_is_kept(node: RunningApp, openai: AsyncOpenAI) -> None:
    made = await openai.realtime.client_secrets.create(
        session={"type": "transcription", "audio": {"input": {"transcription": {"language": "en"}}}},
        expires_after={"seconds": 60},
    )
    assert made.value.startswith("ek_")
    assert 50 < made.expires_at - time.time() <= 60
    assert made.session.type == "transcription"
    page = openai.with_options(api_key=made.value)
    with pytest.raises(PermissionDeniedError):
        await page.models.list()
    with pytest.raises(PermissionDeniedError):
        await page.realtime.client_secrets.create()
    locations: list[str] = []

    async def exchange(sdp: str, _type: str) -> tuple[str, str]:
        answer = await page.realtime.calls.create(sdp=sdp)
        assert answer.response.status_code == 201
        locations.append(answer.response.headers["location"])
        return answer.text, "answer"

    async with RtcClient(SOUND, label="oai-events") as peer:
        await peer.connect(exchange)
        done = json.loads(await peer.wait_message(lambda text: f'"{ABOUT}.completed"' in text, timeout_s=60))
        assert done["transcript"] == "alpha bravo charlie"
        created = json.loads(peer.messages[0])
        assert (created["type"], created["session"]["audio"]["input"]["transcription"]["language"]) == (
            "session.created",
            "en",
        )
        peer.send(json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "mine"}))
        error = json.loads(await peer.wait_message(lambda text: '"error"' in text))["error"]
        assert error["event_id"] == "mine"
        peer.send(json.dumps({"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}}))
        await peer.wait_message(lambda text: '"session.updated"' in text)
        peer.send(json.dumps({"type": "input_audio_buffer.commit"}))
        await peer.wait_message(lambda text: f'"{ABOUT}.completed"' in text and '"transcript":""' in text)
        call_id = locations[0].rsplit("/", 1)[-1]
        await page.realtime.calls.hangup(call_id)
        with pytest.raises(NotFoundError):
            await page.realtime.calls.hangup(call_id)
    await gone(node)


async def test_an_offer_may_say_what_its_session_asks_for(node: RunningApp, openai: AsyncOpenAI) -> None:
    """As pages send it that have no library: a form, and what is wrong with it is told as the client knows it."""
    with pytest.raises(BadRequestError) as refused:
        await openai.realtime.calls.create(sdp="v=0", session={"type": "realtime"})
    assert refused.value.param == "session.type"
    with pytest.raises(BadRequestError) as refused:
        await openai.realtime.calls.create(sdp="v=0\r\nnonsense")
    assert refused.value.code == "sdp_error"
    assert not node.services.fleeting.ids
    deep = await node.http.post("/v1/realtime/calls", files={"sdp": (None, "v=0"), "session": (None, "[" * 50_000)})
    assert deep.status_code == 400
    with pytest.raises(BadRequestError) as refused:
        await openai.realtime.client_secrets.create(expires_after={"seconds": 5})
    assert refused.value.param == "expires_after.seconds"
    with pytest.raises(AuthenticationError):
        await openai.with_options(api_key=f"ek_{'x' * 43}").realtime.calls.create(sdp="v=0")
    raw = await node.http.post("/v1/realtime", content=b"v=0", headers={"Content-Type": "text/plain"})
    assert raw.status_code == 400
    assert (await node.http.get("/v1/transcripts")).json()["total"] == 0
