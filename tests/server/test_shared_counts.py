"""Nodes that count together in a real Redis, which goes away and comes back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from protocol.errors import RateLimited
from server import shared_counts
from server.rate_limits import RateLimits
from server.settings import Settings, SettingsError, load_settings
from tests.fakes.redis_server import NoRedis, RedisServer
from tests.fakes.running_app import running_app


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """One that is waited for as long as a busy machine may take."""
    monkeypatch.setattr(shared_counts, "WAIT_S", 20.0)
    try:
        server = RedisServer()
    except NoRedis as why:
        pytest.skip(str(why))
    with server:
        yield server


@asynccontextmanager
async def node(url: str, *, per_minute: int = 3) -> AsyncIterator[RateLimits]:
    limits = RateLimits(
        creations_per_minute=per_minute, failed_sign_ins_per_minute=per_minute, upload_urls_per_minute=0, redis_url=url
    )
    await limits.start()
    try:
        yield limits
    finally:
        await limits.close()


async def takes(limits: RateLimits, client: str = "anna") -> bool:
    return (await limits.creations.take(client)).refusal is None


async def test_nodes_count_together(redis: RedisServer) -> None:
    async with node(redis.url) as one, node(redis.url) as other:
        assert [await takes(limits) for limits in (one, other, one)] == [True] * 3
        assert not await takes(other)
        stand = await one.creations.look("anna")
        assert 0 < stand.left_s <= 60
        assert dict(stand.headers) | {"RateLimit-Reset": ""} == {
            "RateLimit-Limit": "3",
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": "",
        }
        with pytest.raises(RateLimited) as refused:
            stand.check()
        assert refused.value.retry_after_s == stand.left_s
        assert await takes(other, "bert")
        assert (await other.failed_sign_ins.look("anna")).remaining == 3, "another limit"


async def test_who_is_counted_is_not_to_be_read_there_and_forgotten_after_a_minute(redis: RedisServer) -> None:
    async with node(redis.url) as limits, Redis.from_url(redis.url, decode_responses=True) as client:
        await takes(limits, "203.0.113.7")
        keys = [key async for key in client.scan_iter("*creations*")]
        assert len(keys) == 1
        assert keys[0].startswith("earshot:rate:")
        assert "203.0" not in keys[0]
        assert 0 < await client.ttl(keys[0]) <= 60


async def test_without_redis_each_node_counts_for_itself(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_counts, "AGAIN_S", 0.0)  # it is asked each time
    caplog.set_level(logging.INFO)
    async with node(redis.url) as one, node(redis.url) as other:
        assert await takes(one)
        redis.kill()
        for limits in (one, other):
            assert [await takes(limits) for _ in range(4)] == [True, True, True, False]
        told = [record.getMessage() for record in caplog.records]
        assert len(told) == 2, "each node tells once"
        assert all("Redis is away" in message for message in told)
        redis.start()
        caplog.clear()
        assert [await takes(limits) for limits in (one, other, one, other)] == [True, True, True, False]
        assert ["is back" in record.getMessage() for record in caplog.records] == [True, True]


async def test_a_redis_that_hangs_is_waited_for_once(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_counts, "AGAIN_S", 3600.0)
    async with node(redis.url) as limits, node(redis.url) as other:
        assert await takes(limits)
        redis.hang()
        with monkeypatch.context() as impatient:
            impatient.setattr(shared_counts, "WAIT_S", 0.2)
            assert await takes(limits), "counted here"
        redis.go_on()
        stand = await other.creations.look("anna")
        assert [await takes(limits) for _ in range(3)] == [True, True, False]
        assert (await other.creations.look("anna")).remaining == stand.remaining, "it was not asked again"


async def test_a_redis_that_cannot_be_written_to_is_away(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_counts, "AGAIN_S", 0.0)
    async with node(redis.url) as limits, Redis.from_url(redis.url) as client:
        await client.config_set("min-replicas-to-write", 1)
        assert [await takes(limits) for _ in range(4)] == [True, True, True, False]
        assert (await limits.creations.look("anna")).remaining == 0, "as it was counted here"
        assert not await takes(limits)
        assert ["is away" in record.getMessage() for record in caplog.records] == [True], "it is told of once"
        await client.config_set("min-replicas-to-write", 0)
        assert await takes(limits)
        assert (await limits.creations.look("anna")).remaining == 2


async def test_what_the_address_asks_for_does_not_lift_the_bounds(redis: RedisServer) -> None:
    async with node(f"{redis.url}?max_connections=500&timeout=3600") as limits:
        assert await takes(limits)
        assert limits._shared is not None
        pool = limits._shared._pool
        assert (pool.max_connections, pool.timeout) == (shared_counts.CONNECTIONS_MAX, shared_counts.WAIT_S)


async def test_a_redis_that_lets_nobody_in(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(shared_counts, "WAIT_S", 20.0)
    try:
        server = RedisServer(password="hush-hush")
    except NoRedis as why:
        pytest.skip(str(why))
    with server:
        wrong = server.url.replace("unix://", "unix://:not-that-one@")
        async with node(wrong) as limits:
            assert len(caplog.records) == 1, "it is told of at the start"
            assert [await takes(limits) for _ in range(4)] == [True, True, True, False]
        assert "not-that-one" not in caplog.text
        async with node(server.url.replace("unix://", "unix://:hush-hush@")) as one, node(wrong) as other:
            assert await takes(one)
            assert (await other.creations.look("anna")).remaining == 3


async def test_two_servers_are_one_to_their_clients(redis: RedisServer, tmp_path: Path) -> None:
    async def makes(http: httpx.AsyncClient) -> int:
        return (await http.post("/v1/transcripts/")).status_code

    options = {"redis_url": redis.url, "creations_per_minute": 3}
    async with running_app(tmp_path / "one", **options) as one, running_app(tmp_path / "other", **options) as other:
        assert [await makes(node.http) for node in (one, other, one, other)] == [201, 201, 201, 429]
        redis.kill()
        assert await makes(other.http) == 201, "without Redis it serves"


@pytest.mark.parametrize(
    "url", ["localhost", "http://localhost", "redis://:pa/ss@host:6379/0", "redis://host?family=6"]
)
def test_addresses_that_cannot_be(url: str) -> None:
    with pytest.raises(SettingsError, match="redis_url") as refused:
        load_settings(redis_url=url)
    assert "pa/ss" not in str(refused.value)


def test_the_address_is_not_shown() -> None:
    settings = Settings(redis_url="redis://:hush-hush@host:6379/0")
    assert "hush-hush" not in repr(settings)
    assert settings.redis == "redis://:hush-hush@host:6379/0"
