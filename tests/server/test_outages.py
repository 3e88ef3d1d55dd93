"""What a node leans on goes away in mid-speech and comes back: sound is recorded, interims are told, and in the end
every event is there once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.events import StatusChanged
from protocol.states import TranscriptState
from server import blobs as blobs_module
from server import endings
from server.services import Services
from server.store import database
from tests.fakes.node import events_of, running_services, wait_for_state, words_of
from tests.fakes.redis_server import NoRedis, RedisServer
from tests.fakes.running_app import Message, RunningApp, Socket, running_app
from tests.fakes.s3 import BUCKET, KEY_ID, REGION, SECRET, S3Server
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence
from tests.fakes.waiting import until
from tests.net.relay import TcpRelay
from tests.server.databases import Postgres, SocketRelay

PIECE_S = 2.0
SENTENCES = [sentence(text, 0.2) for text in ("alpha bravo", "charlie delta", "echo foxtrot", "golf hotel")]
PIECES = [scripted_sound(words, length_s=PIECE_S) for words in SENTENCES]
# As long as every time-out that is met with, several times.
OUTAGE_S = 5.0


def expected(*numbers: int) -> list[tuple[str, int]]:
    """Words of these sentences, said one after the other."""
    return [
        (word.text, word.start_samples + round(at * PIECE_S) * SAMPLE_RATE_HZ)
        for at, number in enumerate(numbers)
        for word in scripted_words(SENTENCES[number])
    ]


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ACQUIRE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(database, "COMMAND_TIMEOUT_S", 1.0)
    monkeypatch.setattr(endings, "RETRY_STORE_S", 0.1)


class Cut:
    """PostgreSQL, and a way to it that can be cut or made silent."""

    def __init__(self, relay: SocketRelay, url: str) -> None:
        self.relay = relay
        self.url = url

    async def away(self, how: Literal["cut", "silent"]) -> None:
        if how == "cut":
            await self.relay.cut()
        else:
            self.relay.silence()

    async def heal(self) -> None:
        await self.relay.heal()


@pytest.fixture
async def way(postgres: Postgres, postgres_url: str, short_timeouts: None) -> AsyncIterator[Cut]:
    name = postgres_url.split("/")[3].split("?")[0]
    async with SocketRelay.running(postgres.folder) as relay:
        yield Cut(relay, postgres.url(name, relay.folder))


@asynccontextmanager
async def speaking(node: RunningApp, id_: str) -> AsyncIterator[Socket]:
    async with node.socket(f"/v1/transcripts_stream/{id_}") as speaker:
        await speaker.send({"type": "start", "encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE_HZ, "events": False})
        await speaker.until("started")
        yield speaker


async def say(speaker: Socket, number: int) -> None:
    for at in range(0, len(PIECES[number]), 6400):
        await speaker.send(PIECES[number][at : at + 6400])


def tells(text: str, *, final: bool) -> Any:
    def fits(message: Message) -> bool:
        segment = message["data"].get("segment", message["data"]) if message["type"] == "transcription" else {}
        return bool(message["type"] == "transcription" and text in str(segment) and segment["is_final"] is final)

    return fits


async def check_whole(services: Services, id_: str, *numbers: int) -> None:
    assert await words_of(services, id_) == expected(*numbers)
    events = await events_of(services, id_)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    states = [event.body.state for event in events if isinstance(event.body, StatusChanged)]
    assert states.count(TranscriptState.ENDED) == 1
    assert states[-1] is TranscriptState.ENDED
    for track in await services.store.tracks_of(id_):
        assert (track.state, track.length_samples) == ("finished", len(numbers) * round(PIECE_S * SAMPLE_RATE_HZ))


def spooled(services: Services) -> list[Path]:
    return list((services.settings.data_dir / "nodes").glob("*.events"))


async def until_spooled(services: Services, text: str) -> None:
    await until(lambda: any(text in path.read_text() for path in spooled(services)))


@pytest.mark.parametrize("how", ["cut", "silent"])
async def test_postgresql_goes_away_in_mid_speech(how: Literal["cut", "silent"], way: Cut, tmp_path: Path) -> None:
    async with running_app(tmp_path, database_url=way.url) as node:
        services = node.services
        services.journal._append_deadline_s = 1.0
        anna_id, ben_id, new_id = [await node.new_transcript() for _ in range(3)]
        async with (
            node.socket(f"/v1/transcripts_websocket/{anna_id}") as reader,
            speaking(node, anna_id) as anna,
            speaking(node, ben_id) as ben,
        ):
            await say(anna, 0)
            await say(ben, 3)
            await reader.until(tells("bravo", final=True))
            await ben.send({"type": "finalize"})
            await ben.until("finalized")

            await way.away(how)
            await say(anna, 1)
            await reader.until(tells("charlie", final=False))
            await until_spooled(services, "delta")
            await ben.send({"type": "stop"})
            ben_stops = asyncio.create_task(ben.until("stopped"))
            async with node.socket(f"/v1/transcripts_stream/{new_id}") as new:
                assert (await new.closed())[0] == 4013
            assert (await node.http.get(f"/v1/transcripts/{anna_id}")).status_code == 503
            await asyncio.sleep(OUTAGE_S)
            await say(anna, 2)
            await reader.until(tells("echo", final=False))
            assert not ben_stops.done()
            assert not any(message["data"]["is_final"] for message in reader.messages[-1:])

            await way.heal()
            await ben_stops
            await reader.until(tells("delta", final=True))
            await reader.until(tells("foxtrot", final=True))
            await say(anna, 3)
            await anna.send({"type": "stop"})
            await anna.until("stopped")
            await wait_for_state(services, anna_id, TranscriptState.ENDED)
            await wait_for_state(services, ben_id, TranscriptState.ENDED)
        await check_whole(services, anna_id, 0, 1, 2, 3)
        await check_whole(services, ben_id, 3)
        assert spooled(services) == []
        seqs = [message["seq"] for message in reader.messages if message.get("seq") is not None]
        assert seqs == sorted(set(seqs))


async def test_a_node_that_stops_while_postgresql_is_away_tells_the_rest_at_its_next_start(
    way: Cut, tmp_path: Path
) -> None:
    async with running_app(tmp_path, database_url=way.url, drain_deadline_s=0.5) as node:
        id_ = await node.new_transcript()
        async with speaking(node, id_) as anna:
            await say(anna, 0)
            await anna.send({"type": "finalize"})
            await anna.until("finalized")
            await way.away("cut")
            await say(anna, 1)
            await until_spooled(node.services, "delta")
    await way.heal()
    async with running_services(tmp_path, database_url=way.url, resume_grace_s=0) as services:
        await wait_for_state(services, id_, TranscriptState.ENDED)
        await check_whole(services, id_, 0, 1)
        assert spooled(services) == []


async def test_redis_goes_away_in_mid_speech(tmp_path: Path) -> None:
    try:
        redis = RedisServer()
    except NoRedis as why:
        pytest.skip(str(why))
    with redis:
        async with running_app(tmp_path, redis_url=redis.url) as node:
            id_ = await node.new_transcript()
            async with node.socket(f"/v1/transcripts_websocket/{id_}") as reader, speaking(node, id_) as anna:
                await say(anna, 0)
                await reader.until(tells("bravo", final=True))
                redis.kill()
                await say(anna, 1)
                await reader.until(tells("delta", final=True))
                redis.start()
                await say(anna, 2)
                await anna.send({"type": "stop"})
                await anna.until("stopped")
                await wait_for_state(node.services, id_, TranscriptState.ENDED)
            await check_whole(node.services, id_, 0, 1, 2)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    with S3Server() as running:
        yield running


async def test_the_bucket_goes_away_in_mid_speech(tmp_path: Path, s3: S3Server) -> None:
    host, port = s3.endpoint.removeprefix("http://").split(":")
    async with TcpRelay((host, int(port))) as relay:
        options: dict[str, Any] = {
            "blobs_url": f"s3://{BUCKET}/of/earshot",
            "s3_endpoint": f"http://{relay.address[0]}:{relay.address[1]}",
            "s3_region": REGION,
            "s3_access_key_id": KEY_ID,
            "s3_secret_access_key": SECRET,
            "record_remote_interval_s": 1.0,
        }
        async with running_app(tmp_path, **options) as node:
            id_ = await node.new_transcript()
            async with node.socket(f"/v1/transcripts_websocket/{id_}") as reader, speaking(node, id_) as anna:
                await say(anna, 0)
                await reader.until(tells("bravo", final=True))
                with relay.refuse():
                    relay.reset()
                    await say(anna, 1)
                    await reader.until(tells("delta", final=True))
                    await asyncio.sleep(2.0)
                await say(anna, 2)
                await anna.send({"type": "stop"})
                await anna.until("stopped")
                await wait_for_state(node.services, id_, TranscriptState.ENDED)
            await check_whole(node.services, id_, 0, 1, 2)
