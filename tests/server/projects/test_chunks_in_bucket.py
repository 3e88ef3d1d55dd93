"""Chunks that lie in a bucket: the same way, and every fault of the bucket only delays it."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocol.errors import BadInput, StoreUnavailable, TooLarge
from protocol.states import ChunkState
from server import blobs as blobs_module
from server.commands import checks
from server.projects import chunk_writing, upload_targets
from server.projects.chunk_bytes import CHANGED
from server.services import Services
from server.store.conversation_records import Chunk
from tests.fakes.buckets import KINDS, no_other_bucket, storage_of
from tests.fakes.gcs import service_account
from tests.fakes.node import node_settings, running_services
from tests.fakes.running_app import running_app
from tests.fakes.s3 import S3Server
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.projects.test_chunk_removal import a_moment
from tests.server.projects.test_chunks import begun, ended

SOUND = wav_of(scripted_sound(sentence("alpha bravo", 0.3)))


def ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket is asked once each time, and again soon."""
    no_other_bucket(monkeypatch)
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    monkeypatch.setattr(chunk_writing, "AGAIN_S", 0.0)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    ask_once(monkeypatch)
    with S3Server() as running:
        yield running


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Of every kind."""
    ask_once(monkeypatch)
    with storage_of(request.param, request) as running:
        yield running


def bucket(storage: S3Server, **changed: Any) -> dict[str, Any]:
    """Settings of it. Chunks are put there, whatever clients must know for it."""
    return storage.settings(**({"blobs_uploads_to": "bucket"} | changed))


async def put(services: Services, id_: str, data: bytes = SOUND, **known: Any) -> Chunk:
    """By its address, as a kiosk does; not confirmed."""
    chunk, target = await services.chunks.announce(
        id_, filename="a.wav", content_type="audio/wav", source="PORTAL_AUDIO", **known
    )
    assert target.fields == {}
    assert target.address("https://not-this-one") == target.url
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.put(target.url, content=data, headers=target.headers)
    assert answer.is_success
    return chunk


async def outcome(services: Services, chunk: Chunk) -> Chunk:
    async with asyncio.timeout(30):
        while not (found := await services.store.conversations.chunk(chunk.conversation_id, chunk.id)).is_settled:
            await a_moment(services)
    return found


async def test_a_chunk_goes_through_a_bucket(storage: S3Server, tmp_path: Path) -> None:
    async with running_services(tmp_path, **bucket(storage)) as services:
        id_ = await begun(services)
        chunk = await put(services, id_)
        assert list(storage.objects) == [f"of/earshot/{chunk.key}"]
        await services.targets.check(services.settings)
        await services.chunks.confirm(id_, chunk.id, said_at=None)
        await services.chunks.finish(id_)
        assert await ended(services, id_) == "alpha bravo"
        assert (await outcome(services, chunk)).state is ChunkState.TRANSCRIBED
        assert {key.rpartition("/")[0] for key in storage.objects} == {f"of/earshot/recordings/{id_}/{chunk.track_id}"}
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


async def test_other_bytes_than_were_announced(storage: S3Server, tmp_path: Path) -> None:
    async with running_services(tmp_path, **bucket(storage, chunk_max_mb=1)) as services:
        id_ = await begun(services)
        for known in ({"length_bytes": len(SOUND) + 1}, {"sha256": "0" * 64}):
            chunk = await put(services, id_, **known)
            with pytest.raises(BadInput):
                await services.chunks.confirm(id_, chunk.id, said_at=None)
        for known, error in (({"length_bytes": len(SOUND) - 1}, BadInput), ({}, TooLarge)):  # which no address binds
            chunk = await put(services, id_, SOUND if known else bytes((1 << 20) + 1), **known)
            with pytest.raises(error):
                await services.chunks.confirm(id_, chunk.id, said_at=None)
            assert f"of/earshot/{chunk.key}" not in storage.objects
            with pytest.raises(BadInput, match="not found"):
                await services.chunks.confirm(id_, chunk.id, said_at=None)
        storage.held = {"GET"}  # their turn does not come yet
        grown, vanished = await put(services, id_), await put(services, id_)
        for chunk in (grown, vanished):
            await services.chunks.confirm(id_, chunk.id, said_at=None)
        storage.objects[f"of/earshot/{grown.key}"] = bytes((1 << 20) + 1)  # nobody limits who puts into a bucket
        del storage.objects[f"of/earshot/{vanished.key}"]
        storage.let_go.set()
        assert [(await outcome(services, chunk)).state for chunk in (grown, vanished)] == [ChunkState.FAILED] * 2
        assert [(await outcome(services, chunk)).error for chunk in (grown, vanished)] == [CHANGED] * 2
        asked = len([key for method, key, _ in storage.requests if method == "GET" and key.endswith(vanished.id)])
        assert asked == 1
        with pytest.raises(BadInput, match="not found"):
            await services.chunks.confirm(id_, vanished.id, said_at=None)
        for chunk in (grown, vanished):
            storage.objects[f"of/earshot/{chunk.key}"] = SOUND
            await services.chunks.confirm(id_, chunk.id, said_at=None)
            assert (await outcome(services, chunk)).state is ChunkState.TRANSCRIBED


WRONG = {
    "s3": {"s3_secret_access_key": "another-secret"},
    "gs": {"gs_service_account_key": service_account("another@of.example")},
    "az": {"az_access_key": base64.b64encode(b"another" * 9).decode()},
}


def test_the_doctor_tries_the_bucket(storage: S3Server, tmp_path: Path) -> None:
    kind = storage.kind
    assert checks.blobs(node_settings(tmp_path)).level == "ok"
    good = node_settings(tmp_path, **bucket(storage))
    assert checks.blobs(good).level == "ok"
    assert dict(storage.objects) == {}
    deleted = "DELETE" if kind == "gs" else "POST"
    assert [method for method, _, _ in storage.requests] == ["PUT", "GET", deleted, "HEAD"]
    away = {f"{kind}_endpoint": "http://127.0.0.1:9" + ("/devstoreaccount1" if kind == "az" else "")}
    for uploads_to, wrong, told in (
        ("bucket", WRONG[kind], "putting to a signed address is answered with 403"),
        ("server", WRONG[kind], "putting fails"),
        ("server", away, "putting fails"),
    ):
        found = checks.blobs(node_settings(tmp_path, **bucket(storage, blobs_uploads_to=uploads_to, **wrong)))
        assert (found.level, told in found.found) == ("fail", True), found
        assert f"EARSHOT_{kind.upper()}_" in found.todo
        assert not any(secret in found.found + found.todo for secret in WRONG[kind].values())
    storage.keeps_deleted = True
    assert "still there" in checks.blobs(good).found


def test_the_doctor_knows_whether_pages_may_put_there(storage: S3Server, tmp_path: Path) -> None:
    settings = node_settings(tmp_path, **bucket(storage, public_url="https://speech.example"))
    storage.let_pages_put("https://other.example")
    found = checks.blobs(settings)
    assert (found.level, "no CORS rule lets pages of https://speech.example" in found.found) == ("warn", True), found
    storage.let_pages_put("https://speech.example")
    assert checks.blobs(settings).level == "ok"
    storage.let_pages_put("https://other.example")
    settings = settings.model_copy(update={"blobs_uploads_to": "server"})
    assert checks.blobs(settings).level == "ok"


@pytest.mark.parametrize(("kind", "uploads_to"), [("az", "auto"), ("s3", "server"), ("gs", "server")])
async def test_chunks_come_to_the_server_that_takes_them_there(
    kind: str, uploads_to: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As clients know it that put, or post a form, and nothing else."""
    ask_once(monkeypatch)
    with storage_of(kind, request) as storage:
        async with running_app(tmp_path, **bucket(storage, blobs_uploads_to=uploads_to)) as node:
            id_ = await begun(node.services)
            path = f"/api/participant/conversations/{id_}"
            given = (await node.http.post(f"{path}/get-upload-url", json={"content_type": "audio/wav"})).json()
            assert given["upload_url"].startswith(node.serving.url)
            assert (given["headers"], bool(given["fields"])) == ({"Content-Type": "audio/wav"}, True)
            probe = (await node.http.post(f"{path}/check-s3")).json()
            answer = await node.http.put(probe["probe_url"], content=b"probe", headers=probe["probe_headers"])
            assert answer.status_code == 200
            storage.faults_of["PUT"] = deque([503])
            answer = await node.http.put(given["upload_url"], content=SOUND, headers=given["headers"])
            assert (answer.status_code, list((tmp_path / "incoming").iterdir())) == (503, [])
            for data in (bytes(600), SOUND):
                answer = await node.http.put(given["upload_url"], content=data, headers=given["headers"])
                assert answer.status_code == 200
            assert storage.objects[f"of/earshot/{given['key']}"] == SOUND
            await node.http.post(f"{path}/confirm-upload", json={"chunk_id": given["chunk_id"]})
            form = {"url": given["file_url"], "data": given["fields"]}
            same = await node.http.post(**form, files={"file": ("a.wav", SOUND)})
            others = await node.http.post(**form, files={"file": ("a.wav", SOUND + b"x")})
            assert (same.status_code, others.status_code) == (204, 409)
            await node.services.chunks.finish(id_)
            assert await ended(node.services, id_) == "alpha bravo"


async def test_the_page_of_a_project_may_reach_the_bucket_and_nothing_else(s3: S3Server, tmp_path: Path) -> None:
    for number, options in enumerate((bucket(s3), bucket(s3, blobs_uploads_to="server"), {})):
        async with running_app(tmp_path / str(number), **options) as node:
            told = (await node.http.get("/p/any")).headers.get_list("content-security-policy")
        assert len(told) == 1
        assert f"connect-src 'self' {s3.endpoint}" in told[0] if number == 0 else "connect-src" not in told[0]
        assert "default-src 'self';" in told[0]
