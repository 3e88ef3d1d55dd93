"""Participants over REST: who they are, and under which names their words are shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from protocol.events import Transcribed
from server.services import Services
from tests.server.spoken import put, segment

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def path(services: Services) -> str:
    """Of a transcript in which two voices said something."""
    made = (await services.store.create_transcript()).id
    for number in (1, 2):
        spoken = segment(f"seg_{number}", "hello there you", start_samples=number * 32000)
        spoken = spoken.model_copy(update={"speaker": f"Speaker {number}"})
        await put(services.store, made, Transcribed(segment=spoken, track_started_at=1000.0))
    return f"/v1/transcripts/{made}"


async def shown(client: httpx.AsyncClient, path: str) -> list[tuple[str, str, str]]:
    items: list[dict[str, Any]] = (await client.get(f"{path}/segments")).json()["items"]
    return [(item["text"], item["speaker"], item["speaker_label"]) for item in items]


async def test_made_read_changed_and_deleted(client: httpx.AsyncClient, path: str) -> None:
    made = await client.post(f"{path}/participants/", json={"name": " Ann ", "speaker": 1, "email": "a@example.org"})
    assert made.status_code == 201
    ann = made.json()
    assert ann == {
        "id": ann["id"],
        "speaker": "Speaker 1",
        "speaker_number": 1,
        "name": "Ann",
        "user_id": None,
        "email": "a@example.org",
        "created_at": ann["created_at"],
        "recognised": False,
    }
    assert made.headers["location"] == f"{path}/participants/{ann['id']}"
    assert (await client.get(made.headers["location"])).json() == ann
    assert (await client.get(f"{path}/participants")).json() == [ann]
    assert (await shown(client, path))[0] == ("hello there you", "Ann", "Speaker 1")
    assert "Ann: hello there you" in (await client.get(f"{path}/export")).text
    changed = await client.patch(f"{path}/participants/{ann['id']}", json={"name": "Anna", "email": ""})
    assert (changed.json()["name"], changed.json()["email"]) == ("Anna", None)
    await client.patch(f"{path}/participants/{ann['id']}", json={"speaker": None})
    assert [speaker for _, speaker, _ in await shown(client, path)] == ["Speaker 1", "Speaker 2"]
    gone = await client.delete(f"{path}/participants/{ann['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    answer = await client.get(f"{path}/participants/{ann['id']}")
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "Participant not found")


async def test_what_clashes_is_a_conflict(client: httpx.AsyncClient, path: str) -> None:
    await client.post(f"{path}/participants", json={"name": "Ann", "speaker": "Speaker 1"})
    bob = (await client.post(f"{path}/participants", json={"name": "Bob"})).json()
    await client.post(f"{path}/participants", json={"name": "Cyd"})
    for answer in (
        await client.post(f"{path}/participants", json={"name": "Dan", "speaker": 1}),
        await client.patch(f"{path}/participants/{bob['id']}", json={"speaker": 1}),
    ):
        assert (answer.status_code, answer.json()["error"]["message"]) == (409, "Speaker already assigned")
    assert (await client.patch(f"{path}/participants/{bob['id']}", json={"name": "Bobby"})).status_code == 200


async def test_what_is_no_participant_is_refused(client: httpx.AsyncClient, path: str) -> None:
    bodies: list[object] = [
        *({}, {"name": ""}, {"name": "\0 "}, {"name": "x" * 201}, {"name": 1}, {"name": "A", "speaker": -1}, []),
        *({"name": "A", "email": "no address"}, {"name": "A", "speaker": ""}, {"name": "A", "speaker": 1.5}),
        {"name": "A", "speaker": True},
    ]
    for body in bodies:
        assert (await client.post(f"{path}/participants", json=body)).status_code == 422, body
    refused = await client.post(f"{path}/participants", json={"name": "A", "speaker": -1})
    fields = {each["field"] for each in refused.json()["error"]["details"]["problems"]}
    assert fields == {"speaker"}  # and not what it might have been instead
    refused = await client.post(f"{path}/participants", json={"name": "A", "email": "no address"})
    assert refused.json()["error"]["details"]["problems"] == [{"field": "email", "problem": "not an e-mail address"}]
    assert (await client.get(f"{path}/participants")).json() == []


async def test_unknown_ones_are_not_found(client: httpx.AsyncClient, path: str) -> None:
    for method, place in (("GET", path), ("PATCH", path), ("DELETE", path), ("GET", f"/v1/transcripts/{MISSING}")):
        answer = await client.request(method, f"{place}/participants/par_0", json={"name": "x"})
        assert answer.status_code == 404
    assert (await client.post(f"/v1/transcripts/{MISSING}/participants", json={"name": "x"})).status_code == 404
    assert (await client.patch(f"{path}/participants/par_0", json={})).status_code == 422
