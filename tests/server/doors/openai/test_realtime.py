"""OpenAI's own client on the Realtime socket: turns that the server finds or the client ends, in both dialects."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from media import g711
from server.doors.openai import talk
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.server.doors.openai.conftest import TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABOUT = "conversation.item.input_audio_transcription"
TALK = {"extra_query": {"intent": "transcription"}}
DEADLINE_S = 60
TURNS = sentence("alpha bravo charlie delta", 0.5) + sentence("echo", 3.0)


def spoken(words: list[tuple[str, float]], rate_hz: int = 24_000) -> bytes:
    return scripted_sound(words, sample_rate=rate_hz)


def mulaw(pcm: bytes) -> bytes:
    """The nearest code of each sample."""
    levels = np.round(g711.MULAW * 32768)
    order = np.argsort(levels)
    at = np.clip(np.searchsorted(levels[order], np.frombuffer(pcm, "<i2")), 0, 255)
    return bytes(order[at].astype(np.uint8))


@asynccontextmanager
async def connected(node: RunningApp, **options: Any) -> AsyncIterator[AsyncRealtimeConnection]:
    url = node.ws_url("/v1")
    async with (
        AsyncOpenAI(websocket_base_url=url, api_key=TOKEN, max_retries=0) as client,
        client.realtime.connect(**{**TALK, **options}) as connection,
    ):
        yield connection


async def say(connection: AsyncRealtimeConnection, sound: bytes, piece_bytes: int = 9_601) -> None:
    for at in range(0, len(sound), piece_bytes):
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound[at : at + piece_bytes]).decode())


async def until(connection: AsyncRealtimeConnection, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """All events up to so many of a kind."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(DEADLINE_S):
        while count:
            event = await connection.recv()
            found.append(event.to_dict())
            count -= event.type == kind
    return found


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


async def test_turns_that_the_server_finds_are_items(node: RunningApp) -> None:
    async with connected(node) as connection:
        [created] = await until(connection, "session.created")
        assert created["session"]["type"] == "transcription"
        assert created["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        await connection.session.update(
            session={
                "type": "transcription",
                "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe", "language": "en"}}},
                "include": ["item.input_audio_transcription.logprobs"],
            }
        )
        [updated] = await until(connection, "session.updated")
        assert updated["session"]["audio"]["input"]["transcription"]["language"] == "en"
        assert updated["session"]["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        await say(connection, spoken(TURNS))
        await connection.input_audio_buffer.commit()
        events = await until(connection, f"{ABOUT}.completed", 2)
    first, second = of(events, f"{ABOUT}.completed")
    assert (first["transcript"], second["transcript"]) == ("alpha bravo charlie delta", "echo")
    assert [each["token"] for each in first["logprobs"]] == ["alpha", "bravo", "charlie", "delta"]
    assert second["usage"]["type"] == "duration"
    for completed in (first, second):
        told = [each for each in events if each.get("item_id") == completed["item_id"]]
        kinds = [kind.removeprefix(f"{ABOUT}.") for kind, _ in itertools.groupby(each["type"] for each in told)]
        assert kinds[0] == "input_audio_buffer.speech_started"
        assert kinds[-1] == "completed"
        assert "".join(each["delta"] for each in told if each["type"] == f"{ABOUT}.delta") == completed["transcript"]
    assert of(events, "input_audio_buffer.speech_started")[0]["audio_start_ms"] == 500
    assert [each.get("previous_item_id") for each in of(events, "input_audio_buffer.committed")] == [
        None,
        first["item_id"],
    ]
    assert [each["item"]["id"] for each in of(events, "conversation.item.done")] == [
        first["item_id"],
        second["item_id"],
    ]


async def test_turns_that_the_client_ends_are_one_item_each(node: RunningApp) -> None:
    async with connected(node) as connection:
        await connection.session.update(session={"type": "transcription", "audio": {"input": {"turn_detection": None}}})
        await until(connection, "session.updated")
        await connection.input_audio_buffer.commit(event_id="mine")
        error = (await until(connection, "error"))[-1]["error"]
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "mine")
        await say(connection, spoken(TURNS))
        await connection.input_audio_buffer.commit()
        events = await until(connection, f"{ABOUT}.completed")
        assert not of(events, "input_audio_buffer.speech_started")
        assert of(events, f"{ABOUT}.completed")[0]["transcript"] == "alpha bravo charlie delta echo"
        await say(connection, spoken(sentence("golf", 0.3)))
        await connection.input_audio_buffer.clear()
        await say(connection, spoken(sentence("hotel", 0.3)))
        await connection.input_audio_buffer.commit()
        events = await until(connection, f"{ABOUT}.completed")
        assert len(of(events, "input_audio_buffer.cleared")) == 1
        assert events[-1]["transcript"] == "hotel"


async def test_the_beta_is_spoken_and_g711_is_understood(node: RunningApp) -> None:
    """As those write it who made their clients before the newer names: a browser's way in, and flat fields."""
    offered = ["realtime", f"openai-insecure-api-key.{TOKEN}", "openai-beta.realtime-v1"]
    async with node.socket("/v1/realtime?intent=transcription", subprotocols=offered) as socket:
        assert socket.connection.subprotocol == "realtime"
        created = await socket.receive()
        assert (created["type"], created["session"]["input_audio_format"]) == ("transcription_session.created", "pcm16")
        session = {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe-diarize"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
        }
        await socket.send({"type": "transcription_session.update", "session": session})
        assert (await socket.receive())["session"]["turn_detection"]["silence_duration_ms"] == 200
        sound = base64.b64encode(mulaw(spoken(TURNS, 8_000))).decode()
        await socket.send({"type": "input_audio_buffer.append", "audio": sound})
        await socket.send({"type": "transcription_session.update", "session": {"input_audio_format": "pcm16"}})
        await socket.until("error")
        await socket.until(lambda message: message.get("transcript") == "alpha bravo charlie delta")
        [said] = [each for each in socket.messages if each["type"] == f"{ABOUT}.segment"]
        assert (said["text"], bool(said["speaker"])) == ("alpha bravo charlie delta", True)
        assert socket.of("conversation.item.created")
        assert not socket.of("conversation.item.added")
    await gone(node)


async def test_what_is_not_taken_is_told_and_the_session_goes_on(node: RunningApp) -> None:
    async with node.socket("/v1/realtime", subprotocols=["realtime", f"openai-insecure-api-key.{TOKEN}"]) as socket:
        await socket.until("session.created")
        for sent, param in (
            ({"type": "response.create", "event_id": "e1"}, "type"),
            ({"type": "session.update", "session": {"type": "realtime"}}, "session.type"),
            ({"type": "session.update", "session": {"audio": {"input": {"format": {"type": "mp3"}}}}}, None),
            ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "audio"),
        ):
            await socket.send(sent)
            error = (await socket.receive())["error"]
            assert error["type"] == "invalid_request_error"
            assert param in (None, error["param"]), error
            assert error["event_id"] == sent.get("event_id")
        await socket.connection.send("[]")
        assert (await socket.receive())["error"]["code"] == "invalid_message"
    async with node.socket("/v1/realtime", subprotocols=["realtime", "openai-insecure-api-key.wrong"]) as socket:
        assert (await socket.receive())["error"]["code"] == "invalid_api_key"
        assert (await socket.closed())[0] == 4001


async def test_the_silence_that_ends_a_turn_is_the_one_that_is_asked_for(node: RunningApp) -> None:
    async with connected(node) as connection:
        for asked_ms, held_ms, turns in (
            (9_000, 5_000, ["alpha bravo charlie delta echo"]),
            (None, node.settings.utterance_silence_ms, ["alpha bravo charlie delta", "echo"]),
        ):
            turn_detection = {"type": "server_vad"} | ({} if asked_ms is None else {"silence_duration_ms": asked_ms})
            session: Any = {"type": "transcription", "audio": {"input": {"turn_detection": turn_detection}}}
            await connection.session.update(session=session)
            [*_, updated] = await until(connection, "session.updated")
            assert updated["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == held_ms
            await say(connection, spoken(TURNS))
            await connection.input_audio_buffer.commit()
            heard = await until(connection, f"{ABOUT}.completed", len(turns))
            assert [event["transcript"] for event in of(heard, f"{ABOUT}.completed")] == turns
    await gone(node)


async def rest(socket: ClientConnection) -> tuple[list[str], int]:
    """The kinds of the events until its end, and its close code."""
    kinds: list[str] = []
    try:
        while True:
            kinds.append(json.loads(await socket.recv())["type"])
    except ConnectionClosed as closed:
        return kinds, closed.rcvd.code if closed.rcvd else 1006


async def test_who_is_to_come_again_is_told_so_as_their_clients_know_it(tmp_path: Path) -> None:
    """These give up after an event ``error``, and after close codes of our own."""
    append = json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(4_800)).decode()})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with running_app(tmp_path, access_token=TOKEN, sessions_max=1, admission_busy_max=0) as own:
        url = own.ws_url("/v1/realtime")
        speaking = await connect(url, additional_headers=headers, proxy=None)
        await speaking.send(append)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if own.services.hub.sessions:
                    break
                await asyncio.sleep(0.02)
        async with connect(url, additional_headers=headers, proxy=None) as one_too_many:
            await one_too_many.send(append)
            assert await rest(one_too_many) == (["session.created"], 1013)
    assert await rest(speaking) == (["session.created"], 1012)


async def gone(node: RunningApp) -> None:
    """Nothing is kept of whoever is gone."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await node.services.fleeting.stop()
            if not (await node.http.get("/v1/transcripts")).json()["total"]:
                break
            await asyncio.sleep(0.02)
    assert not list(node.settings.recordings_dir.iterdir())


async def test_commits_wait_for_each_other_and_have_their_own_words(
    node: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast they come: whoever sends a recording in pieces waits for no answer between them."""
    monkeypatch.setattr(talk, "FINALIZING_MAX", 3)
    said = ["alpha bravo", "charlie", "delta echo", "foxtrot", "golf", "hotel india", "juliet", "kilo"]
    async with connected(node) as connection:
        await connection.session.update(session={"type": "transcription", "audio": {"input": {"turn_detection": None}}})
        for text in said:
            await say(connection, spoken(sentence(text)))
            await connection.input_audio_buffer.commit()
        heard = await until(connection, f"{ABOUT}.completed", len(said))
        assert not of(heard, "error")
        assert [event["transcript"] for event in of(heard, f"{ABOUT}.completed")] == said
        # The end of a turn that was not committed is told where the server finds them from then on.
        await say(connection, spoken(sentence("lima mike")))
        await until(connection, f"{ABOUT}.delta")
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
        )
        assert (await until(connection, f"{ABOUT}.completed"))[-1]["transcript"] == "lima mike"
    await gone(node)
