"""Recordings that are posted, with Deepgram's own client unchanged, and by hand."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

KEY = "canary-token-of-the-test"
AUTH = {"Authorization": f"Token {KEY}"}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, access_token=SecretStr(KEY)) as running:
        yield running


def wav(*channels: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((len(channels), 2, 16_000, 0, "NONE", ""))
        out.writeframes(b"".join(b"".join(c[at : at + 2] for c in channels) for at in range(0, len(channels[0]), 2)))
    return file.getvalue()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what that client still uses of websockets
async def test_the_official_client_reads_a_recording(node: RunningApp) -> None:
    deepgram = pytest.importorskip("deepgram", reason="deepgram-sdk is not installed")
    environment = pytest.importorskip("deepgram.environment").DeepgramClientEnvironment
    base = f"http://127.0.0.1:{node.port}"
    client = deepgram.AsyncDeepgramClient(
        api_key=KEY,
        environment=environment(base=base, production=base, agent="", agent_rest=""),
        httpx_client=node.http,
    )
    sound = wav(scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.5)))
    answer = await client.listen.v1.media.transcribe_file(
        request=sound, model="nova-3", smart_format=True, utterances=True
    )
    (alternative,) = answer.results.channels[0].alternatives
    assert alternative.transcript == "alpha bravo charlie"
    assert [(word.word, word.start) for word in alternative.words] == [
        ("alpha", 0.5),
        ("bravo", 0.84),
        ("charlie", 2.5),
    ]
    assert [(each.transcript, each.channel) for each in answer.results.utterances] == [
        ("alpha bravo", 0),
        ("charlie", 0),
    ]
    assert (answer.metadata.channels, answer.metadata.duration) == (1, 3.74)
    transcript = await node.http.get(f"/v1/transcripts/{answer.metadata.request_id}", headers=AUTH)
    assert transcript.json()["status"] == "completed"


async def test_channels_are_heard_each_alone_and_raw_samples_say_what_they_are(node: RunningApp) -> None:
    left = scripted_sound(sentence("alpha", 0.5), length_s=3)
    right = scripted_sound(sentence("bravo", 1.5), length_s=3)
    answer = await node.http.post("/v1/listen?multichannel=true", content=wav(left, right), headers=AUTH)
    assert answer.status_code == 200, answer.text
    channels = answer.json()["results"]["channels"]
    assert [channel["alternatives"][0]["transcript"] for channel in channels] == ["alpha", "bravo"]
    raw = "/v1/listen?encoding=linear16&sample_rate=16000"
    answer = await node.http.post(raw, content=right, headers=AUTH)
    assert answer.json()["results"]["channels"][0]["alternatives"][0]["transcript"] == "bravo"
    assert answer.headers["dg-request-id"] == answer.json()["metadata"]["request_id"]


async def test_what_is_refused_is_told_in_the_originals_form(node: RunningApp) -> None:
    async def refused(answer: httpx.Response, status: int, code: str) -> str:
        assert (answer.status_code, answer.json()["err_code"]) == (status, code), answer.text
        assert answer.headers["dg-request-id"] == answer.json()["request_id"]
        return str(answer.json()["err_msg"])

    post = node.http.post
    await refused(await post("/v1/listen", content=b"x"), 401, "INVALID_AUTH")
    message = await refused(
        await post("/v1/listen", json={"url": "http://127.0.0.1/"}, headers=AUTH), 400, "Bad Request"
    )
    assert "fetches none" in message
    await refused(await post("/v1/listen?redact=pci", content=b"x", headers=AUTH), 400, "Bad Request")
    await refused(await post("/v1/listen", content=b"no sound at all", headers=AUTH), 400, "Bad Request")
    listed = await node.http.get("/v1/transcripts", headers=AUTH)
    assert listed.json()["items"] == []  # what held no sound left nothing behind
