"""A store, a track in it, a bucket that is asked once each time, and again soon, and a Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server import blobs as blobs_module
from server.nodes import copies as copies_module
from server.nodes import shipping as shipping_module
from server.store.records import Track
from server.store.store import Store
from tests.fakes.buckets import no_other_bucket, storage_of
from tests.fakes.redis_server import NoRedis, RedisServer
from tests.fakes.s3 import S3Server
from tests.server.databases import lay_sqlite_file


@pytest.fixture
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """One that is asked once each time, and again soon; of S3, or of the kind that is its parameter."""
    no_other_bucket(monkeypatch)
    monkeypatch.setattr(blobs_module, "RETRIES_MAX", 0)
    monkeypatch.setattr(shipping_module, "RETRY_S", 0.02)
    monkeypatch.setattr(shipping_module, "LOOK_S", 0.01)
    monkeypatch.setattr(copies_module, "FRESH_S", 0.0)
    with storage_of(getattr(request, "param", "s3"), request) as running:
        yield running


@pytest.fixture
async def sound_store(tmp_path: Path) -> AsyncIterator[Store]:
    lay_sqlite_file(tmp_path / "earshot.db")
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'earshot.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def track(sound_store: Store) -> Track:
    transcript = await sound_store.create_transcript(name="moves")
    return await sound_store.create_track(transcript.id, source="stream", started_at=1.0)


@pytest.fixture
def redis_url() -> Iterator[str]:
    try:
        server = RedisServer()
    except NoRedis as error:
        pytest.skip(str(error))
    with server:
        yield server.url
