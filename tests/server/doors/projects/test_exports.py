"""A project taken out: its conversations as a list, a table, a spreadsheet and documents."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import zipfile
from pathlib import Path

import httpx

from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import running_app
from tests.server.doors.participant.test_conversations import PORTAL, confirm, put, sound
from tests.server.doors.projects.test_projects import made


async def talked(client: httpx.AsyncClient, services: Services) -> tuple[str, list[str]]:
    """A project, and the conversations of Anna, of a visitor who tries something, and of nobody who said anything."""
    project = await made(client, name="Talks", tags=["youth"])
    tag = project["tags"][0]["id"]
    ids = []
    for name, said, tags in (("Anna", "alpha bravo", [tag]), ("=1+1", "river", []), ("", "", [])):
        body = {"project_id": project["id"], "name": name, "email": f"{name[:4]}@example.org", "tag_id_list": tags}
        body["email"] = "a@example.org" if name == "Anna" else ""
        id_ = (await client.post(f"{PORTAL}/conversations/initiate", json=body)).json()["id"]
        if said:
            await confirm(client, id_, await put(client, id_, sound(said)), -5.0)
        await client.post(f"{PORTAL}/conversations/{id_}/finish")
        await wait_for_state(services, id_, TranscriptState.ENDED)
        ids.append(id_)
    live_summaries = services.language_models.live_summaries
    await live_summaries.stop()
    await live_summaries.make_due()  # so that nothing changes any more
    return project["id"], ids


async def test_a_project_is_taken_out_in_every_form(client: httpx.AsyncClient, services: Services) -> None:
    project_id, ids = await talked(client, services)
    path = f"/api/projects/{project_id}"
    listed = (await client.get(f"{path}/conversations?size=2")).json()
    assert ([each["id"] for each in listed["items"]], listed["total"]) == (ids[:0:-1], 3)
    assert [(each["words"], each["duration_s"] > 0) for each in listed["items"]] == [(0, False), (1, True)]

    table = await client.get(f"{path}/conversations.csv")
    assert table.headers["content-disposition"] == 'attachment; filename="Talks.csv"'
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == ids
    assert [row["name"] for row in rows] == ["Anna", "'=1+1", ""]
    first = rows[0]
    assert (first["tags"], first["email"], first["words"], first["speakers"]) == ("youth", "a@example.org", "2", "Anna")
    assert (first["status"], rows[2]["words"]) == ("completed", "0")

    sheet = await client.get(f"{path}/conversations.xlsx")
    names = zipfile.ZipFile(io.BytesIO(sheet.content)).namelist()
    assert {"xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"} <= set(names)
    assert list((services.settings.data_dir / "incoming").iterdir()) == []

    archive = await client.get(f"{path}/transcripts")
    assert archive.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        texts = [files.read(name).decode() for name in files.namelist()]
        assert len(texts) == 3
        assert all(name.endswith("-transcript.md") for name in files.namelist())
    assert "alpha bravo" in texts[0]
    assert "river" in texts[1]
    assert (await client.get(f"{path}/transcripts")).content == archive.content  # nothing changed
    await client.post(f"{PORTAL}/conversations/{ids[2]}/upload-text", json={"content": "later"})
    assert (await client.get(f"{path}/transcripts")).content != archive.content

    for form, ending, sign in (
        ("txt", "txt", "alpha bravo"),
        ("text-timestamped", "txt", "[00:00"),
        ("srt", "srt", "-->"),
        ("vtt", "vtt", "WEBVTT"),
        ("json", "json", "{"),
    ):
        archive = await client.get(f"{path}/transcripts", params={"format": form})
        with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
            assert all(name.endswith(f"-transcript.{ending}") for name in files.namelist()), form
            assert sign in files.read(files.namelist()[0]).decode(), form
    assert (await client.get(f"{path}/transcripts?format=doc")).status_code == 422

    text = await client.get(f"/api/conversations/{ids[0]}/transcript")
    assert (text.headers["content-type"], "alpha bravo" in text.text) == ("text/plain; charset=utf-8", True)


async def test_who_spoke_is_told_by_the_words(client: httpx.AsyncClient, services: Services) -> None:
    """Also where people gave words to somebody else, who has no name."""
    project_id, ids = await talked(client, services)
    [segment] = (await client.get(f"/v1/transcripts/{ids[0]}/segments")).json()["items"]
    word = segment["words"][1]
    stretch = {"speaker": 7, "timestamp_from": word["start"], "timestamp_to": word["end"]}
    assert (await client.patch(f"/v1/transcripts/{ids[0]}/speaker/assign", json=stretch)).json()["split"] == 1
    table = await client.get(f"/api/projects/{project_id}/conversations.csv")
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert rows[0]["speakers"] == "Anna; Speaker 7"
    archive = await client.get(f"/api/projects/{project_id}/transcripts")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        text = files.read(files.namelist()[0]).decode()
    assert "| Speakers | Anna, Speaker 7 |" in text
    assert "**Anna:** alpha\n" in text
    assert "**Speaker 7:** bravo\n" in text


async def test_more_exports_at_once_than_there_are_threads(client: httpx.AsyncClient, services: Services) -> None:
    project_id, ids = await talked(client, services)
    forms = ("transcripts", "conversations.csv", "conversations.xlsx")
    each = (os.cpu_count() or 1) + 2  # as many of each as leave no thread of asyncio's to anybody else
    asked = [client.get(f"/api/projects/{project_id}/{form}") for form in forms for _ in range(each)]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    assert all(id_.encode() in answers[each].content for id_ in ids)


async def test_an_empty_project_has_a_table_of_names(client: httpx.AsyncClient) -> None:
    project = await made(client)
    table = await client.get(f"/api/projects/{project['id']}/conversations.csv")
    assert table.content.count(b"\r\n") == 1
    archive = await client.get(f"/api/projects/{project['id']}/transcripts")
    assert zipfile.ZipFile(io.BytesIO(archive.content)).namelist() == []


async def test_a_key_takes_out_nothing_unless_it_may_export(tmp_path: Path) -> None:
    async with running_app(tmp_path / "data", auth_mode="jwt", jwt_secret=SECRET) as node:
        anna = bearer(token("anna"))
        project = (await node.http.post("/api/projects", json={"name": "Talks"}, headers=anna)).json()
        path = f"/api/projects/{project['id']}/conversations.csv"
        assert (await node.http.get(path, headers=anna)).status_code == 200
        for scopes, status in ((None, 403), (["read", "export"], 200)):
            asked = {} if scopes is None else {"scopes": scopes}
            key = (await node.http.post("/v1/api-keys", json=asked, headers=anna)).json()["key"]
            assert (await node.http.get(path, headers=bearer(key))).status_code == status
