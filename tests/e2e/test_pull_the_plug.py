"""The promise of durability, on the whole server: what was acknowledged survives, what was said is said once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.fakes.waiting import until
from tests.fakes.wav import wav_of

pytestmark = pytest.mark.process

TEXT = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima"
WORDS = [word for n in range(6) for word in sentence(TEXT, 0.5 + 5.2 * n)]
SOUND = scripted_sound(WORDS)
EXPECTED = [word for word, _ in WORDS]
MESSAGE_BYTES = 3200
QUICK: dict[str, Any] = {"record_sync_interval_ms": 100, "record_write_interval_ms": 50, "utterance_silence_ms": 300}


class Speaker:
    """A client that keeps what is not acknowledged, as the protocol wants it."""

    def __init__(self, transcript_id: str) -> None:
        self.transcript_id = transcript_id
        self.acked = 0
        self.token: str | None = None
        self.positions: list[int] = []  # that each connection was told to go on from
        self.stopped: dict[str, Any] | None = None

    @asynccontextmanager
    async def connected(self, server: ServerProcess) -> AsyncIterator[ClientConnection]:
        url = f"{server.websocket_url}/v1/transcripts_stream/{self.transcript_id}"
        async with connect(url, compression=None) as socket:
            await socket.send(json.dumps({"type": "start", "data": {"resume": self.token, "events": False}}))
            started = json.loads(await socket.recv())
            assert started["type"] == "started", started
            self.token = started["data"]["resume_token"]
            self.positions.append(started["data"]["position"])
            yield socket

    async def hear(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "ack":
                    self.acked = message["data"]["position"]
                elif message["type"] == "stopped":
                    self.stopped = message["data"]

    async def speak(self, socket: ClientConnection, *, pace_s: float = 0.0) -> None:
        """From the server's position to the end, then stop."""
        hearing = asyncio.create_task(self.hear(socket))
        try:
            for at in range(self.positions[-1] * 2, len(SOUND), MESSAGE_BYTES):
                await socket.send(SOUND[at : at + MESSAGE_BYTES])
                await asyncio.sleep(pace_s)
            await socket.send('{"type":"stop"}')
            await hearing
        except ConnectionClosed:
            await hearing
        finally:
            hearing.cancel()


async def new_transcript(server: ServerProcess) -> str:
    async with httpx.AsyncClient(base_url=server.url) as http:
        response = await http.post("/v1/transcripts/", json={"name": "plug"})
        assert response.status_code == 201, response.text
        transcript_id: str = response.json()["id"]
        return transcript_id


async def words_of(server: ServerProcess, transcript_id: str) -> list[str]:
    async with httpx.AsyncClient(base_url=server.url) as http:
        segments = (await http.get(f"/v1/transcripts/{transcript_id}/segments")).json()["items"]
    return [word["text"] for segment in segments for word in segment["words"]]


async def wait_completed(server: ServerProcess, transcript_id: str) -> None:
    """Follow the listening socket until the transcript is complete."""
    url = f"{server.websocket_url}/v1/transcripts_websocket/{transcript_id}?types=status"
    async with asyncio.timeout(60), connect(url, compression=None) as socket:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "status" and message["data"]["status"] == "completed":
                return


async def test_killed_at_any_moment_no_acknowledged_sample_and_no_word_is_lost(tmp_path: Path) -> None:
    """Three speak at once, and each began at another time, so that one kill finds them at three moments."""
    moments_s = [random.Random(seed).uniform(0.3, 2.5) for seed in range(3)]
    server = ServerProcess(tmp_path / "data", **QUICK)
    async with server:
        speakers = [Speaker(await new_transcript(server)) for _ in moments_s]

        async def until_killed(speaker: Speaker, socket: ClientConnection, moment_s: float) -> None:
            await asyncio.sleep(max(moments_s) - moment_s)
            await speaker.speak(socket, pace_s=0.01)

        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(speaker.connected(server)) for speaker in speakers]
            speaking = [
                asyncio.create_task(until_killed(*each)) for each in zip(speakers, sockets, moments_s, strict=True)
            ]
            await asyncio.sleep(max(moments_s))  # the fault's moment, not a wait for anything
            await server.kill()
            await asyncio.gather(*speaking)
        acked = [speaker.acked for speaker in speakers]
        assert any(acked)
        await server.start()

        async def to_the_end(speaker: Speaker, acked: int) -> None:
            async with speaker.connected(server) as socket:
                assert speaker.positions[-1] >= acked
                await speaker.speak(socket)
            assert speaker.stopped is not None
            assert speaker.stopped["duration"] == pytest.approx(len(SOUND) / 32000)
            assert await words_of(server, speaker.transcript_id) == EXPECTED

        await asyncio.gather(*(to_the_end(*each) for each in zip(speakers, acked, strict=True)))


async def test_a_transcript_cut_short_is_completed_at_the_next_start(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", **QUICK, resume_grace_s=0)
    async with server:
        speaker = Speaker(await new_transcript(server))
        async with speaker.connected(server) as socket:
            speaking = asyncio.create_task(speaker.speak(socket, pace_s=0.01))
            await asyncio.sleep(1.5)
            await server.kill()
            await speaking
        await server.start()
        await wait_completed(server, speaker.transcript_id)
        words = await words_of(server, speaker.transcript_id)
        heard_s = speaker.acked / 16000
        assert words == EXPECTED[: len(words)]
        assert len(words) >= sum(1 for _, start_s in WORDS if start_s + 0.3 < heard_s)


async def test_told_to_stop_it_makes_the_finals_and_leaves_in_good_order(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", **QUICK)
    async with server:
        speaker = Speaker(await new_transcript(server))
        async with speaker.connected(server) as socket:
            for at in range(0, len(SOUND), MESSAGE_BYTES):
                await socket.send(SOUND[at : at + MESSAGE_BYTES])
            hearing = asyncio.create_task(speaker.hear(socket))
            await until(lambda: speaker.acked >= len(SOUND) // 2)
            assert await server.stop() == 0
            await hearing
        await server.start()
        assert await words_of(server, speaker.transcript_id) == EXPECTED


async def test_a_job_that_is_killed_half_way_goes_on_and_ends_with_every_word_once(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", **QUICK | {"engine": "scripted-slow"})
    async with server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            files = {"file": ("talk.wav", wav_of(SOUND), "audio/wav")}
            job_id = (await http.post("/api/transcribe/", files=files)).json()["job_id"]
            async with asyncio.timeout(120):
                while (progress := await progress_of(http, job_id)) < 45:  # noqa: ASYNC110 - it is asked for
                    await asyncio.sleep(0.05)
            assert progress < 100
            await server.kill()
        await server.start()
        await wait_completed(server, job_id)
        assert await words_of(server, job_id) == EXPECTED
        async with httpx.AsyncClient(base_url=server.url) as http:
            assert await progress_of(http, job_id) == 100
            result = (await http.get(f"/api/transcribe/result/{job_id}")).json()
            assert " ".join(EXPECTED) in json.dumps(result)


async def progress_of(http: httpx.AsyncClient, job_id: str) -> int:
    progress: int = (await http.get(f"/api/transcribe/status/{job_id}")).json()["progress"]
    return progress
