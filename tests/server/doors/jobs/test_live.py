"""The live socket of jobs, on a node behind a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed

from protocol.ids import new_transcript_id
from protocol.states import TranscriptState
from tests.fakes.running_app import RunningApp, Socket, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

SENTENCES = 40
WORDS = [word for at in range(0, 5 * SENTENCES, 5) for word in sentence("alpha bravo charlie", at + 0.5)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path) as running:
        yield running


async def begin(node: RunningApp) -> str:
    files = {"file": ("talk.wav", wav_of(scripted_sound(WORDS)), "audio/wav")}
    return str((await node.http.post("/api/transcribe/", files=files)).json()["job_id"])


async def heard(socket: Socket) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Segments, statuses, and the code that the socket closes with."""
    try:
        while True:
            await socket.receive()
    except ConnectionClosed as error:
        code = error.rcvd.code if error.rcvd else 1006
    segments = [message for message in socket.messages if "type" not in message]
    return segments, [message for message in socket.messages if message.get("type") == "status"], code


async def test_a_reader_gets_segments_as_they_come_and_how_far_it_is(node: RunningApp) -> None:
    job_id = await begin(node)
    async with node.socket(f"/api/transcribe/live/{job_id}") as socket:
        segments, statuses, code = await heard(socket)
    assert code == 1000
    assert len({segment["segment_id"] for segment in segments}) == SENTENCES == len(segments)
    assert all(segment["text"] == "alpha bravo charlie" for segment in segments)
    starts = [segment["start"] for segment in segments]
    assert starts == sorted(starts)
    assert all(0 <= status["progress"] <= 100 for status in statuses)
    told = [status["progress"] for status in statuses]
    assert told == sorted(told)
    assert statuses[-1]["status"] == "completed"
    assert statuses[-1]["chunk_info"] == {"current_chunk": 4, "total_chunks": 4, "chunk_progress": 100}
    assert {status["status"] for status in statuses[:-1]} == {"processing"}


async def test_who_comes_late_gets_all_there_is_first(node: RunningApp) -> None:
    job_id = await begin(node)
    async with node.services.journal.subscribe(job_id, after=0, types=frozenset({"summary"})) as summaries:
        async for _ in summaries:  # the last that is told of a recording; those before its end are of what grows
            if (await node.services.store.get_transcript(job_id)).state is TranscriptState.ENDED:
                break
    async with node.socket(f"/api/transcribe/live/{job_id}") as socket:
        segments, statuses, code = await heard(socket)
    assert code == 1000
    assert len(segments) == SENTENCES
    types = [message.get("type") for message in socket.messages]
    assert types == [None] * SENTENCES + ["status", "summary"]
    assert statuses[0]["status"] == "completed"


async def test_who_comes_in_the_middle_gets_each_once(node: RunningApp) -> None:
    job_id = await begin(node)
    async with node.socket(f"/api/transcribe/live/{job_id}") as first:
        while sum("type" not in message for message in first.messages) < 3:
            await first.receive()
    async with node.socket(f"/api/transcribe/live/{job_id}") as socket:
        segments, _, _ = await heard(socket)
    assert len({segment["segment_id"] for segment in segments}) == SENTENCES == len(segments)


async def test_a_reader_may_ask_how_far_it_is_and_for_nothing_else(node: RunningApp) -> None:
    job_id = await begin(node)
    async with node.socket(f"/api/transcribe/live/{job_id}") as socket:
        await socket.send({"action": "pause"})
        await socket.send({"action": "pong"})
        _, statuses, code = await heard(socket)
    assert code == 1000
    errors = [message["data"]["code"] for message in socket.messages if message.get("type") == "error"]
    assert errors == ["INVALID_MESSAGE"]
    assert statuses[-1]["status"] == "completed"


async def test_a_ticket_of_the_transcript_opens_the_socket_of_the_job(tmp_path: Path) -> None:
    async with running_app(tmp_path, access_token=SecretStr("a-token-of-sixteen")) as node:
        headers = {"Authorization": "Bearer a-token-of-sixteen"}
        files = {"file": ("talk.wav", wav_of(scripted_sound(WORDS)), "audio/wav")}
        job_id = (await node.http.post("/api/transcribe", files=files, headers=headers)).json()["job_id"]
        asked = await node.http.post("/v1/tickets", json={"transcript_id": job_id}, headers=headers)
        async with node.socket(f"/api/transcribe/live/{job_id}?ticket={asked.json()['ticket']}") as socket:
            _, statuses, code = await heard(socket)
    assert (code, statuses[-1]["status"]) == (1000, "completed")


async def test_a_job_that_there_is_not_is_told_and_closed(node: RunningApp) -> None:
    async with node.socket(f"/api/transcribe/live/{new_transcript_id()}") as socket:
        assert (await socket.until("error"))["data"]["code"] == "NOT_FOUND"
        assert (await socket.closed())[0] == 4004
