"""The speaking socket on a real server, with the scripted recogniser behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import EarshotError, SlowReader
from protocol.events import Failed
from protocol.ids import new_transcript_id
from protocol.states import TranscriptState
from protocol.wire.stream import Encoding, Start
from server.doors.access import leaving_of
from server.doors.sockets import SocketConnection
from server.doors.v1.stream import OUTGOING_MAX, Outgoing, slices_of
from server.speaking import SpeakingSession
from server.telling import CATCH_UP_DEADLINE_S
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import Message, RunningApp, Socket, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

WORDS = ["alpha", "bravo", "charlie"]


@pytest.fixture(scope="module")
def sound() -> bytes:
    return scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.0))


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(tmp_path, first_message_deadline_s=0.5, resume_grace_s=20) as running:
        yield running


def path_of(transcript_id: str) -> str:
    return f"/v1/transcripts_stream/{transcript_id}"


async def start(socket: Socket, **data: object) -> dict[str, object]:
    await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000, **data}})
    started: dict[str, object] = (await socket.until("started"))["data"]
    return started


async def say(socket: Socket, pcm: bytes) -> None:
    for at in range(0, len(pcm), 6400):
        await socket.send(pcm[at : at + 6400])


def words_of(socket: Socket) -> list[str]:
    finals = [message["data"] for message in socket.of("transcription") if message["data"]["is_final"]]
    return [word["text"] for final in finals for word in final["words"]]


async def test_a_whole_conversation(node: RunningApp, sound: bytes) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_) + "/") as socket:
        started = await start(socket)
        assert (started["position"], started["max_message_bytes"]) == (0, 256 * 1024)
        await say(socket, sound)
        await socket.send({"type": "stop"})
        stopped = await socket.until("stopped")
        assert stopped["data"] == {"duration": round(len(sound) / 32000, 3), "segments": 2, "words": 3}
        assert words_of(socket) == WORDS
        assert socket.of("ack")[-1]["data"]["position"] == len(sound) // 2
        assert (await socket.closed())[0] == 1000
    seqs = [message["seq"] for message in socket.messages if "seq" in message]
    assert seqs == list(range(1, len(seqs) + 1))
    await wait_for_state(node.services, id_, TranscriptState.ENDED)


async def test_finalized_comes_after_the_finals_it_speaks_of(node: RunningApp, sound: bytes) -> None:
    async with node.socket(path_of(await node.new_transcript())) as socket:
        await start(socket)
        await say(socket, sound)
        await socket.send({"type": "finalize"})
        assert (await socket.until("finalized"))["data"]["position"] == len(sound) // 2
        assert words_of(socket) == WORDS
        for control in ("pause", "resume", "get_status"):
            await socket.send({"type": control})
            await socket.until("status")
        await socket.send({"type": "stop"})
        await socket.until("stopped")


async def test_without_events_only_answers_come(node: RunningApp, sound: bytes) -> None:
    async with node.socket(path_of(await node.new_transcript())) as socket:
        await start(socket, events=False)
        await say(socket, sound)
        await socket.send({"type": "stop"})
        await socket.until("stopped")
        assert {message["type"] for message in socket.messages} <= {"started", "ack", "stopped", "ping"}


async def test_a_lost_connection_goes_on_where_it_was(node: RunningApp, sound: bytes) -> None:
    id_ = await node.new_transcript()
    half = len(sound) // 4 * 2
    async with node.socket(path_of(id_)) as socket:
        started = await start(socket)
        await say(socket, sound[:half])
        await socket.until(lambda message: message["type"] == "ack" and message["data"]["position"] > 0)
        socket.connection.transport.abort()
    async with node.socket(path_of(id_)) as socket:
        again = await start(socket, resume=started["resume_token"])
        position = again["position"]
        assert isinstance(position, int)
        assert 0 < position <= half // 2
        await say(socket, sound[2 * position :])
        await socket.send({"type": "stop"})
        stopped = await socket.until("stopped")
        assert stopped["data"]["words"] == 3
        assert stopped["data"]["duration"] == round(len(sound) / 32000, 3)


async def test_a_second_connection_with_the_token_replaces_the_first(node: RunningApp, sound: bytes) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as first:
        started = await start(first)
        await say(first, sound[:6400])
        async with node.socket(path_of(id_)) as second:
            await start(second, resume=started["resume_token"])
            assert (await first.closed())[0] == 4009
            assert first.of("error")[-1]["data"]["code"] == "REPLACED"
            await second.send({"type": "stop"})
            await second.until("stopped")


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        ({"type": "keepalive"}, "INVALID_MESSAGE", 4000),
        ({"type": "start", "data": {"encoding": "mp9"}}, "AUDIO_FORMAT_ERROR", 4000),
        ({"type": "start", "data": {"sample_rate": 5}}, "AUDIO_FORMAT_ERROR", 4000),
        ({"type": "start", "data": {"language": "??"}}, "INVALID_MESSAGE", 4000),
        ({"type": "start", "data": {"resume": "never-given"}}, "REPLACED", 4009),
        ({"type": "nonsense"}, "INVALID_MESSAGE", 4000),
        (b"binary", "INVALID_MESSAGE", 4000),
        (None, "INVALID_MESSAGE", 4000),
    ],
)
async def test_a_beginning_that_is_not_as_documented(
    node: RunningApp, message: dict[str, object] | bytes | None, code: str, close: int
) -> None:
    async with node.socket(path_of(await node.new_transcript())) as socket:
        if message is not None:
            await socket.send(message)
        assert (await socket.closed())[0] == close
        assert socket.messages[-1]["data"]["code"] == code


async def test_an_idle_session_goes_on_when_its_client_comes_back(tmp_path: Path, sound: bytes) -> None:
    async with running_app(tmp_path, idle_deadline_s=1) as node:
        id_ = await node.new_transcript()
        async with node.socket(path_of(id_)) as socket:
            token = (await start(socket))["resume_token"]
            await say(socket, sound)
            assert (await socket.closed())[0] == 4013
        async with node.socket(path_of(id_)) as socket:
            assert (await start(socket, resume=token))["position"] == len(sound) // 2
            await socket.send({"type": "stop"})
            assert (await socket.until("stopped"))["data"]["words"] == 3


async def test_finalized_comes_at_once_when_all_events_are_old(node: RunningApp, sound: bytes) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as socket:
        token = (await start(socket))["resume_token"]
        await say(socket, sound)
        await socket.send({"type": "finalize"})
        await socket.until("finalized")
        socket.connection.transport.abort()
    # More that is old and that the next connection is not told: as after a recording that went on for an hour.
    for _ in range(3):
        await node.services.journal.append(id_, Failed(code="X", message="old"))
    async with node.socket(path_of(id_)) as socket:
        await start(socket, resume=token)
        async with asyncio.timeout(CATCH_UP_DEADLINE_S / 2):
            await socket.send({"type": "finalize"})
            await socket.until("finalized")
        assert not socket.of("error")
        await socket.send({"type": "stop"})
        await socket.until("stopped")


async def test_speakers_take_no_places_of_readers(tmp_path: Path) -> None:
    async with running_app(tmp_path, subscribers_max=1) as node:
        id_ = await node.new_transcript()
        async with (
            node.socket(path_of(id_)) as first,
            node.socket(path_of(id_)) as second,
            node.socket(f"/v1/transcripts_websocket/{id_}") as reader,
        ):
            await start(first, track="a")
            await start(second, track="b")
            await reader.send({"action": "get_status"})
            await reader.until("status")
            assert not reader.of("error")
            for speaker in (first, second):
                await speaker.send({"type": "stop"})
                await speaker.until("stopped")


async def test_stop_said_again_is_answered_once_and_ends_well(node: RunningApp, sound: bytes) -> None:
    async with node.socket(path_of(await node.new_transcript())) as socket:
        await start(socket)
        await say(socket, sound)
        for _ in range(3):
            await socket.send({"type": "stop"})
        assert (await socket.closed())[0] == 1000
        assert len(socket.of("stopped")) == 1
        assert words_of(socket) == WORDS


async def test_stop_from_both_sides_in_one_moment_is_done_once(
    node: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = 0
    both_asked = asyncio.Event()
    stop = SpeakingSession.stop

    async def slow_stop(session: SpeakingSession) -> None:
        nonlocal stops
        stops += 1
        # A stop takes as long as the last finals; meanwhile the other side's stop arrives.
        await both_asked.wait()
        await stop(session)

    monkeypatch.setattr(SpeakingSession, "stop", slow_stop)
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as speaker, node.socket(f"/v1/transcripts_websocket/{id_}") as reader:
        await start(speaker)
        await reader.send({"action": "stop"})
        await reader.until(lambda message: message["data"].get("status") == "completed")
        await speaker.send({"type": "stop"})
        await speaker.send({"type": "get_status"})
        pong = await speaker.connection.ping()
        async with asyncio.timeout(5):
            await pong
        both_asked.set()
        assert (await speaker.closed())[0] == 1000
    assert stops == 1
    assert len(speaker.of("stopped")) == 1


def test_the_page_comes_back_after_every_error_that_passes() -> None:
    script = (Path(__file__).parents[4] / "web_client" / "js" / "socket_address.js").read_text()
    codes = dict(re.findall(r"^  ([A-Z_]+): (\d{4}),$", script, re.MULTILINE))
    final = re.search(r"FINAL_CLOSES = new Set\(\[(.*?)\]\)", script)
    assert final is not None
    closes = {int(codes[name]) for name in re.findall(r"CLOSE\.([A-Z_]+)", final[1])}
    assert closes
    assert not closes & {kind.close_code for kind in all_errors() if kind.retryable}


async def test_stop_after_a_reader_stopped_the_recording_ends_well(node: RunningApp, sound: bytes) -> None:
    id_ = await node.new_transcript()
    async with node.socket(path_of(id_)) as speaker, node.socket(f"/v1/transcripts_websocket/{id_}") as reader:
        await start(speaker)
        await say(speaker, sound)
        await speaker.until("ack")
        await asyncio.gather(reader.send({"action": "stop"}), speaker.send({"type": "stop"}))
        assert (await speaker.closed())[0] == 1000
        assert len(speaker.of("stopped")) == 1
        assert not speaker.of("error")


def documented_closes() -> dict[str, int]:
    """The table of docs/sockets.md: code of the error to close code."""
    text = (Path(__file__).parents[4] / "docs" / "sockets.md").read_text()
    table = text.partition("<!-- close codes -->")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\d{4}) \| (.+?) \|", table, re.MULTILINE)
    return {code: int(close) for close, codes in rows for code in re.findall(r"`(\w+)`", codes)}


def all_errors(kind: type[EarshotError] = EarshotError) -> list[type[EarshotError]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == EarshotError.__module__]
    return [*children, *(error for child in children for error in all_errors(child))]


async def test_every_typed_error_closes_as_documented(node: RunningApp, monkeypatch: pytest.MonkeyPatch) -> None:
    closes = documented_closes()
    id_ = await node.new_transcript()
    for kind in all_errors():

        async def refuse(*_: object, kind: type[EarshotError] = kind, **__: object) -> None:
            raise kind("as asked by the test")

        monkeypatch.setattr(node.services.hub, "attach", refuse)
        async with node.socket(path_of(id_)) as socket:
            await socket.send({"type": "start"})
            code, reason = await socket.closed()
        assert (code, reason) == (closes[kind.code], kind.code)
        error = socket.messages[-1]
        assert (error["type"], error["data"]["code"]) == ("error", kind.code)
        assert error["data"]["recoverable"] is kind.retryable


def test_long_messages_are_cut_between_samples_into_seconds_at_most() -> None:
    mulaw = Start(encoding=Encoding.MULAW, sample_rate=8000)
    message = bytes(range(256)) * 1024
    pieces = list(slices_of(message, mulaw))
    assert b"".join(pieces) == message
    assert [len(piece) for piece in pieces[:-1]] == [8000] * 32
    assert len(pieces[-1]) == len(message) - 32 * 8000
    wide = Start(encoding=Encoding.PCM_S32LE, sample_rate=11_025, channels=3)
    frame_bytes = 12
    pieces = list(slices_of(bytes(frame_bytes * 30_000), wide))
    assert all(len(piece) % frame_bytes == 0 and len(piece) <= frame_bytes * 11_025 for piece in pieces)
    for whole in (
        Start(encoding=Encoding.OPUS, sample_rate=48_000),
        Start(encoding=Encoding.CONTAINER),
        Start(encoding=Encoding.PCM_S16LE, channels=7),
    ):
        assert list(slices_of(message, whole)) == [message]
    assert list(slices_of(b"", mulaw)) == [b""]


async def test_a_long_message_is_heard_whole(node: RunningApp, sound: bytes) -> None:
    assert len(sound) <= node.settings.message_max_bytes
    async with node.socket(path_of(await node.new_transcript())) as socket:
        await start(socket)
        await socket.send(sound)
        await socket.send({"type": "stop"})
        await socket.until("stopped")
        assert words_of(socket) == WORDS
        assert socket.of("ack")[-1]["data"]["position"] == len(sound) // 2


async def test_unknown_messages_are_answered_and_silence_ends_it(tmp_path: Path) -> None:
    async with (
        running_app(tmp_path, idle_deadline_s=1) as node,
        node.socket(path_of(await node.new_transcript())) as socket,
    ):
        await start(socket)
        for wrong in ({"type": "dance"}, {"type": "start"}):
            await socket.send(wrong)
            assert (await socket.until("error"))["data"]["recoverable"] is True
        # Told as something that passes: whoever slept comes back with the token, by itself.
        assert (await socket.closed())[0] == 4013
        error = socket.messages[-1]["data"]
        assert (error["code"], error["recoverable"]) == ("IDLE", True)
        assert "keepalive" in error["message"]


async def test_unknown_transcripts_and_full_houses(tmp_path: Path) -> None:
    async with running_app(tmp_path, sessions_max=1) as node:
        async with node.socket(path_of(new_transcript_id())) as socket:
            assert (await socket.closed())[0] == 4004
        async with node.socket(path_of(await node.new_transcript())) as first:
            await start(first)
            async with node.socket(path_of(await node.new_transcript())) as second:
                await second.send({"type": "start"})
                assert (await second.closed())[0] == 4013
                assert second.messages[-1]["data"]["code"] == "OVERLOADED"
            await first.send({"type": "stop"})
            await first.until("stopped")


async def test_a_server_that_stops_gets_the_finals_out_first(
    tmp_path: Path, sound: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = SocketConnection.send

    async def send_late(connection: SocketConnection, message: Message) -> None:
        if message["type"] == "transcription" and message["data"]["is_final"]:
            await leaving_of(connection.websocket).told.wait()
            for _ in range(20):
                await asyncio.sleep(0)
        await send(connection, message)

    monkeypatch.setattr(SocketConnection, "send", send_late)
    async with running_app(tmp_path) as node:
        id_ = await node.new_transcript()
        async with node.socket(f"/v1/transcripts_websocket/{id_}") as reader, node.socket(path_of(id_)) as speaker:
            await start(speaker)
            await say(speaker, sound)
            await speaker.until("ack")
            node.serving.stop()
            assert (await speaker.closed())[0] == 4010
            assert (await reader.closed())[0] == 4010
            assert words_of(reader) == words_of(speaker) == WORDS


async def test_acks_replace_each_other_and_a_flood_ends_the_connection() -> None:
    outgoing = Outgoing()
    for position in range(10 * OUTGOING_MAX):
        outgoing.put({"type": "ack", "data": {"position": position}})
    for _ in range(OUTGOING_MAX - 1):
        outgoing.put({"type": "error", "data": {}})
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    task = asyncio.create_task(outgoing.run(send))
    await outgoing.wait_sent()
    assert [message["type"] for message in sent] == ["ack"] + ["error"] * (OUTGOING_MAX - 1)
    assert sent[0]["data"]["position"] == 10 * OUTGOING_MAX - 1
    for _ in range(OUTGOING_MAX + 1):
        outgoing.put({"type": "error", "data": {}})
    with pytest.raises(SlowReader):
        await task
