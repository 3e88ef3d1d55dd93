"""Bots of every dialect at the door: registered, heard, and their documents read."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import SecretStr

from protocol.events import Event
from protocol.participants import MeetingParticipant
from protocol.states import TranscriptState
from server.bots.told_participants import ToldParticipants
from server.doors.bots import stream
from server.store.meeting_part_store import MeetingPart
from tests.fakes.issuer import SECRET, bearer, token
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.server.bots import contract

BEGAN_AT_MS = 1_767_225_600_000
PIECE_S = 0.1
RATE_HZ = 16_000
Message = dict[str, Any] | bytes
Piece = Callable[[int, float, bytes], Message]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path) as running:
        yield running


async def register(node: RunningApp, **fields: Any) -> dict[str, Any]:
    answer = await node.http.post("/api/v1/bot/", json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def path_of(bot: dict[str, Any]) -> str:
    url: str = bot["websocket_url"]
    return "/" + url.split("/", 3)[3]


def recall(who: int, at_s: float, pcm: bytes) -> Message:
    participant = {"id": who, "name": f"Person {who}", "is_host": who == 1, "platform": "zoom", "extra_data": {}}
    inside = {"buffer": base64.b64encode(pcm).decode(), "timestamp": when(at_s), "participant": participant}
    return {"event": "audio_separate_raw.data", "data": {"data": inside, "recording": {"id": "r", "metadata": {}}}}


def when(at_s: float) -> dict[str, Any]:
    return {"relative": at_s, "absolute": f"2026-01-01T00:00:{at_s:06.3f}Z"}


def did(action: str, who: int, at_s: float, data: dict[str, Any] | None = None) -> Message:
    inside = {"participant": {"id": who, "name": f"Person {who}"}, "timestamp": when(at_s), "data": data}
    return {"event": f"participant_events.{action}", "data": {"data": inside}}


def told(who: int | None, at_s: float, *texts: str, event: str = "transcript.data") -> Message:
    """Words of another recogniser; the last one has no end."""
    words = [
        {
            "text": text,
            "start_timestamp": {"relative": at_s + number},
            "end_timestamp": {"relative": at_s + number + 0.5} if number + 1 < len(texts) else None,
        }
        for number, text in enumerate(texts)
    ]
    participant = {"id": who, "name": None if who is None else f"Person {who}"}
    return {"event": event, "data": {"data": {"words": words, "language_code": "en", "participant": participant}}}


def attendee(who: int, at_s: float, pcm: bytes) -> Message:
    chunk = base64.b64encode(pcm).decode()
    data = {"chunk": chunk, "sample_rate": RATE_HZ, "timestamp_ms": BEGAN_AT_MS + round(at_s * 1000)}
    return {"trigger": "realtime_audio.per_participant", "data": data | {"participant_uuid": f"p{who}"}}


def legacy(who: int, at_s: float, pcm: bytes) -> Message:
    return struct.pack("<I", who) + pcm


def pieces(piece: Piece, who: int, text: str, at_s: float) -> list[Message]:
    pcm = scripted_sound(sentence(text, 0.5))
    step = round(PIECE_S * RATE_HZ) * 2
    return [piece(who, at_s - 0.5 + at / step * PIECE_S, pcm[at : at + step]) for at in range(0, len(pcm), step)]


async def ended(node: RunningApp, bot: dict[str, Any]) -> dict[str, Any]:
    """Its recording, once it is done."""
    assert (await node.http.post(f"/api/v1/bot/{bot['id']}/leave_call/")).status_code == 200
    recording_id = bot["recordings"][0]["id"]
    await wait_for_state(node.services, recording_id, TranscriptState.ENDED)
    recording: dict[str, Any] = (await node.http.get(f"/api/v1/recording/{recording_id}/")).json()
    return recording


async def wait_for_words(node: RunningApp, bot: dict[str, Any], *texts: str) -> None:
    """Until each stands in an event."""
    missing, recording_id = {f'"{text}"' for text in texts}, bot["recordings"][0]["id"]
    async with asyncio.timeout(60), node.services.journal.subscribe(recording_id, after=0, types=None) as events:
        async for event in events:
            if isinstance(event, Event):
                missing = {text for text in missing if text not in event.model_dump_json()}
            if not missing:
                return


async def document(node: RunningApp, recording: dict[str, Any], kind: str, name: str) -> Any:
    url = recording["media_shortcuts"][kind]["data"][name]
    answer = await node.http.get(url)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def words(node: RunningApp, recording: dict[str, Any]) -> list[tuple[str | None, str]]:
    found = await document(node, recording, "transcript", "download_url")
    jsonschema_rs.validate(contract.TRANSCRIPT, found)
    return [(each["participant"]["name"], word["text"]) for each in found for word in each["words"]]


async def test_a_meeting_from_the_registration_to_its_documents(node: RunningApp) -> None:
    bot = await register(node, bot_name="Notes", meeting_url="https://zoom.example/j/1", metadata={"case": "7"})
    [begun] = bot["recordings"]
    assert begun["status"]["code"] == "processing"
    assert set(begun["media_shortcuts"]["transcript"]["data"].values()) == {None}
    async with node.socket(path_of(bot)) as socket:
        for message in (
            did("join", 1, 0.0),
            *pieces(recall, 1, "alpha bravo", 1.0),
            did("chat_message", 2, 2.0, {"text": "hello", "to": "everyone"}),
            *pieces(recall, 2, "charlie", 3.0),
            did("speech_off", 2, 4.5),
        ):
            await socket.send(message)
        await wait_for_words(node, bot, "bravo", "charlie", "speech_off")
        recording = await ended(node, bot)
        assert await socket.closed() == (1000, "")
    assert (recording["status"]["code"], recording["started_at"]) == ("done", "2026-01-01T00:00:00.000Z")
    assert recording["bot"] == {"id": bot["id"], "metadata": {"case": "7"}}
    assert await words(node, recording) == [("Person 1", "alpha"), ("Person 1", "bravo"), ("Person 2", "charlie")]
    events = {
        name: await document(node, recording, "participant_events", f"{name}_download_url")
        for name in ("participants", "participant_events", "speaker_timeline")
    }
    jsonschema_rs.validate(contract.PARTICIPANTS, events["participants"])
    jsonschema_rs.validate(contract.PARTICIPANT_EVENTS, events["participant_events"])
    jsonschema_rs.validate(contract.SPEAKER_TIMELINE, events["speaker_timeline"])
    assert [each["name"] for each in events["participants"]] == ["Person 1", "Person 2"]
    assert [each["action"] for each in events["participant_events"]] == ["join", "chat_message", "speech_off"]
    shown = (await node.http.get(f"/api/v1/bot/{bot['id']}/")).json()
    assert "websocket_url" not in shown
    assert shown["recordings"][0]["id"] == recording["id"]


async def test_words_and_data_of_other_recognisers(node: RunningApp) -> None:
    bot = await register(node)
    raw = {"type": "Results", "channel": {"alternatives": [{"transcript": "delta echo"}]}}
    final = told(2, 3.0, "delta", "echo")
    async with node.socket(path_of(bot)) as socket:
        for message in (
            did("join", 1, 0.0),
            *pieces(recall, 1, "alpha", 1.0),
            told(1, 1.0, "alfa"),  # who is heard
            told(2, 3.0, "delt", event="transcript.partial_data"),
            final,
            final,
            {"event": "transcript.provider_data", "data": {"data": raw}},
        ):
            await socket.send(message)
        await wait_for_words(node, bot, "alpha", "echo")
        recording = await ended(node, bot)
        await socket.closed()
    assert await words(node, recording) == [("Person 1", "alpha"), ("Person 2", "delta"), ("Person 2", "echo")]
    provided = await document(node, recording, "transcript", "provider_data_download_url")
    jsonschema_rs.validate(contract.PROVIDER_DATA, provided)
    found = [(part["data"]["event"], part["source_audio"]["type"]) for part in provided["parts"]]
    assert sorted(found) == [
        *[("transcript.data", "separate")] * 3,
        ("transcript.provider_data", "mixed"),
        ("transcription", "separate"),
    ]
    [kept] = [part["data"] for part in provided["parts"] if part["data"]["event"] == "transcript.provider_data"]
    assert kept["payload"] == raw
    assert bot["websocket_url"] not in json.dumps(provided)


async def test_a_bot_that_tells_words_alone(node: RunningApp) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        await socket.send(told(2, 3.0, "delta"))
        await wait_for_words(node, bot, "delta")
        recording = await ended(node, bot)
        assert await socket.closed() == (1000, "")
    assert recording["status"]["code"] == "done"
    assert await words(node, recording) == [("Person 2", "delta")]


@pytest.mark.parametrize("dialect", [attendee, legacy])
async def test_bots_of_other_makers(node: RunningApp, dialect: Piece) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        if dialect is legacy:
            await socket.send({"protocol_version": 1, "bot_id": "b", "separate_streams": True, "offset": 0.0})
        for message in pieces(dialect, 7, "alpha bravo", 1.0):
            await socket.send(message)
        await wait_for_words(node, bot, "bravo")
        recording = await ended(node, bot)
        await socket.closed()
    assert [word for _, word in await words(node, recording)] == ["alpha", "bravo"]


async def test_what_is_wrong_is_told_and_costs_nothing_else(node: RunningApp) -> None:
    bot = await register(node)
    [first, *rest] = pieces(recall, 1, "alpha", 1.0)
    async with node.socket(path_of(bot)) as socket:
        await socket.send(first)
        wrong = json.dumps(first).replace('"buffer": "', '"buffer": "*')
        for text in ("rubbish", "[]", wrong, '{"trigger": "realtime_audio.mixed", "data": {}}'):
            await socket.connection.send(text)
            error = await socket.until("error")
            assert (error["data"]["code"], error["data"]["recoverable"]) == ("INVALID_MESSAGE", True)
            assert "AAAA" not in json.dumps(error)
        for message in rest:
            await socket.send(message)
        await wait_for_words(node, bot, "alpha")
        recording = await ended(node, bot)
        await socket.closed()
    assert [word for _, word in await words(node, recording)] == ["alpha"]


async def test_a_bot_that_loses_its_connection_goes_on(node: RunningApp) -> None:
    bot = await register(node)
    for text, at_s in (("alpha", 1.0), ("bravo", 6.0)):
        async with node.socket(path_of(bot)) as socket:
            for message in pieces(recall, 1, text, at_s):
                await socket.send(message)
            await wait_for_words(node, bot, text)
            socket.connection.transport.abort()
    recording = await ended(node, bot)
    found = await document(node, recording, "transcript", "download_url")
    told = [(word["text"], word["start_timestamp"]["relative"]) for each in found for word in each["words"]]
    assert [text for text, _ in told] == ["alpha", "bravo"]
    assert [at_s for _, at_s in told] == pytest.approx([1.0, 6.0], abs=0.05)
    assert len(await node.services.store.tracks_of(recording["id"])) == 1


async def test_after_it_left_nothing_more_is_taken(node: RunningApp) -> None:
    bot = await register(node)
    assert (await node.http.post(f"/api/v1/bot/{bot['id']}/leave_call/")).json()["left_at"]
    async with node.socket(path_of(bot)) as socket:
        assert (await socket.until("error"))["data"]["code"] == "CONFLICT"
        assert (await socket.closed())[0] == 4009


async def test_its_token_opens_its_socket_and_nothing_else(tmp_path: Path) -> None:
    options = {"auth_mode": "jwt", "jwt_secret": SecretStr(SECRET)}
    async with running_app(tmp_path, **options) as node:
        anna, bert = bearer(token("anna")), bearer(token("bert"))
        assert (await node.http.post("/api/v1/bot/", json={})).status_code == 401
        bot, other = [(await node.http.post("/api/v1/bot/", json={}, headers=anna)).json() for _ in range(2)]
        path, secret = path_of(bot), path_of(bot).partition("token=")[2]
        for wrong in (path.replace(bot["id"], other["id"]), path[:-1], path.partition("?")[0]):
            async with node.socket(wrong) as socket:
                assert (await socket.closed())[0] in (4001, 4004), wrong
        for query in (f"/api/v1/bot/{bot['id']}/?token={secret}", f"/api/v1/recording/?token={secret}"):
            assert (await node.http.get(query)).status_code == 401
            assert (await node.http.get(query, headers=bearer(secret))).status_code == 401
        assert (await node.http.get(f"/api/v1/bot/{bot['id']}/", headers=bert)).status_code == 404
        async with node.socket(path) as socket:
            for message in pieces(recall, 1, "alpha", 1.0):
                await socket.send(message)
            await wait_for_words(node, bot, "alpha")
            left = await node.http.post(f"/api/v1/bot/{bot['id']}/leave_call/", headers=anna)
            assert left.status_code == 200
            assert (await socket.closed())[0] == 1000
        recording_id = bot["recordings"][0]["id"]
        await wait_for_state(node.services, recording_id, TranscriptState.ENDED)
        recording = (await node.http.get(f"/api/v1/recording/{recording_id}/", headers=anna)).json()
        assert await words(node, recording) == [("Person 1", "alpha")]  # the address is enough
        url = recording["media_shortcuts"]["transcript"]["data"]["download_url"]
        for altered in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("/transcript?", "/participants?")):
            refused = await node.http.get(altered)
            assert (refused.status_code, refused.json()["error"]["details"]["reason"]) == (403, "altered")


async def test_one_that_is_told_to_leave_while_its_connection_ends_is_not_waited_for(
    node: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = await register(node)
    parts = node.services.store.meeting_parts
    put, is_closing, has_left = parts.put, asyncio.Event(), asyncio.Event()

    async def held(news: Sequence[MeetingPart]) -> None:
        if all(each.end_s is not None for each in news):
            is_closing.set()
            await has_left.wait()
        await put(news)

    monkeypatch.setattr(parts, "put", held)
    async with node.socket(path_of(bot)) as socket:
        for message in pieces(recall, 1, "alpha", 1.0):
            await socket.send(message)
        await wait_for_words(node, bot, "alpha")
    async with asyncio.timeout(20):  # less than its coming back is waited for
        await is_closing.wait()
        assert (await node.http.post(f"/api/v1/bot/{bot['id']}/leave_call/")).status_code == 200
        has_left.set()
        await wait_for_state(node.services, bot["recordings"][0]["id"], TranscriptState.ENDED)


async def test_what_a_busy_server_has_not_read_when_a_bot_leaves_is_heard(
    node: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "GOES_ON_MAX_S", 0.0)
    bot = await register(node)
    [first, *rest] = pieces(recall, 1, "alpha bravo charlie", 1.0)
    goes_on = asyncio.Event()
    told = ToldParticipants.told

    async def slow(people: ToldParticipants, participant: MeetingParticipant) -> None:
        await goes_on.wait()
        await told(people, participant)

    async with node.socket(path_of(bot)) as socket:
        await socket.send(first)
        await wait_for_words(node, bot, "recording")  # it is taken
        monkeypatch.setattr(ToldParticipants, "told", slow)
        for message in rest:
            await socket.send(message)
        assert (await node.http.post(f"/api/v1/bot/{bot['id']}/leave_call/")).status_code == 200
        goes_on.set()
        recording = await ended(node, bot)
        assert await socket.closed() == (1000, "")
    assert [word for _, word in await words(node, recording)] == ["alpha", "bravo", "charlie"]


async def test_one_that_never_said_anything_is_sent_away_too(node: RunningApp) -> None:
    bot = await register(node)
    async with node.socket(path_of(bot)) as socket:
        await socket.connection.send("rubbish")
        await socket.until("error")
        assert (await node.http.post(f"/api/v1/bot/{bot['id']}/leave_call/")).status_code == 200
        assert await socket.closed() == (1000, "")


async def test_a_recording_goes_on_while_its_bot_is_there(tmp_path: Path) -> None:
    async with running_app(tmp_path, resume_grace_s=0) as node:
        bot = await register(node)
        recording_id = bot["recordings"][0]["id"]
        async with node.socket(path_of(bot)) as socket:
            for message in pieces(recall, 1, "alpha", 1.0):
                await socket.send(message)
            await wait_for_words(node, bot, "alpha")
            async with node.socket(path_of(bot)) as again:  # the first connection may live on for a while
                await again.send(did("join", 1, 4.0))
                await wait_for_words(node, bot, "join")
                socket.connection.transport.abort()
                for session in node.services.hub.sessions_of(recording_id):
                    await session.stop()
                await again.send(did("webcam_on", 1, 5.0))
                await wait_for_words(node, bot, "webcam_on")
                shown = (await node.http.get(f"/api/v1/recording/{recording_id}/")).json()
                assert shown["status"]["code"] == "processing"
        await wait_for_state(node.services, recording_id, TranscriptState.ENDED)
