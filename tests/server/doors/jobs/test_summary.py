"""Summaries over REST, as the document of the neighbouring system has them."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocol.ids import new_transcript_id
from server.doors.jobs import bodies
from server.language_models.transcripts import SEGMENTS_MAX
from server.services import Services
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.language_model import LanguageModelServer
from tests.fakes.running_app import RunningApp, running_app
from tests.server.language_models.talks import ROOF
from tests.server.projects.test_chunks import begun

TRANSCRIPT = [{"start": 10.0 * at, "end": 10.0 * at + 9, "text": text} for at, text in enumerate(ROOF)]
# As the document has it.
BODY: dict[str, Any] = {
    "transcript": [{"start": 0.0, "end": 1.2, "text": "..."}],
    "full_text": "optional full transcript text",
    "model_name": "gpt-3.5-turbo",
    "max_length": 500,
    "format": "paragraph",
}


async def ended(http: httpx.AsyncClient, job_id: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            status: dict[str, Any] = (await http.get(f"/api/summary/status/{job_id}", headers=headers)).json()
            if status["status"] != "processing":
                return status
            await asyncio.sleep(0.01)


async def summarised(http: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    started = await http.post("/api/summary/", json=body)
    assert started.status_code == 200, started.text
    await ended(http, started.json()["job_id"])
    made: dict[str, Any] = (await http.get(f"/api/summary/{started.json()['job_id']}")).json()
    return made


@pytest.mark.parametrize("slash", ["", "/"])
async def test_as_documented(client: httpx.AsyncClient, slash: str) -> None:
    started = await client.post(f"/api/summary{slash}", json=BODY)
    assert started.status_code == 200
    assert set(started.json()) == {"job_id", "status", "message"}
    assert started.json()["status"] == "processing"
    id_ = started.json()["job_id"]
    assert str(uuid.UUID(id_)) == id_
    status = await ended(client, id_ + slash)
    assert {"status": "completed", "message": "The summary is made.", "progress": 100}.items() <= status.items()
    made = (await client.get(f"/api/summary/{id_}{slash}")).json()
    assert set(made) == {"summary", "topics", "length", "model_used"}
    assert made["model_used"] == "extractive"  # there is no language model here, and that is said


async def test_the_three_forms_and_no_more_words_than_were_asked_for(client: httpx.AsyncClient) -> None:
    for form in ("paragraph", "bullet_points", "key_points"):
        made = await summarised(client, {"transcript": TRANSCRIPT, "format": form, "max_length": 12})
        assert 0 < made["length"] <= 12
        assert made["summary"].startswith("- ") is (form != "paragraph")
        assert "roof" in made["topics"]


async def test_a_result_that_is_not_there_yet_and_one_that_never_was(
    client: httpx.AsyncClient, services: Services
) -> None:
    await services.language_models.summary_jobs.stop()
    id_ = (await client.post("/api/summary", json=BODY)).json()["job_id"]
    early = await client.get(f"/api/summary/{id_}")
    assert (early.status_code, early.json()["detail"]) == (
        409,
        "this summary is not made yet; ask again, or for its status",
    )
    assert early.json()["error"]["details"] == {"status": "processing", "progress": 0}
    assert (await client.get(f"/api/summary/status/{id_}")).json()["message"] == "The summary is being made (0%)."
    for unknown in (new_transcript_id(), "x"):
        for path in (f"/api/summary/{unknown}", f"/api/summary/status/{unknown}"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["detail"]) == (404, "no such summary")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"transcript": [], "full_text": ""},
        {"transcript": [{"start": 0, "end": 1}]},
        {"transcript": [{"start": -1, "end": 1, "text": "x"}]},
        {"transcript": [{"start": "0", "end": 1, "text": "x"}]},
        BODY | {"format": "haiku"},
        BODY | {"max_length": 0},
        BODY | {"max_length": "many"},
        BODY | {"model_name": None},
    ],
)
async def test_what_is_not_as_documented_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await client.post("/api/summary/", json=wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert answer.json()["detail"].startswith("the request is not as documented")


async def test_too_much_is_refused(client: httpx.AsyncClient) -> None:
    segments = [TRANSCRIPT[0]] * (SEGMENTS_MAX + 1)
    assert (await client.post("/api/summary", json={"transcript": segments})).status_code == 422
    long = "x" * (bodies.BODY_MAX_BYTES + 1)
    assert (await client.post("/api/summary", json={"full_text": long})).status_code == 413


async def test_a_model_that_there_is_not(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/summary", json=BODY | {"model_name": "gpt-4o"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "MODEL_NOT_FOUND")
    assert answer.json()["detail"] == "no such model; there are: extractive"
    assert (await client.post("/api/summary", json=BODY | {"model_name": "extractive"})).status_code == 200


async def test_by_a_language_model(node: RunningApp, model_server: LanguageModelServer) -> None:
    model_server.reply = lambda _: "The roof leaks.\nTopics: roof"
    made = await summarised(node.http, BODY | {"transcript": TRANSCRIPT})
    assert made == {"summary": "The roof leaks.", "topics": ["roof"], "length": 3, "model_used": "small"}
    assert (await summarised(node.http, BODY | {"model_name": "large"}))["model_used"] == "large"
    assert (await summarised(node.http, BODY | {"model_name": "extractive"}))["model_used"] == "extractive"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(401, 502, "LANGUAGE_MODEL_FAILED"), ("filtered", 502, "LANGUAGE_MODEL_REFUSED")],
)
async def test_one_that_failed_says_why(
    node: RunningApp, model_server: LanguageModelServer, fault: int | str, status: int, code: str
) -> None:
    await node.http.get("/api/chat/models")
    model_server.faults.append(fault)
    id_ = (await node.http.post("/api/summary/", json=BODY)).json()["job_id"]
    ending = await ended(node.http, id_)
    answer = await node.http.get(f"/api/summary/{id_}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ending["status"] == "failed"
    assert ending["message"] == f"No summary could be made: {answer.json()['detail']}"


async def test_too_many_that_wait(tmp_path: Path) -> None:
    async with running_app(tmp_path / "data", summaries_waiting_max=1) as node:
        await node.services.language_models.summary_jobs.stop()
        assert (await node.http.post("/api/summary", json=BODY)).status_code == 200
        answer = await node.http.post("/api/summary", json=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "OVERLOADED")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_transcript_that_is_named_is_read_by_who_may(tmp_path: Path) -> None:
    options = {"auth_mode": "jwt", "jwt_secret": SECRET}
    async with running_app(tmp_path / "data", **options) as node:
        anna, bert, root = (bearer(token(name)) for name in ("anna", "bert", "root"))
        headers = {"Content-Type": "application/json", **anna}
        transcript_id = (await node.http.post("/v1/transcripts", json={"name": "Talk"}, headers=headers)).json()["id"]
        body = {"transcript_id": transcript_id}
        assert (await node.http.post("/api/summary", json=body)).status_code == 401
        assert (await node.http.post("/api/summary", json=body, headers=bert)).json()["detail"] == "no such transcript"
        started = await node.http.post("/api/summary", json=body, headers=anna)
        id_ = started.json()["job_id"]
        assert (await ended(node.http, id_, anna))["status"] == "completed"
        for path in (f"/api/summary/{id_}", f"/api/summary/status/{id_}"):
            assert (await node.http.get(path, headers=anna)).status_code == 200
            assert (await node.http.get(path)).status_code == 401
            for other in (bert, root):
                assert (await node.http.get(path, headers=other)).json()["detail"] == "no such summary"
        assert (await node.http.get(f"/api/summary/{id_}", headers=anna)).json()["summary"] == ""  # nobody spoke
        await node.http.delete(f"/v1/transcripts/{transcript_id}", headers=anna)
        assert (await node.http.get(f"/api/summary/{id_}", headers=anna)).status_code == 404


async def test_a_key_that_may_only_read_costs_nothing(tmp_path: Path) -> None:
    async with running_app(tmp_path / "data", auth_mode="jwt", jwt_secret=SECRET) as node:
        anna = bearer(token("anna"))
        for scopes, status in (["read"], 403), (["read", "write"], 200):
            made = await node.http.post("/v1/api-keys", json={"scopes": scopes}, headers=anna)
            answer = await node.http.post("/api/summary", json=BODY, headers=bearer(made.json()["key"]))
            assert answer.status_code == status


async def test_of_a_transcript_of_this_server(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begun(services)
    await services.chunks.typed(id_, "The roof of the school leaks.", said_at=None, source="PORTAL_TEXT")
    made = await summarised(client, {"transcript_id": id_})
    assert made["summary"] == "The roof of the school leaks."
