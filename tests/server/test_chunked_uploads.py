"""Chunks that were acknowledged are there after ``kill -9``, and the file is heard once."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.fakes.wav import wav_of

WAV = wav_of(scripted_sound(sentence("alpha bravo", 0.4)))
PIECES = [WAV[at : at + 20_000] for at in range(0, len(WAV), 20_000)]
DEADLINE_S = 60.0


def client_of(server: ServerProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=DEADLINE_S)


async def test_acknowledged_chunks_survive_a_kill_and_the_file_is_heard_once(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    async with server, client_of(server) as client:
        transcript_id = (await client.post("/v1/transcripts")).json()["id"]
        wanted = {"chunks": len(PIECES), "name": "talk.wav", "sha256": hashlib.sha256(WAV).hexdigest()}
        begun = await client.post(f"/v1/transcripts/{transcript_id}/uploads", json=wanted)
        path = begun.headers["location"]
        for number in (2, 0):
            assert (await client.put(f"{path}/chunks/{number}", content=PIECES[number])).status_code == 201
        await server.kill()

    async with server, client_of(server) as client:
        told = (await client.get(path)).json()
        assert told["missing"] == [number for number in range(len(PIECES)) if number not in (0, 2)]
        for number in told["missing"]:
            assert (await client.put(f"{path}/chunks/{number}", content=PIECES[number])).status_code == 201
        # Killed while it is put together, or just after: whether that was answered or not.
        asked = asyncio.create_task(client.post(f"{path}/complete"))
        await asyncio.wait([asked], timeout=0.02)
        await server.kill()
        await asyncio.wait([asked])
        assert asked.exception() is None or isinstance(asked.exception(), httpx.HTTPError)

    async with server, client_of(server) as client:
        # If it was killed before it heard the question, the question is asked again; else it changes nothing.
        assert (await client.post(f"{path}/complete")).json()["state"] == "done"
        transcript = await completed(client, transcript_id)
        [track] = transcript["data"]["tracks"]
        assert (track["name"], track["duration"]) == ("talk.wav", round((len(WAV) - 44) / 32_000, 3))
        segments = (await client.get(f"/v1/transcripts/{transcript_id}/segments")).json()["items"]
        assert " ".join(segment["text"] for segment in segments) == "alpha bravo"
        original = await client.get(f"/v1/transcripts_audio/{transcript_id}/download?original=true")
        assert original.content == WAV
    assert not list((tmp_path / "data" / "uploads").rglob("*.part"))


async def completed(client: httpx.AsyncClient, transcript_id: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            transcript: dict[str, Any] = (await client.get(f"/v1/transcripts/{transcript_id}")).json()
            if transcript["status"] == "completed" and transcript["data"]["words"]:
                return transcript
            await asyncio.sleep(0.2)
