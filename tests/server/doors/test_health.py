"""Health for machines and people."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from protocol.errors import StoreUnavailable
from server.services import Services
from server.settings import Settings

FIGURES = Path(__file__).parents[3] / "docs" / "operations.md"


async def test_health_says_how_the_node_fares(client: httpx.AsyncClient, services: Services) -> None:
    await services.asr.wait_ready()
    response = await client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"], body["store"], body["problem"]) == (200, "ok", "ok", "")
    assert body["engine"]["engine"] == "scripted"
    assert (body["engine"]["encoder"], body["engine"]["no_encoder"]) == ("scripted", "")
    assert (body["engine"]["segmentation"], body["engine"]["no_segmentation"]) == (None, "")
    assert set(body["engine"]) >= {"state", "engine", "model", "device", "languages", "reason", "notice", "restarts"}
    assert body["sessions"] == {"live": 0, "max": services.settings.sessions_max}
    assert body["disk"]["free_mb"] > 0
    assert abs(body["timestamp"] - time.time()) < 60


async def test_a_node_that_cannot_store_takes_no_work(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down() -> None:
        raise StoreUnavailable("the database is down")

    monkeypatch.setattr(services.store, "check", down)
    response = await client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"], body["store"]) == (503, "unavailable", "unavailable")
    assert body["problem"].startswith("The database takes no row.")


async def test_a_node_whose_disk_is_below_the_reserve_takes_no_work(
    client: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve_mb = settings.disk_reserve_mb
    with monkeypatch.context() as patch:
        patch.setattr("server.doors.health.free_mb", lambda folder: reserve_mb - 1)
        response = await client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"], body["store"]) == (503, "unavailable", "ok")
    assert "disk_reserve_mb" in body["problem"]
    assert ((await client.get("/health")).status_code, body["disk"]["free_mb"]) == (200, reserve_mb - 1)


async def test_a_node_that_is_leaving_takes_no_work(client: httpx.AsyncClient) -> None:
    client.app.state.leaving.draining = True  # type: ignore[attr-defined]
    response = await client.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "draining")
    alive = await client.get("/health/live")
    assert (alive.status_code, alive.content, alive.headers["cache-control"]) == (204, b"", "no-store")
    refused = await client.post("/v1/transcripts/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DRAINING")
    assert int(refused.headers["retry-after"]) >= 1


async def test_the_engine_its_models_and_its_servers(client: httpx.AsyncClient, services: Services) -> None:
    await services.asr.wait_ready()
    assert (await client.get("/v1/engine")).json()["model"] == "scripted"
    models = (await client.get("/v1/models/")).json()
    assert models["pull"] is None
    assert models["total"] == len(models["items"]) > 3
    assert (await client.post("/v1/models/no-such/pull")).status_code == 404
    assert (await client.get("/v1/models/no-such/pull")).status_code == 404


async def test_metrics_are_told(client: httpx.AsyncClient) -> None:
    await client.get("/v1/transcripts/")
    text = (await client.get("/metrics")).text
    assert 'earshot_http_requests_total{method="GET",route="/v1/transcripts",status="200"} 1.0' in text
    for name in (
        "sessions_live",
        "load_ratio 0.0",
        "engine_restarts",
        "engine_lag_seconds",
        "sockets_open",
        "event_loop_lag_seconds_bucket",
    ):
        assert f"earshot_{name}" in text


async def test_every_figure_is_documented_and_no_other(client: httpx.AsyncClient) -> None:
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families((await client.get("/metrics")).text)
        if not family.name.endswith(("_created", "_gcount", "_gsum"))  # come with the others
    }
    assert set(re.findall(r"^\| `(earshot_\w+)`", FIGURES.read_text(), re.MULTILINE)) == told
