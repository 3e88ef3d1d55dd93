"""Lists: each filter, and a copy that misses nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from protocol.states import TranscriptState
from server.services import Services


async def names(client: httpx.AsyncClient, **filters: Any) -> list[str]:
    answer = await client.get("/v1/transcripts", params=filters)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["items"])
    return [each["name"] for each in answer.json()["items"]]


async def test_each_filter(client: httpx.AsyncClient, services: Services) -> None:
    store = services.store
    made = {name: await store.create_transcript(name=name) for name in ("idle", "recording", "ended", "failed")}
    for name, way in {
        "recording": [TranscriptState.RECORDING],
        "ended": [TranscriptState.PROCESSING, TranscriptState.ENDED],
        "failed": [TranscriptState.FAILED],
    }.items():
        for state in way:
            await store.set_state(made[name].id, state)
    await store.update_transcript(made["ended"].id, title="Budget 100%", source_kind="file")
    for status, found in {
        "initializing": ["idle"],
        "idle": ["idle"],
        "processing": ["recording"],
        "completed": ["ended"],
        "ended": ["ended"],
        "failed": ["failed"],
        "error": ["failed"],
        "paused": [],
        "uploaded": [],
    }.items():
        assert await names(client, status=status) == found, status
    assert await names(client, status=["idle", "failed"]) == ["failed", "idle"]
    assert await names(client, source="file") == await names(client, source_kind="file") == ["ended"]
    assert await names(client, source="file", source_kind="live") == []
    assert await names(client, search="budget 100%") == await names(client, search_term="BUDGET") == ["ended"]
    assert await names(client, search="FAIL") == ["failed"]
    assert await names(client, room_id="nowhere") == []
    at = (await client.get(f"/v1/transcripts/{made['ended'].id}")).json()["created_at"]
    assert await names(client, **{"from": "2020-01-01T00:00:00+02:00", "to": "2020-01-02T00:00:00Z"}) == []
    assert "ended" in await names(client, **{"from": "2020-01-01T00:00:00Z"})
    assert at.endswith("Z")
    assert await names(client, sort_by="change_seq") == ["idle", "recording", "failed", "ended"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "flying"},
        {"source": "radio"},
        {"to": "0.5"},
        {"from": "yesterday"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"change_seq_from": -1},
        {"change_seq_from": 2**63},
        {"sort_by": "beauty"},
        {"include_deleted": "perhaps"},
    ],
)
async def test_filters_that_cannot_be(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await client.get("/v1/transcripts", params=wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_a_copy_is_kept_by_its_last_number(client: httpx.AsyncClient) -> None:
    paths = [(await client.post("/v1/transcripts", json={"name": name})).headers["location"] for name in "abc"]
    copy: dict[str, dict[str, Any]] = {}
    last = 0

    async def sync() -> list[str]:
        nonlocal last
        told = []
        while items := (
            await client.get("/v1/transcripts", params={"change_seq_from": last, "size": 2, "include_deleted": True})
        ).json()["items"]:
            copy.update({item["id"]: item for item in items})
            told += [item["name"] for item in items]
            last = items[-1]["change_seq"]
        return told

    assert await sync() == ["a", "b", "c"]
    assert await sync() == []
    await client.patch(paths[1], json={"title": "B"})
    await client.patch(paths[0], json={"name": "A"})
    assert await sync() == ["b", "A"]
    await client.delete(paths[2])
    assert await sync() == ["c"]
    assert [item["deleted_at"] is not None for item in copy.values()] == [False, False, True]
    without = (await client.get("/v1/transcripts?change_seq_from=0")).json()["items"]
    assert [item["name"] for item in without] == ["b", "A"]
