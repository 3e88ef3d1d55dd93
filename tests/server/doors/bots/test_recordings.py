"""What bots recorded: lists, pauses, and sound at signed addresses."""

from __future__ import annotations

import base64
import io
import json
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from server.bots.signatures import headers_of, new_secret
from tests.fakes.running_app import RunningApp, running_app
from tests.server.bots import contract
from tests.server.doors.bots.test_stream import (
    did,
    document,
    ended,
    path_of,
    pieces,
    recall,
    register,
    wait_for_words,
    words,
)
from tests.server.routes import MEDIA_OF_BOTS


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path) as running:
        yield running


async def test_lists_have_pages_both_ways(node: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.doors.bots.paging.PAGE_BOTS", 2)
    made = [(await register(node, bot_name=f"Bot {number}"))["recordings"][0]["id"] for number in range(5)]
    for path in ("bot", "recording", *MEDIA_OF_BOTS):
        pages, url = list[list[str]](), f"/api/v1/{path}/?status_code=processing"
        while url:
            page = (await node.http.get(url)).json()
            pages.append([each["recordings"][0]["id"] if path == "bot" else each["id"] for each in page["results"]])
            url, last = page["next"], page
        assert [id_ for each in pages for id_ in each] == made[::-1], path
        for expected in pages[-2::-1]:
            last = (await node.http.get(last["previous"])).json()
            assert [
                each["recordings"][0]["id"] if path == "bot" else each["id"] for each in last["results"]
            ] == expected
        assert last["previous"] is None
    for cursor in ("x", "W10=", base64.b64encode(b'["n", 1.0, "x"]').decode(), base64.b64encode(b"[1, 2, 3]").decode()):
        assert (await node.http.get("/api/v1/bot/", params={"cursor": cursor})).status_code == 422


async def test_lists_of_some(node: RunningApp) -> None:
    first, second = [await register(node, bot_name=name) for name in ("One", "Two")]

    async def found(**wanted: str) -> list[str]:
        page = (await node.http.get("/api/v1/bot/", params=wanted)).json()
        return [each["bot_name"] for each in page["results"]]

    assert await found(bot_id=first["id"]) == await found(recording_id=first["recordings"][0]["id"]) == ["One"]
    assert await found(status_code="done") == []
    assert await found(created_at_after=first["created_at"], created_at_before="2999-01-01T00:00:00") == ["Two", "One"]
    assert await found(created_at_before="2020-01-01T00:00:00Z") == []
    for wrong in ({"status_code": "over"}, {"created_at_after": "soon"}):
        assert (await node.http.get("/api/v1/recording/", params=wrong)).status_code == 422
    assert second["bot_name"] == "Two"


async def test_sound_of_all_and_of_each(node: RunningApp) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        for message in [*pieces(recall, 1, "alpha", 1.0), *pieces(recall, 2, "bravo", 4.0)]:
            await socket.send(message)
        await wait_for_words(node, bot, "alpha", "bravo")
        shown = (await node.http.get(f"/api/v1/audio_separate/{bot['recordings'][0]['id']}/")).json()
        assert shown["data"] == {"download_url": None}  # until it is done
    recording = await ended(node, bot)
    id_ = recording["id"]
    listed = (await node.http.get("/api/v1/audio_separate/", params={"recording_id": id_})).json()["results"]
    assert listed == [(await node.http.get(f"/api/v1/audio_separate/{id_}/")).json()]
    assert listed[0]["recording"] == {"id": id_, "metadata": {}}

    parts = (await node.http.get(listed[0]["data"]["download_url"])).json()
    jsonschema_rs.validate(contract.AUDIO_SEPARATE, parts)
    assert [(part["participant"]["name"], part["start_timestamp"]["relative"]) for part in parts] == [
        ("Person 1", pytest.approx(0.5, abs=0.05)),
        ("Person 2", pytest.approx(3.5, abs=0.05)),
    ]
    for part in parts:
        answer = await node.http.get(part["download_url"])
        assert answer.headers["content-type"] in ("audio/mpeg", "audio/wav")
        some = await node.http.get(part["download_url"], headers={"Range": "bytes=0-9"})
        assert (some.status_code, some.content) == (206, answer.content[:10])
        assert (await node.http.get(part["download_url"] + "0")).status_code == 403
    mixed = await node.http.get(recording["media_shortcuts"]["audio_mixed"]["data"]["download_url"])
    assert (mixed.status_code, len(mixed.content) > len(answer.content)) == (200, True)


async def test_a_part_is_as_long_as_it_says(node: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.sound.can_encode", lambda: False)
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        for message in pieces(recall, 1, "alpha", 3.0):
            await socket.send(message)
        await wait_for_words(node, bot, "alpha")
    recording = await ended(node, bot)
    shown = (await node.http.get(f"/api/v1/audio_separate/{recording['id']}/")).json()
    (part,) = (await node.http.get(shown["data"]["download_url"])).json()
    with wave.open(io.BytesIO((await node.http.get(part["download_url"])).content)) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(part["duration"], abs=0.001)
        assert not any(sound.readframes(7200))
        assert any(sound.readframes(4000))  # the word, half a second after the part began


async def test_a_recording_stays_done_when_it_was(node: RunningApp) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        for message in pieces(recall, 1, "alpha", 1.0):
            await socket.send(message)
        await wait_for_words(node, bot, "alpha")
    recording = await ended(node, bot)
    assert recording["completed_at"] == recording["status"]["updated_at"]
    changed = await node.http.patch(f"/v1/transcripts/{recording['id']}", json={"title": "The weekly"})
    assert changed.status_code == 200
    again = (await node.http.get(f"/api/v1/recording/{recording['id']}/")).json()
    assert (again["completed_at"], again["status"]) == (recording["completed_at"], recording["status"])
    assert (await node.services.store.get_transcript(recording["id"])).title == "The weekly"


async def test_nothing_is_recorded_in_a_pause_but_who_comes_and_goes(node: RunningApp) -> None:
    bot = await register(node)

    async def tell(what: str) -> dict[str, Any]:
        answer = await node.http.post(f"/api/v1/bot/{bot['id']}/{what}_recording/")
        assert answer.status_code == 200
        status: dict[str, Any] = answer.json()["recordings"][0]["status"]
        return status

    async with node.socket(path_of(bot)) as socket:
        for message in pieces(recall, 1, "alpha", 1.0):
            await socket.send(message)
        await wait_for_words(node, bot, "alpha")
        assert (await tell("pause"))["code"] == "paused"
        for message in [
            *pieces(recall, 1, "bravo", 4.0),
            did("chat_message", 1, 5.0, {"text": "delta", "to": "everyone"}),
            did("leave", 2, 5.5),
        ]:
            await socket.send(message)
        await wait_for_words(node, bot, "leave")
    async with node.socket(path_of(bot)) as socket:  # it is still paused for one that comes back
        await socket.send(did("chat_message", 1, 6.0, {"text": "delta", "to": "everyone"}))
        await socket.send(did("join", 2, 6.5))
        await wait_for_words(node, bot, "join")
        assert (await tell("resume"))["code"] == "processing"
        for message in pieces(recall, 1, "charlie", 8.0):
            await socket.send(message)
        await wait_for_words(node, bot, "charlie")
    recording = await ended(node, bot)
    assert await words(node, recording) == [("Person 1", "alpha"), ("Person 1", "charlie")]
    events = await document(node, recording, "participant_events", "participant_events_download_url")
    assert [each["action"] for each in events] == ["leave", "join"]
    assert (await node.http.post(f"/api/v1/bot/{bot['id']}/pause_recording/")).status_code == 409


async def test_a_bot_that_signs_is_let_in_by_its_signature_alone(node: RunningApp) -> None:
    secret = new_secret()
    bot = await register(node, signing_secret=secret)
    assert secret not in json.dumps(bot)
    assert secret not in (await node.http.get(f"/api/v1/bot/{bot['id']}/")).text

    async def tried(headers: dict[str, str]) -> str | None:
        async with node.socket(path_of(bot), additional_headers=headers) as socket:
            await socket.connection.send("rubbish")
            error = (await socket.until("error"))["data"]
            reason: str | None = error["details"].get("reason")
            if reason is not None:
                assert (error["code"], (await socket.closed())[0]) == ("FORBIDDEN", 4003)
            return reason

    signed = headers_of(secret, "msg_1", int(time.time()), b"")
    assert await tried({}) == "missing"
    assert await tried(headers_of(new_secret(), "msg_1", int(time.time()), b"")) == "forged"
    assert await tried(headers_of(secret, "msg_1", int(time.time()) - 1000, b"")) == "old"
    assert await tried(signed) is None
    assert await tried(signed) == "repeated"
    assert await tried(headers_of(secret, "msg_2", int(time.time()), b"")) is None
    refused = await node.http.post("/api/v1/bot/", json={"signing_secret": "hunter2"})
    assert refused.status_code == 422
    assert "hunter2" not in refused.text
