"""The report as participants read it, and who is told of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from protocol.ids import new_transcript_id
from server.services import Services
from tests.server.doors.participant.test_conversations import PORTAL
from tests.server.doors.projects.test_projects import made
from tests.server.doors.projects.test_reports import ROOF, reported, with_words


async def test_the_newest_published_report_is_read_where_the_host_gives_it(
    client: httpx.AsyncClient, services: Services
) -> None:
    project_id = await with_words(client)
    path, latest = f"/api/projects/{project_id}", f"{PORTAL}/{project_id}/report/latest"
    first = await reported(client, services, project_id, is_published=True)
    files = [f"{PORTAL}/{project_id}/report/{first['id']}{end}" for end in ("/detail", ".html", ".pdf")]
    assert (await client.get(latest)).json() is None  # the project does not give any
    assert [(await client.get(file)).status_code for file in files] == [404] * 3

    await client.patch(path, json={"report_enabled": True, "is_open": False})  # also when the event is over
    shown = (await client.get(latest)).json()
    assert (shown["id"], shown["status"], shown["project_id"]) == (first["id"], "published", project_id)
    detail = (await client.get(files[0])).json()
    assert ROOF in detail["content"]
    page = await client.get(shown["html_url"])
    assert page.text == detail["content"]
    assert "sandbox" in page.headers["content-security-policy"]
    assert (await client.get(shown["pdf_url"])).content.startswith(b"%PDF-")

    draft = await reported(client, services, project_id)
    assert (await client.get(latest)).json()["id"] == first["id"]
    assert (await client.get(f"{PORTAL}/{project_id}/report/{draft['id']}/detail")).status_code == 404
    await client.patch(f"{path}/reports/{draft['id']}", json={"is_published": True})
    assert (await client.get(latest)).json()["id"] == draft["id"]
    other = await made(client, report_enabled=True)
    assert (await client.get(f"{PORTAL}/{other['id']}/report/{first['id']}/detail")).status_code == 404
    assert (await client.get(f"{PORTAL}/{new_transcript_id()}/report/latest")).status_code == 404


async def test_addresses_come_and_go_by_the_token_that_the_host_is_given(client: httpx.AsyncClient) -> None:
    project = await made(client, report_enabled=True, is_project_notification_subscription_allowed=True)
    project_id = project["id"]
    public = (await client.get(f"{PORTAL}/projects/{project_id}")).json()
    assert public["is_project_notification_subscription_allowed"]
    initiated = await client.post(f"{PORTAL}/conversations/initiate", json={"project_id": project_id})
    body = {
        "emails": ["Anna@Example.org", "bert@example.org"],
        "project_id": project_id,
        "conversation_id": initiated.json()["id"],
    }
    for _ in range(2):
        assert (await client.post(f"{PORTAL}/report/subscribe", json=body)).json() == {"status": "success"}
    subscribers = f"/api/projects/{project_id}/reports/subscribers"
    listed = (await client.get(subscribers)).json()
    assert [each["email"] for each in listed["items"]] == ["anna@example.org", "bert@example.org"]

    key = listed["items"][0]["unsubscribe_token"]
    asked = {"token": key, "project_id": project_id}
    eligibility = f"{PORTAL}/report/unsubscribe/eligibility"
    assert (await client.get(eligibility, params=asked)).json() == {"data": {"eligible": True}}
    unsubscribe = f"{PORTAL}/{project_id}/report/unsubscribe"
    left = await client.post(unsubscribe, json={"token": key, "email_opt_in": False})
    assert left.json() == {"success": True}
    assert (await client.get(eligibility, params=asked)).json() == {"data": {"eligible": False}}
    assert [each["email"] for each in (await client.get(subscribers)).json()["items"]] == ["bert@example.org"]
    await client.post(f"{PORTAL}/report/subscribe", json=body)  # by themselves again
    assert (await client.get(subscribers)).json()["total"] == 2

    other = await made(client, report_enabled=True, notifications_enabled=True)
    for wrong in (f"{PORTAL}/{other['id']}/report/unsubscribe", f"{PORTAL}/{new_transcript_id()}/report/unsubscribe"):
        assert (await client.post(wrong, json={"token": key})).status_code == 404
    assert (await client.post(unsubscribe, json={"token": key[:-1] + "x"})).status_code == 404
    assert (await client.get(eligibility, params={"token": "x", "project_id": project_id})).json() == {
        "data": {"eligible": False}
    }
    for wrong_query in ({"token": " ", "project_id": project_id}, {"token": key}, {}):
        assert (await client.get(eligibility, params=wrong_query)).status_code == 422


@pytest.mark.parametrize(
    ("portal", "status"),
    [
        ({}, 403),
        ({"report_enabled": True}, 403),
        ({"notifications_enabled": True}, 403),
        ({"report_enabled": True, "notifications_enabled": True}, 200),
    ],
)
async def test_nobody_subscribes_to_what_is_not_offered(
    client: httpx.AsyncClient, portal: dict[str, Any], status: int
) -> None:
    project = await made(client, **portal)
    body = {"emails": ["a@example.org"], "project_id": project["id"]}
    assert (await client.post(f"{PORTAL}/report/subscribe", json=body)).status_code == status


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"emails": []}, 422),
        ({"emails": ["nobody"]}, 422),
        ({"emails": ["a@example.org"] * 11}, 422),
        ({"emails": "a@example.org"}, 422),
        ({"project_id": new_transcript_id()}, 404),
        ({"conversation_id": new_transcript_id()}, 404),
    ],
)
async def test_what_a_subscriber_may_not_say(client: httpx.AsyncClient, wrong: dict[str, Any], status: int) -> None:
    project = await made(client, report_enabled=True, notifications_enabled=True)
    body = {"emails": ["a@example.org"], "project_id": project["id"], **wrong}
    assert (await client.post(f"{PORTAL}/report/subscribe", json=body)).status_code == status
    elsewhere = await made(client)
    begun = await client.post(f"{PORTAL}/conversations/initiate", json={"project_id": elsewhere["id"]})
    foreign = {"emails": ["a@example.org"], "project_id": project["id"], "conversation_id": begun.json()["id"]}
    assert (await client.post(f"{PORTAL}/report/subscribe", json=foreign)).status_code == 404
