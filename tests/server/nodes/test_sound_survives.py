"""A node is killed in mid-speech and its machine is gone with its disk: the speaker goes on at another node, and what
is kept in the end is what was said, to the sample."""

from __future__ import annotations

import asyncio
import io
import secrets
import shutil
import socket
import wave
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from media.decode import DecodeLimits, decode_file
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from server import blobs as blobs_module
from server.commands.addresses import ServerAddress, Ways
from server.commands.outbox import Outbox
from server.commands.speaking import SpeakingClient
from tests.fakes.s3 import BUCKET, KEY_ID, REGION, SECRET, S3Server
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.server_process import ServerProcess
from tests.server.databases import lay_sqlite_file

DEADLINE_S = 60.0
PIECE_BYTES = 3200
SPOKEN = [
    (word, at + 4 * number)
    for number in range(6)
    for word, at in sentence("alpha bravo charlie delta echo foxtrot golf hotel", 0.5)
]
A_SECOND = SAMPLE_RATE_HZ * BYTES_PER_SAMPLE


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    with S3Server() as running:
        yield running


class Nodes:
    """Two, of which the second has nothing of the first but the database and the bucket."""

    def __init__(self, folder: Path, s3: S3Server) -> None:
        self.folder = folder
        lay_sqlite_file(folder / "earshot.db")
        self._shared: dict[str, Any] = {
            "database_url": f"sqlite+aiosqlite:///{folder / 'earshot.db'}",
            "blobs_url": f"s3://{BUCKET}/of/earshot",
            "s3_endpoint": s3.endpoint,
            "s3_region": REGION,
            "s3_access_key_id": KEY_ID,
            "s3_secret_access_key": SECRET,
            "record_remote_interval_s": 1.0,
            "record_sync_interval_ms": 100,
            "node_lease_s": 1.0,
            "shared_secret": secrets.token_hex(16),
            "utterance_silence_ms": 300,
        }

    def node(self, name: str, port: int) -> ServerProcess:
        return ServerProcess(self.folder / name, port=port, **self._shared)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Voice:
    """Speaks ``pcm``, as far as it is told to."""

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm
        self._at = 0
        self._until_bytes = 0
        self._further, self._paused = asyncio.Event(), asyncio.Event()

    async def say(self, until_bytes: int) -> None:
        self._until_bytes = until_bytes
        self._paused.clear()
        self._further.set()
        await self._paused.wait()

    def say_all(self) -> None:
        self._until_bytes = len(self._pcm) + 1
        self._further.set()

    async def __call__(self) -> bytes | None:
        while self._at >= self._until_bytes:
            self._further.clear()
            self._paused.set()
            await self._further.wait()
        piece = self._pcm[self._at : self._at + PIECE_BYTES]
        self._at += len(piece)
        return piece or None


async def speak_through_a_death(tmp_path: Path, s3: S3Server, pcm: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """What is kept of it, and its segments, as the second node gives them."""
    nodes, ports = Nodes(tmp_path, s3), (free_port(), free_port())
    acked = 0
    enough = asyncio.Event()

    def on_acked(position: int) -> None:
        nonlocal acked
        acked = position
        if position >= 4 * SAMPLE_RATE_HZ:
            enough.set()

    voice = Voice(pcm)
    async with asyncio.timeout(DEADLINE_S), nodes.node("a", ports[0]) as first:
        async with httpx.AsyncClient(base_url=first.url, trust_env=False) as http:
            transcript_id = (await http.post("/v1/transcripts/", json={"name": "survives"})).json()["id"]
        start = {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE_HZ, "channels": 1}
        ways = Ways([ServerAddress(f"http://127.0.0.1:{port}") for port in ports])
        client = SpeakingClient(
            ways, transcript_id, start, Outbox(BYTES_PER_SAMPLE), voice, on_message=lambda _: None, on_acked=on_acked
        )
        speaking = asyncio.create_task(client.speak())
        await voice.say(6 * A_SECOND)
        await enough.wait()
        s3.faults_of["PUT"] = deque([503] * 10_000)  # from here on it has more than the bucket
        before = acked
        await voice.say(10 * A_SECOND)
        [recording] = (tmp_path / "a" / "recordings" / transcript_id).glob("trk_*")
        while recording.stat().st_size < 8 * A_SECOND:  # noqa: ASYNC110 - on disk
            await asyncio.sleep(0.02)
        await first.kill()
        shutil.rmtree(tmp_path / "a")
        s3.faults_of.clear()
        assert acked == before < 10 * SAMPLE_RATE_HZ
        async with nodes.node("b", ports[1]) as second:
            voice.say_all()
            await speaking
            async with httpx.AsyncClient(base_url=second.url, trust_env=False) as http:
                wav = (await http.get(f"/v1/transcripts/{transcript_id}/audio", params={"format": "wav"})).content
                told = (await http.get(f"/v1/transcripts/{transcript_id}/segments")).json()["items"]
    with wave.open(io.BytesIO(wav)) as kept:
        return kept.readframes(kept.getnframes()), told


async def test_every_word_is_there_once(tmp_path: Path, s3: S3Server) -> None:
    pcm = scripted_sound(SPOKEN)
    kept, told = await speak_through_a_death(tmp_path, s3, pcm)
    assert kept == pcm
    said = [(word["text"], round(word["start"] * SAMPLE_RATE_HZ)) for segment in told for word in segment["words"]]
    assert said == [(word.text, word.start_samples) for word in scripted_words(SPOKEN)]


async def test_real_speech_is_kept_to_the_sample(tmp_path: Path, s3: S3Server, speech_data: Path) -> None:
    file = speech_data / "diarization/constructed/conv2.flac"
    limits = DecodeLimits(bytes_max=1 << 26, duration_max_s=600)
    pcm = b"".join(block.pcm for block in decode_file(file, limits))
    kept, _ = await speak_through_a_death(tmp_path, s3, pcm)
    assert kept == pcm
