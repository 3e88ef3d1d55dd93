"""Chunks of several nodes that share a database and a bucket: each is in the text once, whatever happens to the nodes.

``EARSHOT_TEST_CHUNKS`` and ``EARSHOT_TEST_SEED`` make more of it, and others.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import Conflict, EarshotError, NotFound
from protocol.events import Transcribed
from protocol.states import ChunkState, TranscriptState
from server.projects import chunk_writing
from server.services import Services
from server.store.conversation_records import Chunk
from server.store.store import Store
from tests.fakes.node import node_settings
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.nodes.test_membership import SECRET, gone, nodes, speaking
from tests.server.projects.test_chunks import begun
from tests.server.projects.test_chunks_in_bucket import bucket, s3

__all__ = ["s3"]

CHUNKS = int(os.environ.get("EARSHOT_TEST_CHUNKS", "36"))
SEED = int(os.environ.get("EARSHOT_TEST_SEED", "10"))
CONVERSATIONS, NODES = 6, 3
WORDS = ("alpha", "bravo", "river", "papa", "window", "never", "delta", "golf")


def sound(said: str) -> bytes:
    return wav_of(scripted_sound(sentence(said, 0.1), length_s=2.0))


@dataclass
class Cluster:
    """Nodes that come and go. Those that were ``killed`` are not seen any more, and go on for as long as they can."""

    url: str
    folder: Path
    options: dict[str, Any]
    living: list[Services] = field(default_factory=list)
    killed: list[Services] = field(default_factory=list)
    count: int = 0

    async def start(self) -> None:
        self.count += 1
        settings = {"database_url": self.url, "shared_secret": SECRET, "node_lease_s": 2}
        self.living.append(
            await Services.start(node_settings(self.folder / str(self.count), **settings, **self.options))
        )

    async def kill(self, at: int) -> None:
        services = self.living.pop(at)
        self.killed.append(services)
        await gone(services)

    async def stop(self, at: int) -> None:
        await self.living.pop(at).stop()


@asynccontextmanager
async def cluster(url: str, folder: Path, **options: Any) -> AsyncIterator[Cluster]:
    started = Cluster(url, folder, options)
    try:
        for _ in range(NODES):
            await started.start()
        yield started
    finally:
        for services in (*started.living, *started.killed):
            await services.stop()


async def busy(services: Services, settled: Callable[[], Awaitable[int]], sent: int) -> None:
    """Until it writes something down, or there is nothing left to be written down."""
    async with asyncio.timeout(30):
        while await settled() < sent:
            if services.chunks.writing.busy:
                return
            await asyncio.sleep(0.005)


async def ended(store: Store, transcript_id: str) -> None:
    async with asyncio.timeout(120):
        while True:
            if (await store.get_transcript(transcript_id)).state is TranscriptState.ENDED:
                return
            await asyncio.sleep(0.05)


async def told_in(store: Store, chunk: Chunk) -> list[str]:
    """The words of its track in all events that there ever were of it, and those that a reader of the text sees."""
    told: list[str] = []
    for event in await store.events_after(chunk.conversation_id, 0, 10_000):
        if isinstance(event.body, Transcribed) and event.body.segment.track == chunk.track_id:
            told += event.body.segment.text.split()
    return told


async def test_each_chunk_is_in_the_text_once_while_nodes_die_at_random(
    s3: S3Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_writing, "LOOK_S", 0.2)
    chance = random.Random(SEED)
    async with cluster(postgres_url, tmp_path, **bucket(s3)) as all_:
        store = await Store.open(postgres_url)
        try:
            ids = [await begun(all_.living[0]) for _ in range(CONVERSATIONS)]
            said: dict[str, str] = {}

            async def send(number: int) -> None:
                text = " ".join(chance.choice(WORDS) for _ in range(4))
                while True:
                    chunks = chance.choice(all_.living).chunks
                    try:
                        chunk, _ = await chunks.announce(
                            ids[number % CONVERSATIONS], filename="a", content_type="audio/wav", source="PORTAL_AUDIO"
                        )
                        assert chunk.key is not None
                        s3.objects[f"of/earshot/{chunk.key}"] = sound(text)
                        await chunks.confirm(chunk.conversation_id, chunk.id, said_at=None)
                    except EarshotError:
                        continue  # by a node that was stopped meanwhile; what was only announced is nobody's
                    said[chunk.id] = text
                    return

            async def settled() -> int:
                found = [await store.conversations.chunks_of(id_) for id_ in ids]
                return sum(chunk.is_settled for chunks in found for chunk in chunks)

            for number in range(CHUNKS):
                await send(number)
                if number % (CHUNKS // 6) == CHUNKS // 12:
                    at = chance.randrange(len(all_.living))
                    # A node that is killed is in the middle of something.
                    await busy(all_.living[at], settled, len(said))
                    await (all_.kill(at) if chance.random() < 0.6 else all_.stop(at))
                    await all_.start()
            for id_ in ids:
                await chance.choice(all_.living).chunks.finish(id_)
            for id_ in ids:
                await ended(store, id_)
            chunks = {chunk.id: chunk for id_ in ids for chunk in await store.conversations.chunks_of(id_)}
            assert Counter(chunks[id_].state for id_ in said) == {ChunkState.TRANSCRIBED: len(said)}
            for id_, text in said.items():
                assert " ".join(await told_in(store, chunks[id_])) == text, chunks[id_]
            for id_ in ids:
                segments = await store.segments_of(id_, offset=0, limit=1000)
                expected = sorted(said[each.id] for each in chunks.values() if each.conversation_id == id_)
                assert sorted(each.segment.text for each in segments) == expected
        finally:
            await store.close()


async def test_what_is_said_into_a_transcript_ends_when_another_node_deletes_it(
    postgres_url: str, tmp_path: Path
) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], deleted_kept_days=0, node_lease_s=120) as (a, b):
        client = await speaking(a, scripted_sound(sentence("alpha bravo", 0.1), length_s=2.0))
        with pytest.raises(Conflict, match="still being recorded"):
            await b.removal.delete_sound(client.transcript_id)
        await b.removal.delete(client.transcript_id)
        await a.removal.end_deleted()
        assert client.speaking is not None
        assert isinstance(await client.speaking.wait_ended(), NotFound)
        assert not a.hub.sessions
        assert not (a.settings.recordings_dir / client.transcript_id).exists()


async def test_a_node_that_starts_forgets_no_job_whose_file_another_takes_in(postgres_url: str, tmp_path: Path) -> None:
    async with nodes(postgres_url, [tmp_path / "a", tmp_path / "b"], node_lease_s=120) as (a, b):
        known: dict[str, Any] = {"owner": None, "language": "en", "model": "x", "diarize": False, "filename": "a.wav"}
        job = await a.store.jobs.create(**known, node_id=a.membership.holding.node_id)
        await b.jobs.load()
        assert (await b.store.jobs.get(job.id)).id == job.id
        await a.store.nodes.leave(a.membership.holding.node_id)
        await b.jobs.load()
        with pytest.raises(NotFound):
            await b.store.jobs.get(job.id)
