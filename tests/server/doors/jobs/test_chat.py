"""Questions over REST, as the document of the neighbouring system has them, and piece by piece."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from protocol.ids import new_transcript_id
from server.doors.jobs import reply_stream
from server.services import Services
from tests.fakes.language_model import KEY, MODELS, LanguageModelServer
from tests.fakes.running_app import RunningApp
from tests.fakes.waiting import until
from tests.server.doors.jobs.test_summary import TRANSCRIPT
from tests.server.projects.test_chunks import begun

# As the document has it.
BODY: dict[str, Any] = {
    "transcript": [{"start": 0.0, "end": 1.2, "text": "..."}],
    "full_text": "optional full transcript text",
    "messages": [{"role": "user", "content": "What did speaker 2 request?"}],
    "model_name": "gpt-3.5-turbo",
    "temperature": 0.7,
    "max_tokens": 500,
}
ASKED = BODY | {"transcript": TRANSCRIPT, "messages": [{"role": "user", "content": "What of the soup?"}]}


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = [event for event in answer.text.split("\n\n") if event and not event.startswith(":")]
    return [json.loads(event.removeprefix("data: ")) for event in found]


@pytest.mark.parametrize("slash", ["", "/"])
async def test_as_documented(client: httpx.AsyncClient, slash: str) -> None:
    listed = (await client.get(f"/api/chat/models{slash}")).json()
    assert [set(model) for model in listed["models"]] == [{"id", "name", "description"}]
    assert listed["models"][0]["id"] == "extractive"
    assert "only quotes" in listed["models"][0]["description"]
    answer = await client.post(f"/api/chat{slash}", json=BODY)
    assert answer.status_code == 200
    assert set(answer.json()) >= {"message", "model_used", "usage"}
    assert answer.json()["message"]["role"] == "assistant"
    usage = answer.json()["usage"]
    assert usage["total"] == usage["prompt"] + usage["completion"]
    assert usage["estimated"] is True


async def test_without_a_model_passages_that_fit(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/chat/", json=ASKED)).json()
    assert answer["model_used"] == "extractive"
    assert "[00:00:10] We had soup for lunch." in answer["message"]["content"]
    assert "only quotes" in answer["message"]["content"]
    assert {"start": 10.0, "end": 19.0, "text": "We had soup for lunch.", "speaker": None} in answer["quotes"]
    events = events_of(await client.post("/api/chat/", json=ASKED | {"stream": True}))
    assert events[-1] == answer
    assert "".join(event["delta"] for event in events[:-1]) == answer["message"]["content"]


async def test_by_a_language_model(node: RunningApp, model_server: LanguageModelServer) -> None:
    listed = (await node.http.get("/api/chat/models")).json()
    assert [model["id"] for model in listed["models"]] == [*MODELS, "extractive"]
    assert listed["problem"] is None
    model_server.reply = lambda _: "They had it at lunch [00:00:10]."
    answer = (await node.http.post("/api/chat/", json=ASKED)).json()
    assert answer == {
        "message": {"role": "assistant", "content": "They had it at lunch [00:00:10]."},
        "model_used": "small",
        "usage": {"prompt": 11, "completion": 6, "total": 17, "estimated": False},
        "quotes": [{"start": 10.0, "end": 19.0, "text": "We had soup for lunch.", "speaker": None}],
        "finish_reason": "stop",
        "parts": 1,
        "parts_read": 1,
    }
    *deltas, last = events_of(await node.http.post("/api/chat", json=ASKED | {"stream": True}))
    assert last == answer
    assert [event["delta"] for event in deltas] == ["They ", "had ", "it ", "at ", "lunch ", "[00:00:10]."]
    model_server.finish_reason = "length"
    assert (await node.http.post("/api/chat", json=ASKED)).json()["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (401, 502, "LANGUAGE_MODEL_FAILED"),
        ("garbage", 502, "LANGUAGE_MODEL_FAILED"),
        ("refused", 502, "LANGUAGE_MODEL_REFUSED"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_error_that_comes_first_has_its_status(
    node: RunningApp, model_server: LanguageModelServer, fault: int | str, status: int, code: str, is_stream: bool
) -> None:
    await node.http.get("/api/chat/models")
    model_server.faults.append(fault)
    answer = await node.http.post("/api/chat/", json=ASKED | {"stream": is_stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert KEY not in answer.text


@pytest.mark.parametrize("fault", ["broken", "error"])
async def test_an_error_in_the_middle_is_an_event(
    node: RunningApp, model_server: LanguageModelServer, fault: str
) -> None:
    await node.http.get("/api/chat/models")
    model_server.faults.append(fault)
    *deltas, last = events_of(await node.http.post("/api/chat/", json=ASKED | {"stream": True}))
    assert "".join(event["delta"] for event in deltas).startswith("It was ")
    assert last["error"]["code"] == "LANGUAGE_MODEL_FAILED"
    assert last["detail"] == last["error"]["message"]


async def test_a_model_that_is_slow_is_waited_for_and_the_client_told(
    node: RunningApp, model_server: LanguageModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_stream, "FIRST_S", 0.01)
    monkeypatch.setattr(reply_stream, "COMMENT_S", 0.01)
    model_server.hold = asyncio.Event()
    async with node.http.stream("POST", "/api/chat", json=ASKED | {"stream": True}) as answer:
        pieces = answer.aiter_text()
        assert (await anext(pieces)).startswith(": still here\n\n")
        model_server.hold.set()
        rest = "".join([piece async for piece in pieces])
    assert rest.rpartition("data: ")[2].startswith('{"message"')


async def test_a_client_that_goes_is_not_answered_any_more(
    node: RunningApp, model_server: LanguageModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_stream, "FIRST_S", 0.01)
    model_server.hold = asyncio.Event()
    async with node.http.stream("POST", "/api/chat", json=ASKED | {"stream": True}) as answer:
        assert answer.status_code == 200
        await model_server.came.wait()
    async with asyncio.timeout(20):
        await model_server.left.wait()
    client = node.services.language_models.client
    assert client is not None
    await until(lambda: client.turns.people == 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        ASKED | {"messages": []},
        ASKED | {"messages": [{"role": "assistant", "content": "x"}]},
        ASKED | {"messages": [{"role": "user", "content": " "}]},
        ASKED | {"messages": [{"role": "tool", "content": "x"}]},
        ASKED | {"messages": ASKED["messages"] * 101},
        ASKED | {"temperature": 2.1},
        ASKED | {"max_tokens": 0},
        ASKED | {"stream": "yes"},
        {"messages": ASKED["messages"]},
    ],
)
async def test_what_is_not_as_documented_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    answer = await client.post("/api/chat/", json=wrong)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_a_model_that_there_is_not_and_a_server_that_is_away(
    node: RunningApp, model_server: LanguageModelServer
) -> None:
    answer = await node.http.post("/api/chat", json=ASKED | {"model_name": "gpt-4o"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "MODEL_NOT_FOUND")
    assert "small, large" in answer.json()["detail"]


async def test_where_the_server_of_models_is_away_that_is_told(
    node: RunningApp, model_server: LanguageModelServer
) -> None:
    model_server.faults += ["elsewhere"] * 2
    listed = (await node.http.get("/api/chat/models")).json()
    assert [model["id"] for model in listed["models"]] == ["extractive"]
    assert "sends elsewhere" in listed["problem"]
    assert (await node.http.post("/api/chat", json=ASKED)).status_code == 502


async def test_a_transcript_that_is_named(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begun(services)
    await services.chunks.typed(id_, "The roof of the school leaks.", said_at=None, source="PORTAL_TEXT")
    body = {"transcript_id": id_, "messages": [{"role": "user", "content": "Which roof?"}]}
    assert "school leaks" in (await client.post("/api/chat", json=body)).json()["message"]["content"]
    gone = await client.post("/api/chat", json=body | {"transcript_id": new_transcript_id()})
    assert (gone.status_code, gone.json()["detail"]) == (404, "no such transcript")
