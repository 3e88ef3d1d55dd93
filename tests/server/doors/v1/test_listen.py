"""The listening socket on a real server and a real port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import InvalidMessage
from protocol.events import Failed, Interim, Transcribed
from protocol.words import Segment
from server.doors.v1.listen import parse_after, parse_types
from tests.fakes.running_app import RunningApp, running_app


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, subscriber_queue_max=8, subscribers_max=2) as running:
        yield running


def segment(number: int, *, is_final: bool = True, text: str = "") -> Segment:
    return Segment(
        segment_id=f"seg_{number}",
        track="trk_1",
        text=text or f"text {number}",
        start_samples=number * 16000,
        end_samples=number * 16000 + 8000,
        is_final=is_final,
    )


def said(number: int, text: str = "") -> Transcribed:
    return Transcribed(segment=segment(number, text=text), track_started_at=1_700_000_000.0)


def path_of(transcript_id: str, query: str = "") -> str:
    return f"/v1/transcripts_websocket/{transcript_id}{query}"


async def test_every_event_comes_once_and_in_order_from_the_seq_on(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    for number in range(1, 6):
        await node.services.journal.append(id_, said(number))
    for query, first in (("", 1), ("?after=0", 1), ("?after=3", 4)):
        async with node.socket(path_of(id_, query)) as socket:
            heard = [await socket.receive() for _ in range(6 - first)]
            assert [message["seq"] for message in heard] == list(range(first, 6))
            await node.services.journal.append(id_, Failed(code="X", message="y"))
            assert (await socket.receive())["type"] == "error"
        async with node.socket(path_of(id_, "/?after=now")) as socket:
            await socket.send({"action": "get_status"})
            assert (await socket.receive())["type"] == "status"
        break


async def test_the_other_address_is_the_same_socket_and_tells_what_is_stored_without_one(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    for number in range(1, 6):
        await node.services.journal.append(id_, said(number))
    path = f"/v1/transcripts/{id_}/events"
    async with node.socket(path + "?after=1") as socket:
        heard = [await socket.receive() for _ in range(4)]
    asked = (await node.http.get(path + "/?after=1&limit=3")).json()
    assert asked["items"] == heard[:3]
    assert (asked["next_after"], asked["last_seq"]) == (4, 5)
    rest = (await node.http.get(path, params={"after": asked["next_after"]})).json()
    assert rest["items"] == heard[3:]
    assert (await node.http.get(path + "?after=5")).json() == {"items": [], "next_after": 5, "last_seq": 5}
    assert (await node.http.get(path + "?limit=501")).status_code == 422
    assert (await node.http.get(f"/v1/transcripts/{UNKNOWN}/events")).status_code == 404


async def test_from_now_on_come_open_interims_and_what_is_new(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    await node.services.journal.append(id_, said(1))
    node.services.journal.tell(Interim(transcript_id=id_, segment=segment(2, is_final=False), track_started_at=1.0))
    async with node.socket(path_of(id_, "?after=now")) as socket:
        interim = await socket.receive()
        assert ("seq" not in interim, interim["data"]["is_final"], interim["data"]["segment_id"]) == (
            True,
            False,
            "seg_2",
        )
        await node.services.journal.append(id_, said(2))
        final = await socket.receive()
        assert (final["seq"], final["data"]["is_final"], final["data"]["segment_id"]) == (2, True, "seg_2")


async def test_only_wanted_types_come(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    await node.services.journal.append(id_, said(1))
    await node.services.journal.append(id_, Failed(code="X", message="y"))
    async with node.socket(path_of(id_, "?types=error,status")) as socket:
        assert (await socket.receive())["seq"] == 2


async def test_actions_are_answered_and_errors_keep_the_socket_open(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as socket:
        for action in ({"action": "get_status", "params": {}}, {"action": "start"}, {"type": "resume"}):
            await socket.send(action)
            assert (await socket.until("status"))["data"]["status"] == "initializing"
        for action in ({"action": "pause"}, {"cmd": "STOP"}):
            await socket.send(action)
            assert (await socket.until("error"))["data"]["code"] == "ILLEGAL_STATE"
        for wrong in ("nonsense", "[]", '{"action": "explode"}', "{" * 3000, '{"action": "' + "x" * 5000 + '"}'):
            await socket.connection.send(wrong)
            error = await socket.until("error")
            assert (error["data"]["code"], error["data"]["recoverable"]) == ("INVALID_MESSAGE", True)
        await socket.send(b"binary")
        assert (await socket.until("error"))["data"]["code"] == "INVALID_MESSAGE"
        await socket.send({"type": "pong"})
        await socket.send({"action": "get_status"})
        await socket.until("status")


UNKNOWN = "05aaa04e-dc59-4e2f-af18-9fce6bf66068"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (path_of("not-an-id"), 4004),
        (path_of(UNKNOWN), 4004),
        (path_of(UNKNOWN, "?after=-1"), 4004),  # whatever is asked of it
        (path_of("{known}", "?after=-1"), 4000),
        (path_of("{known}", "?types=nonsense"), 4000),
    ],
)
async def test_an_error_comes_before_the_close(node: RunningApp, path: str, code: int) -> None:
    async with node.socket(path.replace("{known}", await node.new_transcript())) as socket:
        assert (await socket.closed())[0] == code
        (error,) = socket.messages
        assert (error["type"], error["data"]["recoverable"]) == ("error", False)


async def test_a_deleted_transcript_sends_its_readers_away(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as socket:
        await socket.send({"action": "get_status"})
        await socket.until("status")
        await node.http.delete(f"/v1/transcripts/{id_}")
        assert (await socket.closed())[0] == 4004


async def test_one_reader_too_many_is_told_to_try_later(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as first, node.socket(path_of(id_)) as second:
        for socket in (first, second):
            await socket.send({"action": "get_status"})
            await socket.until("status")
        async with node.socket(path_of(id_)) as third:
            assert (await third.closed())[0] == 4013
    # Places are given back.
    async with asyncio.timeout(5):
        while await _readers(node):
            pass
    async with node.socket(path_of(id_)) as again:
        await again.send({"action": "get_status"})
        await again.until("status")


async def test_too_long_a_message_is_refused_by_its_length(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as socket:
        await socket.connection.send("x" * 300_000)
        assert (await socket.closed())[0] == 1009


async def test_pings_come_as_messages(tmp_path: Path) -> None:
    async with (
        running_app(tmp_path, ping_interval_s=1) as node,
        node.socket(path_of(await node.new_transcript())) as socket,
    ):
        assert (await socket.until("ping"))["data"]["timestamp"] > 1_700_000_000


async def test_a_reader_that_takes_nothing_is_cut_and_hurts_nobody(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(running_app(tmp_path, subscriber_queue_max=8, write_deadline_s=0.5))
        id_ = await node.new_transcript()
        raw = stack.enter_context(sockets.socket())
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", node.port))
        request = (
            f"GET {path_of(id_)} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await loop.sock_sendall(raw, request.encode())
        assert (await loop.sock_recv(raw, 12)) == b"HTTP/1.1 101"
        async with node.socket(path_of(id_)) as healthy:
            for number in range(1, 600):
                await node.services.journal.append(id_, said(number, "word " * 20_000))
                assert (await healthy.until("transcription"))["seq"] == number
                if number > 5 and not await _is_connected(node, count=2):
                    break
            async with asyncio.timeout(10):
                while await _is_connected(node, count=2):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert await _readers(node) == 1


async def _readers(node: RunningApp) -> int:
    """How many listen now, by the figures that the server shows."""
    figures = (await node.http.get("/metrics")).text
    found = re.search(r'^earshot_subscribers\{door="listen"\} ([0-9.]+)$', figures, re.MULTILINE)
    return int(float(found[1])) if found else 0


async def _is_connected(node: RunningApp, *, count: int) -> bool:
    """Whether the server still holds so many TCP connections of sockets: not only its task is gone."""
    server = node.serving._server
    assert server is not None
    return len([each for each in server.server_state.connections if hasattr(each, "handshake_initiated")]) >= count


async def test_a_reader_that_falls_behind_is_told_the_last_seq_it_was_sent(node: RunningApp) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as socket:
        await socket.send({"action": "get_status"})
        await socket.until("status")
        # Many at once, within one commit: the queue of 8 is over full before the reader is awake.
        await asyncio.gather(*(node.services.journal.append(id_, said(number)) for number in range(1, 40)))
        code, reason = await socket.closed()
        assert code == 4008
        error = socket.of("error")[-1]["data"]
        assert (error["code"], error["recoverable"], str(error["details"]["last_seq"])) == ("SLOW_READER", True, reason)
        seqs = [message["seq"] for message in socket.of("transcription")]
        assert seqs == list(range(1, int(reason) + 1))
    async with node.socket(path_of(id_, f"?after={reason}")) as socket:
        assert [(await socket.receive())["seq"] for _ in range(int(reason) + 1, 40)] == list(range(int(reason) + 1, 40))


async def test_a_server_that_stops_sends_its_readers_away_after_the_drain(tmp_path: Path) -> None:
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        async with node.socket(path_of(id_)) as socket:
            await socket.send({"action": "get_status"})
            await socket.until("status")
            node.serving.stop()
            code, _ = await socket.closed()
            assert code == 4010
            assert json.dumps(socket.messages[-1]).count("DRAINING") == 1


@given(st.text(max_size=20))
def test_any_after_and_types_are_taken_or_refused(text: str) -> None:
    for parse in (parse_after, parse_types):
        with contextlib.suppress(InvalidMessage):
            parse(text)
