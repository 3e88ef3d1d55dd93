"""Transcripts over REST, as the contract writes them."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import httpx
import pytest

from protocol.events import Transcribed
from protocol.ids import is_transcript_id
from protocol.states import TranscriptState
from protocol.words import Segment, Word
from server.doors.v1 import transcripts
from server.doors.v1.views import segment_view
from server.segment_pages import PIECE_SEGMENTS
from server.services import Services
from server.store.records import StoredSegment
from tests.fakes.node import wait_for_state
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_an_empty_body_makes_a_transcript_to_stream_into(client: httpx.AsyncClient) -> None:
    for path in ("/v1/transcripts/", "/v1/transcripts"):
        response = await client.post(path)
        assert response.status_code == 201
        body = response.json()
        assert is_transcript_id(body["id"])
        assert response.headers["location"] == f"/v1/transcripts/{body['id']}"
        assert ISO.fullmatch(body["created_at"])
        assert ISO.fullmatch(body["updated_at"])
        assert body["status"] == "initializing"
        record = {
            "name": "",
            "title": "",
            "user_id": None,
            "locked": False,
            "share_mode": "private",
            "source_kind": "live",
            "source_language": "en",
            "duration": 0.0,
            "duration_ms": 0,
            "short_summary": None,
            "long_summary": None,
            "action_items": [],
            "room_id": None,
            "room_name": None,
            "meeting_id": None,
            "audio_deleted": False,
            "deleted_at": None,
            "destroyed_at": None,
            "change_seq": body["change_seq"],
            "participants": [],
        }
        assert body["data"] == record | {
            "state": "idle",
            "language": "en",
            "segments": 0,
            "words": 0,
            "tracks": [],
            "mix": None,
            "engine": body["data"]["engine"],
            "last_seq": 0,
            "summary": None,
        }
        assert {name: body[name] for name in record} == record
        assert response.headers["etag"] == f'"{body["change_seq"]}"'
        assert (await client.get(f"{path.rstrip('/')}/{body['id']}")).json()["id"] == body["id"]


async def test_the_example_of_the_contract_works_as_written(client: httpx.AsyncClient, services: Services) -> None:
    sound = wav_of(scripted_sound(sentence("alpha bravo", 0.5)))
    response = await client.post("/v1/transcripts/", files={"file": ("meeting.wav", sound)})
    assert response.status_code == 201
    transcript_id = response.json()["id"]
    assert response.json()["name"] == "meeting.wav"
    assert (await client.get(f"/v1/transcripts/{transcript_id}")).json()["status"] in ("processing", "completed")
    await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    ended = (await client.get(f"/v1/transcripts/{transcript_id}")).json()
    assert (ended["status"], ended["data"]["words"]) == ("completed", 2)
    assert [track["state"] for track in ended["data"]["tracks"]] == ["finished"]
    segments = (await client.get(f"/v1/transcripts/{transcript_id}/segments")).json()
    assert [word["text"] for item in segments["items"] for word in item["words"]] == ["alpha", "bravo"]
    assert segments["total"] == 1


async def test_a_file_that_is_no_sound_leaves_nothing_behind(client: httpx.AsyncClient, services: Services) -> None:
    response = await client.post("/v1/transcripts/", files={"file": ("x.wav", b"this is no sound at all" * 100)})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "AUDIO_FORMAT_ERROR")
    assert (await services.store.list_transcripts())[1] == 0
    assert not list((services.settings.data_dir / "incoming").iterdir())


async def test_fields_of_the_form_and_of_json_are_taken(client: httpx.AsyncClient, services: Services) -> None:
    named = await client.post("/v1/transcripts/", json={"name": " Weekly ", "language": "de", "source_kind": "live"})
    assert (named.json()["name"], named.json()["data"]["language"]) == ("Weekly", "de")
    sound = wav_of(bytes(32000))
    with_file = await client.post("/v1/transcripts/", files={"file": ("a.wav", sound)}, data={"name": "Mine"})
    assert with_file.json()["name"] == "Mine"
    await wait_for_state(services, with_file.json()["id"], TranscriptState.ENDED)


async def test_bodies_that_are_not_as_documented(client: httpx.AsyncClient) -> None:
    for content in (
        b"{",
        b"[]",
        b'"x"',
        b'{"name": 5}',
        b'{"name": "' + b"x" * 201 + b'"}',
        b'{"language": "!"}',
        b"\xff",
    ):
        response = await client.post("/v1/transcripts/", content=content)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "VALIDATION_ERROR"), content
        error = response.json()["error"]
        assert error["details"]["problems"][0]["problem"] in error["message"]
    response = await client.post("/v1/transcripts/", content=b" " * 70_000)
    assert response.status_code == 413
    no_file = await client.post("/v1/transcripts/", files={"other": ("a.wav", b"abc")})
    assert (no_file.status_code, "'file'" in no_file.json()["error"]["message"]) == (400, True)
    empty = await client.post("/v1/transcripts/", files={"file": ("a.wav", b"")})
    assert (empty.status_code, empty.json()["error"]["message"][:18]) == (400, "this file is empty")
    two = await client.post("/v1/transcripts/", files=[("file", ("a.wav", b"abc")), ("file", ("b.wav", b"abc"))])
    assert two.status_code == 400


async def test_a_page_of_transcripts_and_a_search(client: httpx.AsyncClient) -> None:
    for name in ("one", "two", "three"):
        await client.post("/v1/transcripts/", json={"name": name})
    page = (await client.get("/v1/transcripts/", params={"page": 1, "size": 2})).json()
    assert (page["total"], page["page"], page["size"], page["pages"], len(page["items"])) == (3, 1, 2, 2, 2)
    assert "tracks" not in page["items"][0]["data"]
    found = (await client.get("/v1/transcripts/?search=TWO")).json()
    assert [item["name"] for item in found["items"]] == ["two"]
    assert (await client.get("/v1/transcripts/?page=9")).json()["items"] == []


async def test_changes_stay_and_what_is_left_out_too(client: httpx.AsyncClient) -> None:
    path = f"/v1/transcripts/{(await client.post('/v1/transcripts/')).json()['id']}"
    assert (await client.patch(path, json={"name": "New"})).json()["name"] == "New"
    summed = (await client.patch(path, json={"summary": {"summary": "Short.", "topics": ["a"]}})).json()
    assert summed["data"]["summary"] == {"summary": "Short.", "topics": ["a"], "action_items": [], "key_points": []}
    assert summed["name"] == "New"
    assert (await client.patch(path, json={"summary": "Text"})).json()["data"]["summary"]["summary"] == "Text"
    assert (await client.patch(path, json={"summary": None})).json()["data"]["summary"] is None
    assert (await client.patch(path, json={})).status_code == 422
    assert (await client.patch(path, json={"name": "a\u0000b"})).json()["name"] == "ab"


async def test_a_deleted_transcript_is_gone(client: httpx.AsyncClient) -> None:
    path = f"/v1/transcripts/{(await client.post('/v1/transcripts/')).json()['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    for inner in ("", "/segments", "/audio", "/waveform", "/export"):
        assert (await client.get(path + inner)).status_code == 404, inner


async def test_segments_come_in_pages_and_documents_in_every_format(
    client: httpx.AsyncClient, services: Services
) -> None:
    transcript = await services.store.create_transcript(name="Talk")
    for number in range(3):
        start = number * 16000
        word = Word(text=f"word{number}", start_samples=start, end_samples=start + 8000)
        segment = Segment(
            segment_id=f"seg_{number}",
            track="trk_1",
            text=word.text,
            start_samples=start,
            end_samples=start + 8000,
            is_final=True,
            words=(word,),
            speaker="Ann <b>",
        )
        await services.journal.append(transcript.id, Transcribed(segment=segment, track_started_at=1_700_000_000.0))
    path = f"/v1/transcripts/{transcript.id}"
    page = (await client.get(f"{path}/segments", params={"page": 2, "size": 2})).json()
    assert (page["total"], page["pages"], [item["text"] for item in page["items"]]) == (3, 2, ["word2"])
    assert page["items"][0]["timestamp"] == 1_700_000_002.0
    behind = (await client.get(f"{path}/segments", params={"after": "seg_0", "size": 1})).json()
    assert (behind["total"], [item["segment_id"] for item in behind["items"]]) == (3, ["seg_1"])
    for wrong, status in (("after=seg_9", 404), ("after=seg_0&page=2", 422)):
        assert (await client.get(f"{path}/segments?{wrong}")).status_code == status
    suffixes = {"text": "txt", "text-timestamped": "txt", "webvtt": "vtt", "webvtt-named": "vtt"}
    for form, kind in (
        ("txt", "text/plain"),
        ("json", "application/json"),
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt"),
        ("text", "text/plain"),
        ("text-timestamped", "text/plain"),
        ("webvtt", "text/vtt"),
        ("webvtt-named", "text/vtt"),
    ):
        response = await client.get(f"{path}/export", params={"format": form})
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        name = "Talk - timestamped" if form == "text-timestamped" else "Talk"
        assert response.headers["content-disposition"] == f'attachment; filename="{name}.{suffixes.get(form, form)}"'
        assert "word1" in response.text
    assert (await client.get(f"{path}/export?format=exe")).status_code == 422


async def test_large_pages_are_read_in_pieces_and_rendered_off_the_loop(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = await services.store.create_transcript(name="Long talk")
    await asyncio.gather(*(services.journal.append(transcript.id, _said(number)) for number in range(450)))
    asked: list[int] = []
    read = services.store.segments_of

    async def watched_read(
        transcript_id: str, *, offset: int = 0, limit: int = 1000, after: StoredSegment | str | None = None
    ) -> list[StoredSegment]:
        asked.append(limit)
        return await read(transcript_id, offset=offset, limit=limit, after=after)

    rendered_in: set[int] = set()

    def watched_view(stored: StoredSegment) -> dict[str, Any]:
        rendered_in.add(threading.get_ident())
        return segment_view(stored)

    monkeypatch.setattr(services.store, "segments_of", watched_read)
    monkeypatch.setattr(transcripts, "segment_view", watched_view)
    path = f"/v1/transcripts/{transcript.id}"
    page = (await client.get(f"{path}/segments", params={"size": 1000})).json()
    assert [item["text"] for item in page["items"]] == [f"word{number}" for number in range(450)]
    assert (page["total"], page["page"], page["size"], page["pages"]) == (450, 1, 1000, 1)
    assert len(page["items"]) == len({item["segment_id"] for item in page["items"]})
    second = (await client.get(f"{path}/segments", params={"size": 300, "page": 2})).json()
    assert [item["text"] for item in second["items"]] == [f"word{number}" for number in range(300, 450)]
    assert (await client.get(f"{path}/segments", params={"page": 9})).json()["items"] == []
    assert "word449" in (await client.get(f"{path}/export")).text
    assert max(asked) <= PIECE_SEGMENTS
    assert threading.get_ident() not in rendered_in


def _said(number: int) -> Transcribed:
    start = number * 16000
    word = Word(text=f"word{number}", start_samples=start, end_samples=start + 8000)
    segment = Segment(
        segment_id=f"seg_{number}",
        track="trk_1",
        text=word.text,
        start_samples=start,
        end_samples=start + 8000,
        is_final=True,
        words=(word,),
    )
    return Transcribed(segment=segment, track_started_at=1_700_000_000.0)


async def test_many_at_once(client: httpx.AsyncClient) -> None:
    made = await asyncio.gather(*(client.post("/v1/transcripts/", json={"name": str(n)}) for n in range(20)))
    assert len({response.json()["id"] for response in made}) == 20
