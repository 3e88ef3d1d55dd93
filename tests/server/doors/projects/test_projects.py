"""Projects over REST, as their hosts use them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from protocol.ids import new_transcript_id

WHOLE = {
    "name": "Neighbourhood talks",
    "language": "nl",
    "is_open": False,
    "title": "Tell us",
    "welcome_text": "What should change here?",
    "finish_text": "Thank you.",
    "ask_for_name": False,
    "name_label": "Your name",
    "ask_for_email": True,
    "key_terms": ["Overtoom", "buurthuis"],
    "redacts": True,
    "report_enabled": True,
    "notifications_enabled": True,
    "retention_days": 30,
    "organiser_name": "The district",
    "legal_basis": "consent",
    "privacy_policy_url": "https://example.org/privacy",
    "logo_url": "https://example.org/logo.svg",
}


async def made(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/projects", json={"name": "Talks", **fields})
    assert answer.status_code == 201, answer.text
    project: dict[str, Any] = answer.json()
    return project


async def test_a_project_is_made_read_changed_and_deleted(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/projects/", json={**WHOLE, "tags": ["youth", "traffic"]})
    assert answer.status_code == 201, answer.text
    project = answer.json()
    path = f"/api/projects/{project['id']}"
    assert answer.headers["location"] == path
    assert {name: project[name] for name in WHOLE} == WHOLE
    assert [tag["text"] for tag in project["tags"]] == ["youth", "traffic"]
    assert project["portal_url"].endswith(f"/p/{project['id']}")
    assert (await client.get(path + "/")).json() == project
    other = await made(client)
    listed = (await client.get("/api/projects?size=1")).json()
    assert ([each["id"] for each in listed["items"]], listed["total"]) == ([other["id"]], 2)

    changed = (await client.patch(path, json={"welcome_text": "Hello", "is_open": True})).json()
    assert (changed["welcome_text"], changed["is_open"]) == ("Hello", True)
    assert (changed["finish_text"], changed["name"]) == ("Thank you.", "Neighbourhood talks")

    assert (await client.delete(path)).status_code == 204
    for gone in (await client.get(path), await client.patch(path, json={"name": "x"}), await client.delete(path)):
        assert gone.status_code == 404
    assert (await client.get("/api/projects")).json()["total"] == 1


async def test_only_a_name_is_needed_and_the_rest_has_defaults(client: httpx.AsyncClient) -> None:
    project = await made(client)
    assert (project["is_open"], project["ask_for_name"], project["ask_for_email"]) == (True, True, False)
    assert (project["language"], project["tags"]) == ("en", [])


async def test_names_of_neighbouring_systems_are_taken(client: httpx.AsyncClient) -> None:
    project = await made(
        client,
        default_conversation_title="T",
        default_conversation_description="D",
        default_conversation_ask_for_participant_name=False,
        default_conversation_transcript_prompt="Overtoom, buurthuis,, ",
        anonymize_transcripts=True,
        is_conversation_allowed=False,
        pin="ignored",
    )
    assert (project["title"], project["welcome_text"], project["ask_for_name"]) == ("T", "D", False)
    assert (project["key_terms"], project["redacts"], project["is_open"]) == (["Overtoom", "buurthuis"], True, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"language": "!"},
        {"is_open": "yes"},
        {"welcome_text": "x" * 4001},
        {"key_terms": ["x" * 101]},
        {"key_terms": ["x"] * 201},
        {"report_enabled": "yes"},
        {"retention_days": -1},
        {"retention_days": 36_501},
        {"privacy_policy_url": "javascript:alert(1)"},
        {"logo_url": "https://"},
        {"logo_url": "http://[x"},
        {"name": " "},
        {"key_terms": [" "]},
    ],
)
async def test_what_is_not_as_documented_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    project = await made(client)
    for refused in (
        await client.post("/api/projects", json={"name": "Talks", **wrong}),
        await client.patch(f"/api/projects/{project['id']}", json={"title": "other", **wrong}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
        assert refused.json()["detail"] == refused.json()["error"]["message"]
    assert (await client.get(f"/api/projects/{project['id']}")).json() == project
    assert (await client.get("/api/projects")).json()["total"] == 1


async def test_nothing_to_make_and_nothing_to_change(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/projects", json={})).status_code == 422
    project = await made(client)
    same = await client.patch(f"/api/projects/{project['id']}", json={"unknown": 1, "title": None})
    assert (same.status_code, same.json()["title"]) == (200, "")


async def test_tags_are_added_renamed_and_taken_away(client: httpx.AsyncClient) -> None:
    project = await made(client, tags=["youth"])
    tags = f"/api/projects/{project['id']}/tags"
    added = await client.post(tags, json={"text": " traffic "})
    assert (added.status_code, added.json()["text"]) == (201, "traffic")
    assert (await client.post(tags, json={"text": "Youth"})).status_code == 409
    path = f"{tags}/{added.json()['id']}"
    assert (await client.patch(path, json={"text": "YOUTH"})).status_code == 409
    assert (await client.patch(path, json={"text": "Traffic"})).json()["text"] == "Traffic"  # itself, otherwise
    assert [tag["text"] for tag in (await client.get(f"/api/projects/{project['id']}")).json()["tags"]] == [
        "youth",
        "Traffic",
    ]
    other = await made(client)
    assert (await client.delete(f"/api/projects/{other['id']}/tags/{added.json()['id']}")).status_code == 404
    assert (await client.delete(path)).status_code == 204
    for gone in (await client.delete(path), await client.patch(path, json={"text": "x"})):
        assert gone.status_code == 404
    assert (await client.post("/api/projects", json={"name": "x", "tags": ["a", "A"]})).status_code == 409
    unknown = f"/api/projects/{new_transcript_id()}/tags"
    assert (await client.post(unknown, json={"text": "x"})).status_code == 404
