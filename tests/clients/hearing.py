"""What the tests of all clients share: a sentence with known words, a server that recognises it, the wait for words.

The words are the scripted engine's tones: heard, each says that its sound came undamaged, in its place. One client says
a spoken sentence, which the recogniser hears that every installation has.
"""

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
import numpy as np
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect

from asr.contract import Samples
from tests.fakes import scripted_sound
from tests.fakes.running_app import running_app
from tests.fakes.wav import wav_of

TOKEN = "token-of-the-client-tests"
WORDS_DEADLINE_S = 120.0
RUN_DEADLINE_S = 120.0
TEXT = "good morning river stone bridge garden"
LEAD_S = 0.3
TAIL_S = 0.7


@dataclass(frozen=True)
class Sentence:
    """A WAV file of 16 kHz mono sound, its samples and its words."""

    path: Path
    samples: Samples
    text: str


def sentence(folder: Path) -> Sentence:
    """Six words, three seconds."""
    return sentence_of(folder, TEXT, TAIL_S)


def sentence_of(folder: Path, text: str, pause_s: float) -> Sentence:
    """With a pause behind it, in which its end is heard."""
    words = scripted_sound.sentence(text, LEAD_S)
    sound = scripted_sound.scripted_sound(words, length_s=words[-1][1] + scripted_sound.WORD_S + pause_s)
    path = folder / "sentence.wav"
    path.write_bytes(wav_of(sound))
    return Sentence(path, np.frombuffer(sound, np.int16), text)


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
        """All that was said and nothing twice. A starved machine may cost a client in real time one word, not more."""
        heard, words = (await self.text(transcript_id)).split(), said.text.split()
        assert heard in [words, *([*words[:n], *words[n + 1 :]] for n in range(len(words)))], heard
        await self.assert_kept_as_it_came(transcript_id)

    async def assert_kept_as_it_came(self, transcript_id: str) -> None:
        """The client's own Opus, in one file that another's decoder plays as long as the track is."""
        kept = await self.http.get(f"/v1/transcripts/{transcript_id}/audio", params={"format": "ogg"})
        assert kept.status_code == 200, kept.text
        with av.open(io.BytesIO(kept.content), "r") as container:
            played_s = sum(frame.samples for frame in container.decode(audio=0)) / 48_000
        [track] = (await self.http.get(f"/v1/transcripts/{transcript_id}")).json()["data"]["tracks"]
        assert played_s == pytest.approx(track["duration"], abs=0.01)


@asynccontextmanager
async def hearing(folder: Path, *, token: str | None = TOKEN, engine: str = "scripted") -> AsyncIterator[Hearing]:
    """A server of its own."""
    access_token = SecretStr(token) if token else None
    async with running_app(folder / "data", engine=engine, access_token=access_token) as node:
        if token:
            node.http.headers["Authorization"] = f"Bearer {token}"
        yield Hearing(node.serving.url.rstrip("/"), node.http, token)


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
