"""The socket of a participant's page, on a real server: words as they are written down, and how loud it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import InvalidMessage
from protocol.events import Interim, SpeakerTurn, Transcribed
from protocol.ids import new_transcript_id
from protocol.wire import v1
from protocol.words import Segment
from server.doors.participant.live import PAGES_MAX, parse_level
from tests.fakes.running_app import RunningApp, running_app
from tests.server.doors.participant.test_conversations import PORTAL, begin, confirm, put, sound

AT = 1_700_000_000.0


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, subscriber_queue_max=8) as running:
        yield running


def path_of(conversation_id: str, query: str = "") -> str:
    return f"{PORTAL}/conversations/{conversation_id}/events{query}"


def segment(text: str, *, is_final: bool = True) -> Segment:
    return Segment(
        segment_id="seg_1",
        track="trk_1",
        text=text,
        start_samples=0,
        end_samples=8000,
        is_final=is_final,
        speaker="A name that the host gave",
        label="Speaker 1",
    )


async def listed(node: RunningApp, conversation_id: str) -> dict[str, Any]:
    """As the host sees it."""
    project = (await node.services.store.conversations.get(conversation_id)).project_id
    page = (await node.http.get(f"/api/projects/{project}/conversations")).raise_for_status().json()
    found: dict[str, Any] = next(each for each in page["items"] if each["id"] == conversation_id)
    return found


async def test_words_come_as_they_are_written_down(node: RunningApp) -> None:
    id_ = await begin(node.http, name="Anna")
    async with node.socket(path_of(id_)) as socket:
        chunk = await put(node.http, id_, sound("alpha bravo"))
        await confirm(node.http, id_, chunk, 0)
        told = await socket.until("transcription")
        assert (told["data"]["text"], told["data"]["is_final"]) == ("alpha bravo", True)
        await node.http.delete(f"{PORTAL}/conversations/{id_}/chunks/{chunk}")
        again = await socket.until("transcription")
        assert (again["data"]["text"], again["data"]["segment_id"]) == ("", told["data"]["segment_id"])
        await node.http.post(f"{PORTAL}/conversations/{id_}/finish")
        await socket.until(lambda message: message["data"].get("status") == "completed")
    async with node.socket(path_of(id_, f"?after={told['seq']}")) as socket:
        assert (await socket.until("transcription"))["seq"] == again["seq"]


async def test_what_is_the_hosts_is_not_told(node: RunningApp) -> None:
    id_ = await begin(node.http)
    journal = node.services.journal
    turn = SpeakerTurn(
        speaker="Speaker 1", speaker_id="1", track="trk_1", start_samples=0, end_samples=8000, track_started_at=AT
    )
    await journal.append(id_, turn)
    journal.tell(Interim(transcript_id=id_, segment=segment("al", is_final=False), track_started_at=AT))
    async with node.socket(path_of(id_)) as socket:
        assert (await socket.until("transcription"))["data"]["text"] == "al"
        await journal.append(id_, Transcribed(segment=segment("alpha"), track_started_at=AT))
        assert (await socket.until("transcription"))["data"]["text"] == "alpha"
        assert "speaker" not in str(socket.messages).lower()
        assert "host gave" not in str(socket.messages)


async def test_the_host_sees_how_loud_it_is(node: RunningApp) -> None:
    id_ = await begin(node.http)
    other = await begin(node.http)
    assert (await listed(node, id_))["level_dbfs"] is None
    async with node.socket(path_of(id_)) as socket:
        await socket.send({"action": "pong"})
        await socket.send({"action": "level", "level_dbfs": -20.5})
        async with asyncio.timeout(30):
            while (level := (await listed(node, id_))["level_dbfs"]) is None:
                pass
    assert level == -20.5
    assert (await listed(node, other))["level_dbfs"] is None


async def test_what_it_does_not_take_is_told_and_costs_nothing(node: RunningApp) -> None:
    id_ = await begin(node.http)
    async with node.socket(path_of(id_)) as socket:
        for wrong in (
            {"action": "stop"},
            {"action": "pause"},
            {"action": "level"},
            {"action": "level", "level_dbfs": "x"},
        ):
            await socket.send(wrong)
            error = await socket.until("error")
            assert (error["data"]["code"], error["data"]["recoverable"]) == ("INVALID_MESSAGE", True)
        await socket.send(b"\0\1")
        assert (await socket.until("error"))["data"]["recoverable"] is True
        await node.http.post(f"{PORTAL}/conversations/{id_}/upload-text", json={"content": "still there"})
        assert (await socket.until("transcription"))["data"]["text"] == "still there"
    assert (await listed(node, id_))["is_finished"] is False


async def test_what_is_no_conversation_has_no_socket(node: RunningApp) -> None:
    binned = await begin(node.http)
    assert (await node.http.delete(f"/v1/transcripts/{binned}")).is_success
    for id_ in (await node.new_transcript(), new_transcript_id(), "x", binned):
        async with node.socket(path_of(id_)) as socket:
            assert await socket.closed() == (4004, "NOT_FOUND")
    for query in ("?after=x", "?after=-1"):
        async with node.socket(path_of(await begin(node.http), query)) as socket:
            assert (await socket.closed())[0] == 4000


@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none() | st.lists(st.integers()))
def test_a_level_is_a_number_of_what_there_is(level: object) -> None:
    try:
        found = parse_level({"action": "level", "level_dbfs": level})
    except InvalidMessage:
        assert isinstance(level, bool) or not isinstance(level, int | float) or not -1000 <= level <= 1000
    else:
        assert found == level


@pytest.mark.parametrize("text", ['{"action": "level", "level_dbfs": 1e999}', '{"action": "level", "level_dbfs": NaN}'])
def test_a_level_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_level(v1.parse_object(text))


async def test_pages_of_participants_take_no_place_of_the_hosts_readers(node: RunningApp) -> None:
    id_ = await begin(node.http, name="Anna")
    async with contextlib.AsyncExitStack() as open_:
        for _ in range(PAGES_MAX):
            socket = await open_.enter_async_context(node.socket(path_of(id_)))
            await socket.send({"action": "nothing that is known"})
            await socket.until("error")
        one_more = await open_.enter_async_context(node.socket(path_of(id_)))
        assert (await one_more.closed())[0] == 4013
        reader = await open_.enter_async_context(node.socket(f"/v1/transcripts_websocket/{id_}"))
        await reader.send({"action": "get_status"})
        await reader.until("status")
