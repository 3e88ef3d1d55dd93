"""Chunks that lie in a bucket: the same way, and every fault of the bucket only delays it."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocol.errors import BadInput, StoreUnavailable
from protocol.states import ChunkState
from server import blobs as blobs_module
from server.commands import check_blobs, checks
from server.projects import chunk_writing, upload_targets
from server.projects.chunk_bytes import CHANGED
from server.services import Services
from server.store.conversation_records import Chunk
from tests.fakes.node import node_settings, running_services
from tests.fakes.running_app import running_app
from tests.fakes.s3 import BUCKET, KEY_ID, REGION, SECRET, S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.projects.test_chunk_removal import a_moment
from tests.server.projects.test_chunks import begun, ended

SOUND = wav_of(scripted_sound(sentence("alpha bravo", 0.3)))


def no_other_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment says where the bucket is, or who asks it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """One that is asked once each time, and again soon."""
    no_other_bucket(monkeypatch)
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    monkeypatch.setattr(chunk_writing, "AGAIN_S", 0.0)
    with S3Server() as running:
        yield running


def bucket(s3: S3Server, **changed: Any) -> dict[str, Any]:
    """Settings of it."""
    asked = {
        "blobs_url": f"s3://{BUCKET}/of/earshot",
        "s3_endpoint": s3.endpoint,
        "s3_region": REGION,
        "s3_access_key_id": KEY_ID,
        "s3_secret_access_key": SECRET,
    }
    return asked | changed


async def put(services: Services, id_: str, data: bytes = SOUND, **known: Any) -> Chunk:
    """By its address, as a kiosk does; not confirmed."""
    chunk, target = await services.chunks.announce(
        id_, filename="a.wav", content_type="audio/wav", source="PORTAL_AUDIO", **known
    )
    assert target.fields == {}
    assert target.address("https://not-this-one") == target.url
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.put(target.url, content=data, headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 200
    return chunk


async def outcome(services: Services, chunk: Chunk) -> Chunk:
    async with asyncio.timeout(30):
        while not (found := await services.store.conversations.chunk(chunk.conversation_id, chunk.id)).is_settled:
            await a_moment(services)
    return found


async def test_a_chunk_goes_through_a_bucket(s3: S3Server, tmp_path: Path) -> None:
    async with running_services(tmp_path, **bucket(s3)) as services:
        id_ = await begun(services)
        chunk = await put(services, id_)
        assert list(s3.objects) == [f"of/earshot/{chunk.key}"]
        await services.targets.check(services.settings)
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha bravo"
        assert (await outcome(services, chunk)).state is ChunkState.TRANSCRIBED
        assert {key.rpartition("/")[0] for key in s3.objects} == {f"of/earshot/recordings/{id_}/{chunk.track_id}"}
        assert list((services.settings.data_dir / "incoming").iterdir()) == []
        assert not (services.settings.data_dir / "blobs").exists()


@pytest.mark.parametrize("faults", [(500,), (503, 503), (403, 500, 503)])
async def test_a_bucket_that_fails_is_asked_again(s3: S3Server, tmp_path: Path, faults: tuple[int, ...]) -> None:
    async with running_services(tmp_path, **bucket(s3)) as services:
        id_ = await begun(services)
        chunk = await put(services, id_)
        s3.faults_of["HEAD"] = deque(faults)
        for _ in faults:
            with pytest.raises(StoreUnavailable):
                await services.chunks.confirm(id_, chunk.id, said_at=None)
        s3.faults_of["GET"], s3.faults_of["DELETE"] = deque(faults), deque()
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        assert (await outcome(services, chunk)).state is ChunkState.TRANSCRIBED
        assert not s3.faults_of["GET"]
        assert len(await services.store.tracks_of(id_)) == 1


async def test_what_comes_cut_off_is_not_taken_for_the_whole(s3: S3Server, tmp_path: Path) -> None:
    async with running_services(tmp_path, **bucket(s3)) as services:
        id_ = await begun(services)
        chunk = await put(services, id_)
        s3.cut.add(f"of/earshot/{chunk.key}")
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        async with asyncio.timeout(30):
            while sum(method == "GET" for method, _, _ in s3.requests) < 3:
                await a_moment(services)
        assert await services.store.tracks_of(id_) == []
        s3.cut.clear()
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha bravo"


async def test_a_bucket_that_says_nothing(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs_module, "SILENCE_S", 0.1)
    monkeypatch.setattr(upload_targets, "CHECK_S", 0.05)
    async with running_services(tmp_path, **bucket(s3)) as services:
        id_ = await begun(services)
        chunk = await put(services, id_)
        s3.held = {"HEAD"}
        for call in (
            services.chunks.confirm(id_, chunk.id, said_at=None),
            services.targets.check(services.settings),
        ):
            with pytest.raises(StoreUnavailable):
                await call
        s3.held = set()
        s3.let_go.set()
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        assert (await outcome(services, chunk)).state is ChunkState.TRANSCRIBED


async def test_other_bytes_than_were_announced(s3: S3Server, tmp_path: Path) -> None:
    async with running_services(tmp_path, **bucket(s3, chunk_max_mb=1)) as services:
        id_ = await begun(services)
        for known in ({"length_bytes": len(SOUND) + 1}, {"sha256": "0" * 64}):
            chunk = await put(services, id_, **known)
            with pytest.raises(BadInput):
                await services.chunks.confirm(id_, chunk.id, said_at=None)
        s3.held = {"GET"}  # their turn does not come yet
        grown, vanished = await put(services, id_), await put(services, id_)
        for chunk in (grown, vanished):
            await services.chunks.confirm(id_, chunk.id, said_at=None)
        s3.objects[f"of/earshot/{grown.key}"] = bytes((1 << 20) + 1)  # nobody limits who puts into a bucket
        del s3.objects[f"of/earshot/{vanished.key}"]
        s3.let_go.set()
        assert [(await outcome(services, chunk)).state for chunk in (grown, vanished)] == [ChunkState.FAILED] * 2
        assert [(await outcome(services, chunk)).error for chunk in (grown, vanished)] == [CHANGED] * 2
        asked = len([key for method, key, _ in s3.requests if method == "GET" and key.endswith(vanished.id)])
        assert asked == 1
        with pytest.raises(BadInput, match="not found"):
            await services.chunks.confirm(id_, vanished.id, said_at=None)
        for chunk in (grown, vanished):
            s3.objects[f"of/earshot/{chunk.key}"] = SOUND
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            assert (await outcome(services, chunk)).state is ChunkState.TRANSCRIBED


def test_the_doctor_tries_the_bucket(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.blobs(node_settings(tmp_path)).level == "ok"
    good = node_settings(tmp_path, **bucket(s3))
    assert checks.blobs(good).level == "ok"
    assert s3.objects == {}
    assert [method for method, _, _ in s3.requests] == ["PUT", "GET", "POST", "HEAD"]
    monkeypatch.setattr(check_blobs, "DEADLINE_S", 2.0)
    for wrong, told in (
        ({"s3_secret_access_key": "another"}, "putting to a signed address is answered with 403"),
        ({"s3_endpoint": "http://127.0.0.1:9"}, "putting fails"),
    ):
        found = checks.blobs(node_settings(tmp_path, **bucket(s3, **wrong)))
        assert (found.level, told in found.found) == ("fail", True), found
        assert SECRET not in found.found + found.todo
    s3.keeps_deleted = True
    assert "still there" in checks.blobs(good).found


@pytest.mark.parametrize(
    "wrong",
    [
        {"blobs_url": "bucket"},
        {"blobs_url": "s3://B"},
        {"blobs_url": "https://host/bucket"},
        {"s3_endpoint": "host"},
        {"s3_endpoint": "https://host/path"},
        {"s3_access_key_id": "one"},
        {"s3_secret_access_key": "other"},
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)) if "s3_access_key_id" not in wrong else "s3_secret"):
        node_settings(tmp_path, **wrong)


def test_the_secret_is_not_shown(tmp_path: Path) -> None:
    settings = node_settings(tmp_path, s3_access_key_id="key-id", s3_secret_access_key="hush-hush")
    assert "hush-hush" not in repr(settings) + repr(settings.s3)
    assert settings.s3.secret_access_key == "hush-hush"


async def test_the_page_of_a_project_may_reach_the_bucket_and_nothing_else(s3: S3Server, tmp_path: Path) -> None:
    for number, options in enumerate((bucket(s3), {})):
        async with running_app(tmp_path / str(number), **options) as node:
            told = (await node.http.get("/p/any")).headers.get_list("content-security-policy")
        assert len(told) == 1
        assert f"connect-src 'self' {s3.endpoint}" in told[0] if options else "connect-src" not in told[0]
        assert "default-src 'self';" in told[0]
