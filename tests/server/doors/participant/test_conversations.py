"""A participant's whole way: begin, upload chunks, finish; and what comes twice, late, out of order or broken."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from protocol.events import Interim
from protocol.ids import new_transcript_id
from protocol.states import TranscriptState
from server.services import Services
from tests.fakes.node import texts, wait_for_state, words_of
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.server.doors.projects.test_projects import made

PORTAL = "/api/participant"
BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def sound(text: str) -> bytes:
    return wav_of(scripted_sound(sentence(text, 0.3)))


async def begin(client: httpx.AsyncClient, **fields: Any) -> str:
    project = await made(client)
    answer = await client.post(f"{PORTAL}/conversations/initiate", json={"project_id": project["id"], **fields})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["project_id"], answer.json()["is_finished"]) == (project["id"], False)
    return str(answer.json()["id"])


async def put(client: httpx.AsyncClient, conversation_id: str, data: bytes, **fields: Any) -> str:
    """Announced and uploaded, not confirmed yet; the chunk's id."""
    body = {"filename": "chunk.wav", "content_type": "audio/wav", "conversation_id": conversation_id, **fields}
    answer = await client.post(f"{PORTAL}/conversations/{conversation_id}/get-upload-url", json=body)
    assert answer.status_code == 200, answer.text
    given = answer.json()
    uploaded = await client.put(given["upload_url"], content=data, headers=given["headers"])
    assert uploaded.status_code == 200, uploaded.text
    return str(given["chunk_id"])


async def confirm(client: httpx.AsyncClient, conversation_id: str, chunk_id: str, at_s: float) -> httpx.Response:
    said_at = (datetime.now(UTC) + timedelta(seconds=at_s)).isoformat()
    body = {"chunk_id": chunk_id, "timestamp": said_at, "file_url": "ignored", "source": "PORTAL_AUDIO"}
    return await client.post(f"{PORTAL}/conversations/{conversation_id}/confirm-upload", json=body)


async def chunks_of(client: httpx.AsyncClient, conversation_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{PORTAL}/conversations/{conversation_id}/chunks")).json()
    return found


async def until(services: Services, look: Callable[[], Any]) -> None:
    """Looked at again whenever a chunk was written down."""
    async with asyncio.timeout(30):
        while not await look():
            busy = list(services.chunks.writing.busy.values())
            await (asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED) if busy else asyncio.sleep(0))


async def written(client: httpx.AsyncClient, conversation_id: str) -> list[tuple[str | None, str | None]]:
    return [(each["transcript"], each["error"]) for each in await chunks_of(client, conversation_id)]


async def test_the_whole_way_of_a_participant(client: httpx.AsyncClient, services: Services) -> None:
    project = await made(client, language="en", tags=["youth"])
    shown = (await client.get(f"{PORTAL}/projects/{project['id']}")).json()
    body = {
        "project_id": project["id"],
        "name": "Anna",
        "email": "anna@example.org",
        "tag_id_list": [shown["tags"][0]["id"]],
        "source": "PORTAL_AUDIO",
    }
    conversation = (await client.post(f"{PORTAL}/conversations/initiate", json=body)).json()
    id_ = conversation["id"]
    path = f"{PORTAL}/conversations/{id_}"
    assert (conversation["participant_name"], conversation["tag_id_list"]) == ("Anna", body["tag_id_list"])

    probe = (await client.post(f"{path}/check-s3")).json()
    headers = {"Content-Type": "text/plain"}
    assert (await client.put(probe["probe_url"], content=b"probe", headers=headers)).status_code == 200

    for at_s, said in ((-20.0, "alpha bravo"), (-10.0, "river one")):
        chunk_id = await put(client, id_, sound(said))
        confirmed = await confirm(client, id_, chunk_id, at_s)
        assert (confirmed.status_code, confirmed.json()["id"]) == (200, chunk_id)
    assert (await client.post(f"{path}/ping", json={"state": "recording"})).json() == {"ok": True}
    finished = await client.post(f"{path}/finish")
    assert finished.json()["is_finished"]
    await wait_for_state(services, id_, TranscriptState.ENDED)

    state = (await client.get(f"{PORTAL}/projects/{project['id']}/conversations/{id_}")).json()
    assert (state["status"], state["is_all_chunks_transcribed"], state["chunks_settled"]) == ("completed", True, 2)
    assert [each["transcript"] for each in await chunks_of(client, id_)] == ["alpha bravo", "river one"]
    other = f"{PORTAL}/projects/{project['id']}/conversations/{id_}/chunks"
    assert (await client.get(other)).json() == await chunks_of(client, id_)
    # It is a transcript of the project's host like any other.
    record = (await client.get(f"/v1/transcripts/{id_}")).json()
    assert (record["source_kind"], record["name"]) == ("project", "Anna")
    text = (await client.get(f"/v1/transcripts/{id_}/export?format=txt")).text
    assert text.index("alpha bravo") < text.index("river one")
    assert "Anna" in text


async def test_twice_late_and_out_of_order_is_the_same(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begin(client, name="Anna")
    first, second, third = [await put(client, id_, sound(said)) for said in ("alpha bravo", "river", "papa window")]
    for chunk_id, at_s in ((third, -10.0), (third, -10.0), (first, -30.0)):
        assert (await confirm(client, id_, chunk_id, at_s)).status_code == 200
    await client.post(f"{PORTAL}/conversations/{id_}/finish", json={"expected_chunks": 3})
    await until(services, lambda: _settled(client, id_, 2))
    view = (await client.post(f"{PORTAL}/conversations/{id_}/finish")).json()
    assert (view["is_all_chunks_transcribed"], view["expected_chunks"]) == (False, 3)  # one is still to come
    assert (await client.get(f"/v1/transcripts/{id_}")).json()["status"] == "processing"
    await confirm(client, id_, second, -20.0)
    await wait_for_state(services, id_, TranscriptState.ENDED)
    again = await confirm(client, id_, second, -5.0)  # as after an answer that was lost
    assert (again.status_code, again.json()["state"]) == (200, "transcribed")
    assert [each[0] for each in await written(client, id_)] == ["alpha bravo", "river", "papa window"]
    assert sorted(texts(await words_of(services, id_)).split()) == sorted(["alpha", "bravo", "river", "papa", "window"])

    late = await put(client, id_, sound("never"))  # after the end
    assert (await confirm(client, id_, late, 0.0)).status_code == 200
    await until(services, lambda: _closed(client, id_))
    assert [each[0] for each in await written(client, id_)] == ["alpha bravo", "river", "papa window", "never"]
    assert (await services.store.get_transcript(id_)).state is TranscriptState.ENDED


async def _settled(client: httpx.AsyncClient, id_: str, count: int) -> bool:
    return sum(each["state"] in ("transcribed", "failed") for each in await chunks_of(client, id_)) == count


async def _closed(client: httpx.AsyncClient, id_: str) -> bool:
    chunks = await chunks_of(client, id_)
    record = (await client.get(f"/v1/transcripts/{id_}")).json()
    return record["status"] == "completed" and all(each["state"] == "transcribed" for each in chunks)


async def test_chunks_come_through_us_and_typed(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begin(client, name="Anna")
    path = f"{PORTAL}/conversations/{id_}"
    said_at = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    form = {"timestamp": said_at, "source": "KIOSK_7"}
    chunk = await client.post(f"{path}/upload-chunk", files={"chunk": ("a.wav", sound("alpha"))}, data=form)
    assert (chunk.status_code, chunk.json()["state"], chunk.json()["source"]) == (200, "confirmed", "KIOSK_7"), (
        chunk.text
    )
    typed = await client.post(f"{path}/upload-text", json={"content": "And <b>this</b>.", "timestamp": None})
    assert (typed.status_code, typed.json()["transcript"], typed.json()["path"]) == (200, "And <b>this</b>.", None)
    await client.post(f"{path}/finish")
    await wait_for_state(services, id_, TranscriptState.ENDED)
    assert [each[0] for each in await written(client, id_)] == ["alpha", "And <b>this</b>."]
    text = (await client.get(f"/v1/transcripts/{id_}/export?format=txt")).text
    assert text.index("alpha") < text.index("And <b>this</b>.")
    for wrong in ({"content": ""}, {"content": " "}, {"content": "\0"}, {"content": "x" * 20_001}, {}):
        assert (await client.post(f"{path}/upload-text", json=wrong)).status_code == 422
    for moment in (1_767_000_000, "1767000000", "soon"):  # a number could be seconds or milliseconds
        bad = await client.post(f"{path}/upload-text", json={"content": "late", "timestamp": moment})
        assert bad.status_code == 422
    for field in ({"timestamp": "soon"}, {"timestamp": "1767000000"}, {"source": "<b>"}):
        bad = await client.post(f"{path}/upload-chunk", files={"chunk": ("a.wav", b"x")}, data=field)
        assert bad.status_code == 422
    for type_ in ("application/json", "application/x-www-form-urlencoded", "audio/wav"):
        no_form = await client.post(f"{path}/upload-chunk", content=b"chunk=1", headers={"Content-Type": type_})
        assert (no_form.status_code, "multipart/form-data" in no_form.json()["detail"]) == (400, True)


async def test_what_is_no_sound_is_marked_with_why_and_never_tried_again(
    client: httpx.AsyncClient, services: Services
) -> None:
    id_ = await begin(client)
    tiny = await put(client, id_, b"x" * 100)
    broken = await put(client, id_, b"no sound at all " * 200)
    good = await put(client, id_, sound("alpha"))
    assert (await confirm(client, id_, tiny, -30.0)).json()["error"] == "Audio not playable"
    for chunk_id, at_s in ((broken, -20.0), (good, -10.0)):
        await confirm(client, id_, chunk_id, at_s)
    await client.post(f"{PORTAL}/conversations/{id_}/finish")
    await wait_for_state(services, id_, TranscriptState.ENDED)
    found = await chunks_of(client, id_)
    assert [each["state"] for each in found] == ["failed", "failed", "transcribed"]
    assert "no audio file" in found[1]["error"]
    assert found[2]["transcript"] == "alpha"


async def test_only_what_was_announced_here_and_is_there_is_confirmed(client: httpx.AsyncClient) -> None:
    id_, other = await begin(client), await begin(client)
    announced = (await client.post(f"{PORTAL}/conversations/{id_}/get-upload-url", json={})).json()
    missing = await confirm(client, id_, announced["chunk_id"], 0.0)
    assert (missing.status_code, missing.json()["detail"][:20]) == (400, "File not found in S3")
    theirs = await put(client, other, sound("alpha"))
    for chunk_id in (theirs, new_transcript_id(), "x"):
        assert (await confirm(client, id_, chunk_id, 0.0)).status_code == 404
    data = sound("alpha")
    for fields in ({"size_bytes": len(data) + 1}, {"sha256": hashlib.sha256(b"other").hexdigest()}):
        chunk_id = await put(client, id_, data, **fields)
        assert (await confirm(client, id_, chunk_id, 0.0)).status_code == 400
    for size_bytes, status in ((1 << 63, 422), (1 << 30, 413)):
        answer = await client.post(f"{PORTAL}/conversations/{id_}/get-upload-url", json={"size_bytes": size_bytes})
        assert answer.status_code == status
    good = await put(client, id_, data, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    assert (await confirm(client, id_, good, 0.0)).status_code == 200


async def test_confirmed_bytes_are_final(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begin(client)
    path = f"{PORTAL}/conversations/{id_}"
    given = (await client.post(f"{path}/get-upload-url", json={"content_type": "audio/wav"})).json()
    right, wrong = sound("alpha"), sound("bravo")

    async def send(data: bytes) -> list[int]:
        as_put = await client.put(given["upload_url"], content=data, headers=given["headers"])
        form_url = given["upload_url"].partition("?")[0]
        as_form = await client.post(form_url, data=given["fields"], files={"file": ("a.wav", data, "audio/wav")})
        return [as_put.status_code, as_form.status_code]

    assert await send(wrong) == [200, 204]
    assert await send(right) == [200, 204]
    assert (await confirm(client, id_, given["chunk_id"], 0.0)).status_code == 200
    assert await send(right) == [200, 204]
    assert await send(wrong) == [409, 409]
    await client.post(f"{path}/finish")
    await wait_for_state(services, id_, TranscriptState.ENDED)
    assert [each["transcript"] for each in await chunks_of(client, id_)] == ["alpha"]
    assert await send(wrong) == [409, 409]


async def test_a_closed_project_begins_nothing(client: httpx.AsyncClient) -> None:
    project = await made(client, is_open=False)
    for path, body in (
        (f"{PORTAL}/conversations/initiate", {"project_id": project["id"]}),
        (f"{PORTAL}/projects/{project['id']}/conversations/initiate", {"name": "Anna", "pin": ""}),
    ):
        refused = await client.post(path, json=body)
        assert (refused.status_code, refused.json()["detail"]) == (403, "Conversation not open for participation")
    unknown = {"project_id": new_transcript_id()}
    assert (await client.post(f"{PORTAL}/conversations/initiate", json=unknown)).status_code == 404


@pytest.mark.parametrize(
    "wrong", [{"email": "nobody"}, {"source": "portal"}, {"tag_id_list": ["x"]}, {"name": "x" * 201}]
)
async def test_what_a_participant_may_not_say(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    project = await made(client)
    answer = await client.post(f"{PORTAL}/conversations/initiate", json={"project_id": project["id"], **wrong})
    assert answer.status_code == (404 if "tag_id_list" in wrong else 422)
    empty = {"project_id": project["id"], "email": "", "name": ""}
    assert (await client.post(f"{PORTAL}/conversations/initiate", json=empty)).status_code == 200


async def test_numbers_of_people_are_taken_out_where_the_project_wants_that(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody is told: neither the words nor an interim nor what is found by a search has them."""
    project = await made(client, redacts=True)
    body = {"project_id": project["id"], "name": "Anna"}
    began = (await client.post(f"{PORTAL}/conversations/initiate", json=body)).json()
    id_ = began["id"]
    assert began["is_anonymized"]
    number = "zero two zero seven nine four six zero nine five eight"  # as a recogniser writes a London one
    told: list[Interim] = []
    monkeypatch.setattr(services.journal, "tell", told.append)
    data = wav_of(scripted_sound(sentence(f"yes {number} never", 0.3)))
    await confirm(client, id_, await put(client, id_, data), -20.0)
    typed = await client.post(f"{PORTAL}/conversations/{id_}/upload-text", json={"content": "Or anna@example.org."})
    assert typed.json()["transcript"] == "Or <redacted_email>."
    await client.post(f"{PORTAL}/conversations/{id_}/finish")
    await wait_for_state(services, id_, TranscriptState.ENDED)
    assert told == []
    assert (await written(client, id_))[0] == ("yes <redacted_phone> never", None)
    assert "seven" not in texts(await words_of(services, id_))
    assert (await client.get("/v1/transcripts/search?q=seven")).json()["total"] == 0


async def test_forty_addresses_a_minute(client: httpx.AsyncClient) -> None:
    id_, other = await begin(client), await begin(client)
    for _ in range(40):
        assert (await client.post(f"{PORTAL}/conversations/{id_}/get-upload-url", json={})).status_code == 200
    refused = await client.post(f"{PORTAL}/conversations/{id_}/get-upload-url", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert int(refused.headers["retry-after"]) > 0
    assert (await client.post(f"{PORTAL}/conversations/{other}/get-upload-url", json={})).status_code == 200


async def test_clients_that_post_forms(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begin(client)
    body = {"filename": "a.wav", "content_type": "audio/wav", "conversation_id": id_}
    given = (await client.post(f"{PORTAL}/conversations/{id_}/get-upload-url", json=body)).json()
    uploaded = await client.post(given["upload_url"], data=given["fields"], files={"file": ("a.wav", sound("alpha"))})
    assert uploaded.status_code == 204, uploaded.text
    assert (await confirm(client, id_, given["chunk_id"], -10.0)).status_code == 200
    await client.post(f"{PORTAL}/conversations/{id_}/finish")
    await wait_for_state(services, id_, TranscriptState.ENDED)
    assert await written(client, id_) == [("alpha", None)]


async def test_a_participant_takes_something_back(client: httpx.AsyncClient, services: Services) -> None:
    id_ = await begin(client)
    state = (await client.post(f"{PORTAL}/conversations/{id_}/finish", json={"expected_chunks": 3})).json()
    project = f"{PORTAL}/projects/{state['project_id']}/conversations/{id_}"
    path = f"{PORTAL}/conversations/{id_}"
    for at_s, said in ((-30.0, "alpha"), (-20.0, "papa window")):
        await confirm(client, id_, await put(client, id_, sound(said)), at_s)
    await until(services, lambda: _settled(client, id_, 2))
    gone = (await chunks_of(client, id_))[1]["id"]
    other = (await client.post(f"{PORTAL}/projects/{(await made(client))['id']}/conversations/initiate")).json()
    for wrong in (
        f"{PORTAL}/projects/{other['project_id']}/conversations/{id_}/chunks/{gone}",
        f"{PORTAL}/conversations/{other['id']}/chunks/{gone}",
        f"{path}/chunks/{new_transcript_id()}",
        f"{path}/chunks/x",
    ):
        assert (await client.delete(wrong)).status_code == 404
    for url in (f"{project}/chunks/{gone}", f"{project}/chunks/{gone}", f"{path}/chunks/{gone}"):
        assert (await client.delete(url)).status_code == 204
    assert await written(client, id_) == [("alpha", None)]
    assert "window" not in (await client.get(f"/v1/transcripts/{id_}/export?format=txt")).text
    assert (await client.get("/v1/transcripts/search?q=window")).json()["total"] == 0
    assert (await confirm(client, id_, gone, 0.0)).status_code == 409
    await confirm(client, id_, await put(client, id_, sound("river")), -10.0)
    await wait_for_state(services, id_, TranscriptState.ENDED)
    assert [each[0] for each in await written(client, id_)] == ["alpha", "river"]
    left = (await chunks_of(client, id_))[0]["id"]
    assert (await client.delete(f"{path}/chunks/{left}")).status_code == 409  # it is its host's now
    assert (await client.delete(f"{path}/chunks/{gone}")).status_code == 204


async def test_typed_words_that_are_sent_again_stand_once(client: httpx.AsyncClient) -> None:
    id_ = await begin(client)
    moments = [(datetime.now(UTC) + timedelta(seconds=at_s)).isoformat(timespec="milliseconds") for at_s in (0, 1)]

    async def sent(text: str, moment: str) -> str:
        body = {"content": text, "timestamp": moment}
        answer = await client.post(f"{PORTAL}/conversations/{id_}/upload-text", json=body)
        return str(answer.raise_for_status().json()["id"])

    first = await sent("more trees", moments[0])
    assert await sent("more trees", moments[0]) == first
    assert await sent("more trees", moments[1]) != first
    assert await sent("fewer cars", moments[0]) != first
    assert sorted(str(text) for text, _ in await written(client, id_)) == ["fewer cars", "more trees", "more trees"]
