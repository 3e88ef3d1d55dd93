"""The live door, with Deepgram's own client unchanged, and by hand where that client hides what comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from protocol.states import TranscriptState
from server.doors.deepgram import live
from tests.fakes.calls import mulaw
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import DEADLINE_S, RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.media.made_files import make
from tests.media.opus_sound import opus_packets

KEY = "canary-token-of-the-test"
RAW = "encoding=linear16&sample_rate=16000"
Message = dict[str, Any]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, access_token=SecretStr(KEY), idle_deadline_s=1) as running:
        yield running


def connected(node: RunningApp, query: str, **options: Any) -> connect:
    headers = {"Authorization": f"Token {KEY}"} | options.pop("headers", {})
    return connect(node.ws_url(f"/v1/listen?{query}"), additional_headers=headers, proxy=None, **options)


async def rest(socket: ClientConnection) -> tuple[list[Message], int, str]:
    """What comes until the end, its code and reason."""
    told: list[Message] = []
    try:
        while True:
            told.append(json.loads(await socket.recv()))
    except ConnectionClosed as error:
        return (told, error.rcvd.code, error.rcvd.reason) if error.rcvd else (told, 1006, "")


def texts(messages: list[Message]) -> list[str]:
    finals = [message for message in messages if message["type"] == "Results" and message["is_final"]]
    return [str(final["channel"]["alternatives"][0]["transcript"]) for final in finals]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what that client still uses of websockets
async def test_the_official_client_hears_a_conversation(node: RunningApp) -> None:
    deepgram = pytest.importorskip("deepgram", reason="deepgram-sdk is not installed")
    environment = pytest.importorskip("deepgram.environment").DeepgramClientEnvironment
    base = f"127.0.0.1:{node.port}"
    client = deepgram.AsyncDeepgramClient(
        api_key=KEY,
        environment=environment(base=f"http://{base}", production=f"ws://{base}", agent="", agent_rest=""),
    )
    sound = scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.5), length_s=4.5)
    told: list[Any] = []
    options = {"interim_results": "true", "utterance_end_ms": "1000", "vad_events": "true", "smart_format": "true"}
    async with client.listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate="16000", **options
    ) as connection:

        async def hear() -> None:
            async for message in connection:
                told.append(message)

        hearing = asyncio.create_task(hear())
        for at in range(0, len(sound), 6400):
            await connection.send_media(sound[at : at + 6400])
        await connection.send_finalize()
        await connection.send_keep_alive()
        await connection.send_close_stream()
        await hearing
    finals = [message for message in told if message.type == "Results" and message.is_final]
    assert [final.channel.alternatives[0].transcript for final in finals if final.channel.alternatives[0].words] == [
        "alpha bravo",
        "charlie",
    ]
    assert [final.from_finalize for final in finals].count(True) == 1
    words = [word for final in finals for word in final.channel.alternatives[0].words]
    assert [(word.punctuated_word, word.start) for word in words] == [("alpha", 0.5), ("bravo", 0.84), ("charlie", 2.5)]
    assert [message.timestamp for message in told if message.type == "SpeechStarted"] == [0.5, 2.5]
    metadata = told[-1]
    assert (metadata.type, metadata.duration, metadata.channels) == ("Metadata", 4.5, 1)
    await wait_for_state(node.services, metadata.request_id, TranscriptState.ENDED)  # an ordinary transcript


async def test_finalize_is_answered_also_when_nothing_is_pending_and_keepalive_keeps(node: RunningApp) -> None:
    async with connected(node, RAW) as socket:
        assert socket.response is not None
        request_id = socket.response.headers["dg-request-id"]
        await socket.send(scripted_sound(sentence("alpha", 0.3), length_s=0.6))
        for text in ("alpha", ""):
            await socket.send('{"type": "Finalize"}')
            answer = json.loads(await socket.recv())
            assert (answer["from_finalize"], answer["is_final"], texts([answer])) == (True, True, [text])
        assert answer["metadata"]["request_id"] == request_id
        for _ in range(20):  # nobody has to wait for the answer
            await socket.send('{"type": "Finalize"}')
        assert [json.loads(await socket.recv())["from_finalize"] for _ in range(20)] == [True] * 20
        await socket.send('{"type": "KeepAlive"}')
        told, code, reason = await rest(socket)  # and then nothing more comes
        assert [message["type"] for message in told] == ["Error"]
        assert (code, reason[:8]) == (1011, "NET-0001")


async def test_no_place_is_kept_by_keepalive_alone(node: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUIET_MAX_S", 0.0)
    async with connected(node, RAW) as socket:
        await socket.send('{"type": "KeepAlive"}')
        [told], code, reason = await rest(socket)
    assert (told["description"], code, reason[:8]) == ("no sound came for 0 s; connect again", 1011, "NET-0001")


async def test_what_is_cut_from_a_result_later_is_no_result(node: RunningApp) -> None:
    async with connected(node, RAW) as socket:
        assert socket.response is not None
        request_id = socket.response.headers["dg-request-id"]
        await socket.send(scripted_sound(sentence("alpha bravo", 0.3), length_s=1.5))
        await socket.send('{"type": "Finalize"}')
        assert texts([json.loads(await socket.recv())]) == ["alpha bravo"]
        done = await node.services.speakers.assign(request_id, speaker="Speaker 2", from_s=0.6, to_s=0.7)
        assert done.split == 1
        await socket.send('{"type": "CloseStream"}')
        told, _, _ = await rest(socket)
    assert "".join(texts(told)) == ""


async def test_channels_are_heard_each_alone(node: RunningApp) -> None:
    left = scripted_sound(sentence("alpha", 0.5), length_s=3)
    right = scripted_sound(sentence("bravo", 1.5), length_s=3)
    both = b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))
    async with connected(node, f"{RAW}&channels=2&multichannel=true") as socket:
        for at in range(0, len(both), 6401):  # never whole samples
            await socket.send(both[at : at + 6401])
        await socket.send('{"type": "CloseStream"}')
        told, code, _ = await rest(socket)
    said = {tuple(message["channel_index"]): texts([message]) for message in told if message["type"] == "Results"}
    assert said == {(0, 2): ["alpha"], (1, 2): ["bravo"]}
    assert (told[-1]["type"], told[-1]["channels"], code) == ("Metadata", 2, 1000)


async def test_every_form_of_sound_gives_the_same_words(node: RunningApp) -> None:
    said = sentence("alpha bravo", 0.5)
    wide = scripted_sound(said, length_s=3, sample_rate=48_000)
    floats = (np.frombuffer(wide, "<i2") / np.float32(32768)).astype(np.float32)[None]
    narrow = mulaw(scripted_sound(said, length_s=3, sample_rate=8_000))
    forms: dict[str, Sequence[bytes]] = {
        "encoding=mulaw": [narrow],
        "encoding=linear16&sample_rate=48000&endpointing=false": [wide],
        "encoding=opus&sample_rate=48000": opus_packets(wide, rate_hz=48_000, packet_ms=20),
        "encoding=ogg-opus": [make("ogg", 0, sound=floats)],
        "model=nova-3": [make("webm", 0, sound=floats)],
    }
    for query, messages in forms.items():
        async with connected(node, query) as socket:
            for message in messages:
                await socket.send(message)
            await socket.send('{"type": "CloseStream"}')
            told, code, _ = await rest(socket)
        assert (texts(told), code) == (["alpha bravo"], 1000), query
        finals = [message for message in told if message["type"] == "Results"]
        assert finals[-1]["speech_final"] is ("endpointing" not in query)


async def test_what_cannot_be_read_is_told_and_closed(node: RunningApp) -> None:
    async with connected(node, RAW) as socket:
        await socket.send('{"type": "Nonsense"}')
        told, code, reason = await rest(socket)
        assert (told[0]["type"], told[0]["variant"]) == ("Error", "INVALID_MESSAGE")
        assert (code, reason[:9]) == (1008, "DATA-0000")
    async with connected(node, "encoding=opus") as socket:
        await socket.send(b"\xff" * 50)
        assert (await rest(socket))[1] == 1008


async def test_whoever_is_not_let_in_is_answered_in_http(node: RunningApp, caplog: pytest.LogCaptureFixture) -> None:
    async def answer(query: str, **headers: str) -> tuple[int, Message]:
        with pytest.raises(InvalidStatus) as refused:
            await connected(node, query, headers=headers).__aenter__()
        response = refused.value.response
        assert response.headers["dg-request-id"]
        assert response.headers["dg-error"]
        return response.status_code, json.loads(response.body or b"{}")

    status, body = await answer(RAW, Authorization="Token wrong")
    assert (status, body["err_code"]) == (401, "INVALID_AUTH")
    status, body = await answer(f"{RAW}&callback=https://example.org")
    assert (status, body["err_code"]) == (400, "Bad Request")
    assert "callback" in body["err_msg"]
    async with connected(node, RAW):
        pass  # by now the others are over
    assert not [record for record in caplog.records if record.name == "uvicorn.error" and record.levelname == "ERROR"]


async def test_a_browser_gives_its_key_as_subprotocol(node: RunningApp) -> None:
    url = node.ws_url(f"/v1/listen?{RAW}")
    async with connect(url, subprotocols=[Subprotocol("token"), Subprotocol(KEY)], proxy=None) as socket:
        assert socket.subprotocol == "token"
        await socket.send('{"type": "CloseStream"}')
        assert (await rest(socket))[1] == 1000
    async with asyncio.timeout(DEADLINE_S):  # there was no sound, so nothing is listed of it
        while True:
            listed = await node.http.get("/v1/transcripts", headers={"Authorization": f"Bearer {KEY}"})
            if not listed.json()["total"]:
                break
            await asyncio.sleep(0.02)
