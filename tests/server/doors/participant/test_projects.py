"""What participants may know of a project."""

from __future__ import annotations

import httpx

from protocol.ids import new_transcript_id
from tests.server.doors.projects.test_projects import WHOLE, made

SECRET = {"name", "user_id", "key_terms", "redacts", "portal_url", "created_at"}


async def test_whoever_has_the_id_reads_what_the_start_page_shows(client: httpx.AsyncClient) -> None:
    project = await made(client, **{**WHOLE, "is_open": True}, tags=["youth"])
    shown = (await client.get(f"/api/participant/projects/{project['id']}/")).json()
    assert (shown["title"], shown["language"], shown["welcome_text"]) == ("Tell us", "nl", "What should change here?")
    assert (shown["ask_for_name"], shown["ask_for_email"]) == (False, True)
    assert shown["tags"] == [{"id": project["tags"][0]["id"], "text": "youth"}]
    assert shown["default_conversation_description"] == shown["welcome_text"]
    assert not SECRET & set(shown)  # what is the host's alone


async def test_without_a_title_it_is_called_as_the_host_calls_it(client: httpx.AsyncClient) -> None:
    project = await made(client)
    assert (await client.get(f"/api/participant/projects/{project['id']}")).json()["title"] == "Talks"


async def test_a_closed_one_is_forbidden_and_an_unknown_one_not_found(client: httpx.AsyncClient) -> None:
    project = await made(client, is_open=False)
    path = f"/api/participant/projects/{project['id']}"
    closed = await client.get(path)
    assert (closed.status_code, closed.json()["detail"]) == (403, "Conversation not open for participation")
    await client.patch(f"/api/projects/{project['id']}", json={"is_open": True})
    assert (await client.get(path)).status_code == 200
    await client.delete(f"/api/projects/{project['id']}")
    for gone in (path, f"/api/participant/projects/{new_transcript_id()}", "/api/participant/projects/x"):
        answer = await client.get(gone)
        assert (answer.status_code, answer.json()["detail"]) == (404, "no such project")
