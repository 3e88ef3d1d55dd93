"""The bridge with Wyoming's own client unchanged, in front of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from server.commands.addresses import ServerAddress
from server.commands.wyoming_bridge import Bridge
from tests.fakes.running_app import DEADLINE_S, RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

wyoming = pytest.importorskip("wyoming", reason="the wyoming client is not installed")
client = pytest.importorskip("wyoming.client")
asr = pytest.importorskip("wyoming.asr")
audio = pytest.importorskip("wyoming.audio")
infos = pytest.importorskip("wyoming.info")

TOKEN = "canary-token-of-the-test"
SOUND = scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.5))


@asynccontextmanager
async def bridged(tmp_path: Path, *, keep: bool = False, **settings: Any) -> AsyncIterator[tuple[RunningApp, int]]:
    async with running_app(tmp_path, access_token=SecretStr(TOKEN), **settings) as node:
        address = ServerAddress(f"http://127.0.0.1:{node.port}", TOKEN)
        node.http.headers.update(address.headers)
        async with Bridge(address, node.http, language="en", keep=keep).serving("127.0.0.1", 0) as port:
            yield node, port


async def until(connection: Any, kind: str) -> list[Any]:
    """The events until the first of that kind."""
    events: list[Any] = []
    async with asyncio.timeout(DEADLINE_S):
        while not events or events[-1].type != kind:
            event = await connection.read_event()
            assert event is not None, f"closed after {events}"
            events.append(event)
    return events


async def say(connection: Any, sound: bytes) -> None:
    await connection.write_event(asr.Transcribe(language="en").event())
    await connection.write_event(audio.AudioStart(rate=16000, width=2, channels=1).event())
    for at in range(0, len(sound), 2048):
        piece = audio.AudioChunk(rate=16000, width=2, channels=1, audio=sound[at : at + 2048])
        await connection.write_event(piece.event())
    await connection.write_event(audio.AudioStop().event())


async def test_what_home_assistant_asks_is_answered(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (node, port), client.AsyncTcpClient("127.0.0.1", port) as connection:
        await connection.write_event(infos.Describe().event())
        (told,) = await until(connection, "info")
        (program,) = infos.Info.from_event(told).asr
        assert (program.name, program.installed, program.supports_transcript_streaming) == ("earshot", True, True)
        assert program.models[0].languages
        for _ in range(2):  # one after the other
            await say(connection, SOUND)
            events = await until(connection, "transcript-stop")
            assert asr.Transcript.from_event(events[-2]).text == "alpha bravo charlie"
            assert [event.type for event in events] == [
                *("transcript-start", "transcript-chunk", "transcript-chunk", "transcript", "transcript-stop")
            ]
            assert "".join(event.data["text"] for event in events[1:3]) == "alpha bravo charlie"
        assert (await node.http.get("/v1/transcripts")).json()["items"] == []
        await say(connection, bytes(16_000))
        assert asr.Transcript.from_event((await until(connection, "transcript"))[-1]).text == ""


async def test_what_is_kept_and_what_cannot_be_heard(tmp_path: Path) -> None:
    async with bridged(tmp_path, keep=True) as (node, port):
        async with client.AsyncTcpClient("127.0.0.1", port) as connection:
            await say(connection, SOUND)
            await until(connection, "transcript-stop")
        assert len((await node.http.get("/v1/transcripts")).json()["items"]) == 1
        async with client.AsyncTcpClient("127.0.0.1", port) as connection:
            await connection.write_event(audio.AudioStart(rate=16000, width=3, channels=1).event())
            (error,) = await until(connection, "error")
            assert error.data["code"] == "AUDIO_FORMAT_ERROR"
        node.http.headers["authorization"] = "Bearer wrong"
        async with client.AsyncTcpClient("127.0.0.1", port) as connection:
            await connection.write_event(audio.AudioStart(rate=16000, width=2, channels=1).event())
            (error,) = await until(connection, "error")
            assert error.data["code"] == "SERVER_FAILED"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'{"type": "audio-chunk", "payload_length": 99999999}\n')
        assert b"INVALID_MESSAGE" in await asyncio.wait_for(reader.read(), DEADLINE_S)
        writer.close()


async def test_whoever_is_refused_reads_why_and_others_are_heard_on(tmp_path: Path) -> None:
    async with (
        bridged(tmp_path, sessions_max=1, admission_busy_max=0) as (node, port),
        client.AsyncTcpClient("127.0.0.1", port) as speaking,
    ):
        await speaking.write_event(audio.AudioStart(rate=16000, width=2, channels=1).event())
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if node.services.hub.sessions:
                    break
                await asyncio.sleep(0.02)
        async with client.AsyncTcpClient("127.0.0.1", port) as connection:
            await say(connection, SOUND)
            (error,) = await until(connection, "error")
            assert "place" in error.data["text"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 4_000_000)
        assert b"INVALID_MESSAGE" in await asyncio.wait_for(reader.read(), DEADLINE_S)
        writer.close()
        # In one piece, which is longer than the server's messages; and then in another form.
        await speaking.write_event(
            audio.AudioChunk(rate=16000, width=2, channels=1, audio=SOUND + bytes(400_000)).event()
        )
        await until(speaking, "transcript-chunk")
        await speaking.write_event(audio.AudioChunk(rate=8000, width=2, channels=1, audio=bytes(100)).event())
        assert (await until(speaking, "error"))[-1].data["code"] == "AUDIO_FORMAT_ERROR"


async def test_what_could_not_be_deleted_goes_with_the_next_command(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (node, _):
        bridge = Bridge(ServerAddress(f"http://127.0.0.1:{node.port}", TOKEN), node.http, language="en", keep=False)
        left = await node.new_transcript()
        right, node.http.headers["authorization"] = node.http.headers["authorization"], "Bearer wrong"
        await bridge.delete(left)
        node.http.headers["authorization"] = right
        assert (await node.http.get("/v1/transcripts")).json()["total"] == 1
        async with bridge.serving("127.0.0.1", 0) as port, client.AsyncTcpClient("127.0.0.1", port) as connection:
            await say(connection, SOUND)
            await until(connection, "transcript-stop")
        assert (await node.http.get("/v1/transcripts")).json()["total"] == 0
