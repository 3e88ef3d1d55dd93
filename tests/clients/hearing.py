"""What the tests of all clients share: a sentence with known words, a server that recognises it, the wait for words."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import httpx
import jiwer
import numpy as np
import pytest
from websockets.asyncio.client import connect

from asr.contract import Samples
from protocol.blocks import SAMPLE_RATE_HZ
from tests.fakes.server_process import ServerProcess
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.wav import wav_of

TOKEN = "token-of-the-client-tests"
WORDS_DEADLINE_S = 45.0
RUN_DEADLINE_S = 45.0
WORD_ERRORS_MAX = 0.34  # a word or two misheard by the embedded recogniser through a lossy codec, and none lost
TURN = 1  # of the sample: 4.2 seconds, 15 words
TAIL_S = 0.7


@dataclass(frozen=True)
class Sentence:
    """A WAV file of 16 kHz mono sound, its samples and its words."""

    path: Path
    samples: Samples
    text: str


def sentence(folder: Path, *, lead_s: float = 0.3, tail_s: float = TAIL_S) -> Sentence:
    """One turn of the spoken sample, between silences."""
    sample = spoken_sample()
    start_s, end_s, text = sample.turns[TURN]
    parts = [
        np.zeros(round(lead_s * SAMPLE_RATE_HZ), np.int16),
        sample.samples[round((start_s - 0.2) * SAMPLE_RATE_HZ) : round((end_s + 0.2) * SAMPLE_RATE_HZ)],
        np.zeros(round(tail_s * SAMPLE_RATE_HZ), np.int16),
    ]
    samples = np.concatenate(parts)
    path = folder / "sentence.wav"
    path.write_bytes(wav_of(samples.tobytes()))
    return Sentence(path, samples, text)


@dataclass(frozen=True)
class Hearing:
    """A running server, and what it heard. ``token`` is what it asks of everybody, if anything."""

    url: str
    http: httpx.AsyncClient
    token: str | None

    async def new_transcript(self) -> str:
        made = await self.http.post("/v1/transcripts", json={})
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def whip(self, transcript_id: str) -> str:
        return f"{self.url}/whip/{transcript_id}"

    async def text(self, transcript_id: str) -> str:
        """All finals, once the transcript is complete."""
        url = f"{self.url.replace('http', 'ws', 1)}/v1/transcripts_websocket/{transcript_id}?after=0"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        finals: list[str] = []
        async with asyncio.timeout(WORDS_DEADLINE_S), connect(url, additional_headers=headers, proxy=None) as socket:
            async for text in socket:
                message = json.loads(text)
                data = message["data"]
                if message["type"] == "transcription" and data["is_final"]:
                    finals.append(data["text"])
                elif message["type"] == "status" and data["status"] in ("completed", "failed"):
                    assert data["status"] == "completed", data
                    return " ".join(finals)
        raise AssertionError("the socket ended before the transcript did")

    async def assert_heard(self, said: Sentence, transcript_id: str) -> None:
        heard = await self.text(transcript_id)
        assert jiwer.wer(said.text, heard) <= WORD_ERRORS_MAX, heard
        await self._assert_kept_as_it_came(transcript_id)

    async def _assert_kept_as_it_came(self, transcript_id: str) -> None:
        """The client's own Opus, in one file that another's decoder plays as long as the track is."""
        kept = await self.http.get(f"/v1/transcripts/{transcript_id}/audio", params={"format": "ogg"})
        assert kept.status_code == 200, kept.text
        with av.open(io.BytesIO(kept.content), "r") as container:
            played_s = sum(frame.samples for frame in container.decode(audio=0)) / 48_000
        [track] = (await self.http.get(f"/v1/transcripts/{transcript_id}")).json()["data"]["tracks"]
        assert played_s == pytest.approx(track["duration"], abs=0.01)


@asynccontextmanager
async def hearing(folder: Path, *, token: str | None = TOKEN) -> AsyncIterator[Hearing]:
    """A server of its own, with the recogniser that every installation has."""
    options = {"engine": "embedded-en"} | ({"access_token": token} if token else {})
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        ServerProcess(folder / "data", **options) as server,
        httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=20) as http,
    ):
        yield Hearing(server.url, http, token)


async def run(*command: str | Path) -> str:
    """A client as a process of its own, until it ends by itself and well. Returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(RUN_DEADLINE_S):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = printed.decode(errors="replace")
    assert process.returncode == 0, text[-4000:]
    return text


def node_package(name: str) -> tuple[str, str]:
    """Node, and the folder into which npm installed a package. Skips the test where either is missing."""
    node, folder = shutil.which("node"), os.environ.get("EARSHOT_NODE_PACKAGES", "")
    if node is None:
        pytest.skip("no node here")
    if not folder or not (Path(folder) / "node_modules" / name).is_dir():
        pytest.skip(f"EARSHOT_NODE_PACKAGES names no folder into which npm installed {name}")
    return node, folder
