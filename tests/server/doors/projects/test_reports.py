"""Reports over REST, as hosts ask for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx

from protocol.ids import new_transcript_id
from server.reports.html import HEADERS
from server.services import Services
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.running_app import running_app
from tests.server.doors.participant.test_conversations import PORTAL
from tests.server.doors.projects.test_projects import made
from tests.server.reports.test_html import Seen

ROOF = "The roof of the school leaks when it rains."


async def with_words(client: httpx.AsyncClient, text: str = ROOF, **fields: Any) -> str:
    """The id of a project with a conversation that is at its end."""
    project = await made(client, **fields)
    body = {"project_id": project["id"], "name": "Anna"}
    id_ = (await client.post(f"{PORTAL}/conversations/initiate", json=body)).json()["id"]
    await client.post(f"{PORTAL}/conversations/{id_}/upload-text", json={"content": text})
    await client.post(f"{PORTAL}/conversations/{id_}/finish")
    return str(project["id"])


async def reported(client: httpx.AsyncClient, services: Services, project_id: str, **fields: Any) -> dict[str, Any]:
    """A report that is made."""
    asked = await client.post(f"/api/projects/{project_id}/reports", json=fields)
    assert asked.status_code == 202, asked.text
    async with asyncio.timeout(60):
        while True:
            await services.reports.make_all()
            report: dict[str, Any] = (await client.get(asked.headers["location"])).json()
            if report["state"] in ("done", "failed"):
                return report


async def test_a_report_is_asked_for_taken_out_and_deleted(client: httpx.AsyncClient, services: Services) -> None:
    project_id = await with_words(client, f"{ROOF} <script>alert(1)</script>", name="School <b>")
    path = f"/api/projects/{project_id}/reports"
    report = await reported(client, services, project_id)
    assert (report["state"], report["progress"], report["conversations"], report["status"]) == ("done", 100, 1, "draft")
    assert (await client.get(path)).json()["items"] == [report]

    page = await client.get(report["html_url"])
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers.get_list("content-security-policy") == [HEADERS["Content-Security-Policy"]]
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    seen = Seen(page.text)
    assert "script" not in {tag for tag, _ in seen.tags}
    assert ROOF in "".join(seen.texts)
    assert "Anna" not in page.text
    pdf = await client.get(report["pdf_url"])
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert pdf.headers["content-disposition"] == 'attachment; filename="School -b- report.pdf"'

    other = await made(client)
    for unknown in (
        f"{path}/{new_transcript_id()}",
        f"{path}/{new_transcript_id()}.pdf",
        f"/api/projects/{other['id']}/reports/{report['id']}",
        f"/api/projects/{other['id']}/reports/{report['id']}.html",
    ):
        assert (await client.get(unknown)).status_code == 404
    changed = await client.patch(f"{path}/{report['id']}", json={"is_published": True})
    assert (changed.json()["is_published"], changed.json()["status"]) == (True, "published")
    assert (await client.patch(f"{path}/{report['id']}", json={})).status_code == 422
    assert (await client.delete(f"{path}/{report['id']}")).status_code == 204
    for gone in (report["html_url"], f"{path}/{report['id']}"):
        assert (await client.get(gone)).status_code == 404
    assert (await client.get(path)).json()["total"] == 0


async def test_while_one_is_made_asking_is_asking_for_that(client: httpx.AsyncClient, services: Services) -> None:
    await services.reports.stop()
    project = await made(client)
    path = f"/api/projects/{project['id']}/reports"
    first, again = await client.post(path), await client.post(path, json={"is_published": True})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["html_url"]) == ("queued", None)
    assert (await client.get(f"{path}/{first.json()['id']}.html")).status_code == 404


async def test_a_key_takes_out_no_report_unless_it_may_export(tmp_path: Path) -> None:
    async with running_app(tmp_path / "data", auth_mode="jwt", jwt_secret=SECRET) as node:
        anna = bearer(token("anna"))
        project = (await node.http.post("/api/projects", json={"name": "Talks"}, headers=anna)).json()
        path = f"/api/projects/{project['id']}/reports"
        report = (await node.http.post(path, headers=anna)).json()
        for scopes, allowed in (None, False), (["read", "export"], True):
            asked = {} if scopes is None else {"scopes": scopes}
            key = (await node.http.post("/v1/api-keys", json=asked, headers=anna)).json()["key"]
            for method, url in (
                ("POST", path),
                ("GET", f"{path}/{report['id']}.html"),
                ("GET", f"{path}/{report['id']}.pdf"),
                ("GET", f"{path}/subscribers"),
            ):
                answer = await node.http.request(method, url, headers=bearer(key))
                assert (answer.status_code != 403) is allowed, (method, url)
