"""Of three nodes the one where somebody speaks is killed, and its machine is gone with its disk: the speaker goes on at
another, what is kept in the end is what was said, to the sample, and readers at the others hear all of it once.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import shutil
import wave
from collections import deque
from collections.abc import Callable, Iterator
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
from tests.fakes.seq_reader import SeqReader
from tests.fakes.server_process import ServerProcess
from tests.fakes.waiting import until
from tests.server.nodes.test_rolling_restart import free_ports

DEADLINE_S = 120.0
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
    """Some that have nothing of each other but PostgreSQL, Redis and the bucket. ``ports``: theirs, by their names."""

    def __init__(self, folder: Path, s3: S3Server, database_url: str, redis_url: str, names: str) -> None:
        self.folder = folder
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._shared: dict[str, Any] = {
            "database_url": database_url,
            "redis_url": redis_url,
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

    def node(self, name: str) -> ServerProcess:
        port = self.ports[name]
        return ServerProcess(self.folder / name, port=port, node_url=f"http://127.0.0.1:{port}", **self._shared)

    @property
    def ways(self) -> Ways:
        return Ways([ServerAddress(f"http://127.0.0.1:{port}") for port in self.ports.values()])


class Voice:
    """Speaks ``pcm``, as far as it is told to."""

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm
        self._at = 0
        self._until_bytes = 0
        self._further, self._paused = asyncio.Event(), asyncio.Event()

    async def say(self, until_bytes: int) -> None:
        """Returns when all of it was asked for."""
        self._paused.clear()
        self.go_on(until_bytes)
        await self._paused.wait()

    def go_on(self, until_bytes: int) -> None:
        self._until_bytes = until_bytes
        self._further.set()

    def say_all(self) -> None:
        self.go_on(len(self._pcm) + 1)

    async def __call__(self) -> bytes | None:
        while self._at >= self._until_bytes:
            self._further.clear()
            self._paused.set()
            await self._further.wait()
        piece = self._pcm[self._at : self._at + PIECE_BYTES]
        self._at += len(piece)
        return piece or None


async def new_transcript(node: ServerProcess) -> str:
    async with httpx.AsyncClient(base_url=node.url, trust_env=False) as http:
        id_: str = (await http.post("/v1/transcripts/", json={"name": "survives"})).json()["id"]
        return id_


async def kept_at(node: ServerProcess, transcript_id: str) -> tuple[bytes, list[dict[str, Any]]]:
    """Its sound, and its segments."""
    async with httpx.AsyncClient(base_url=node.url, trust_env=False, timeout=DEADLINE_S) as http:
        wav = (await http.get(f"/v1/transcripts/{transcript_id}/audio", params={"format": "wav"})).content
        told = (await http.get(f"/v1/transcripts/{transcript_id}/segments", params={"limit": 1000})).json()["items"]
    with wave.open(io.BytesIO(wav)) as kept:
        return kept.readframes(kept.getnframes()), told


def words_in(told: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(word["text"], round(word["start"] * SAMPLE_RATE_HZ)) for segment in told for word in segment["words"]]


async def speak_through_a_death(nodes: Nodes, s3: S3Server, pcm: bytes) -> tuple[bytes, list[dict[str, Any]], int]:
    """What is kept of it, and its segments, as another node gives them than that where it began; and how
    many interims each reader saw, at the least."""
    acked = 0
    enough = asyncio.Event()

    def on_acked(position: int) -> None:
        nonlocal acked
        acked = position
        if position >= 4 * SAMPLE_RATE_HZ:
            enough.set()

    voice = Voice(pcm)
    async with asyncio.timeout(DEADLINE_S), nodes.node("a") as a, nodes.node("b") as b, nodes.node("c") as c:
        transcript_id = await new_transcript(a)
        client = speaking_client(nodes, transcript_id, voice, on_acked)
        readers = [SeqReader(node.websocket_url, transcript_id) for node in (b, c)]
        speaking = asyncio.create_task(client.speak())
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        await voice.say(6 * A_SECOND)
        await enough.wait()
        s3.faults_of["PUT"] = deque([503] * 10_000)  # from here on it has more than the bucket
        before = acked
        await voice.say(10 * A_SECOND)
        [recording] = (nodes.folder / "a" / "recordings" / transcript_id).glob("trk_*")
        await until(lambda: recording.stat().st_size >= 8 * A_SECOND)
        await a.kill()
        shutil.rmtree(nodes.folder / "a")
        s3.faults_of.clear()
        assert acked == before < 10 * SAMPLE_RATE_HZ
        voice.say_all()
        await speaking
        await asyncio.gather(*reading)
        kept, told = await kept_at(c, transcript_id)
    for reader in readers:
        reader.check_whole([word for word, _ in words_in(told)])
    return kept, told, min(reader.interims for reader in readers)


def speaking_client(
    nodes: Nodes, transcript_id: str, voice: Voice, on_acked: Callable[[int], None], *, give_up_s: float = 60.0
) -> SpeakingClient:
    start = {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE_HZ, "channels": 1}
    return SpeakingClient(
        nodes.ways,
        transcript_id,
        start,
        Outbox(BYTES_PER_SAMPLE),
        voice,
        on_message=lambda _: None,
        on_acked=on_acked,
        give_up_s=give_up_s,
    )


@pytest.fixture
def nodes(tmp_path: Path, s3: S3Server, postgres_url: str, redis_url: str) -> Nodes:
    return Nodes(tmp_path, s3, postgres_url, redis_url, "abc")


@pytest.mark.process
async def test_every_word_is_there_once(nodes: Nodes, s3: S3Server) -> None:
    pcm = scripted_sound(SPOKEN)
    kept, told, interims = await speak_through_a_death(nodes, s3, pcm)
    assert kept == pcm
    assert words_in(told) == [(word.text, word.start_samples) for word in scripted_words(SPOKEN)]
    assert interims > 0


@pytest.mark.process
async def test_real_speech_is_kept_to_the_sample(nodes: Nodes, s3: S3Server, speech_data: Path) -> None:
    file = speech_data / "diarization/constructed/conv2.flac"
    limits = DecodeLimits(bytes_max=1 << 26, duration_max_s=600)
    pcm = b"".join(block.pcm for block in decode_file(file, limits))
    kept, _, _ = await speak_through_a_death(nodes, s3, pcm)
    assert kept == pcm
