"""``earshot load`` against real servers: what it counts is what happened, and what a server loses is found out."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typer.testing import CliRunner

from server.cli import app
from server.commands.addresses import ServerAddress
from server.commands.failure import CommandFailed
from server.load.plan import Plan
from server.load.report import as_text, document
from server.load.running import Load
from server.load.sound import load_sound
from server.load.talk import Talk
from tests.fakes.receiver import certificate
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.fakes.warm_commands import WarmCommand, WarmCommands
from tests.fakes.wav import wav_of
from tests.server.test_logs import restored_logging

__all__ = ["restored_logging"]

SAID = "alpha bravo charlie delta"
DEADLINE_S = 120.0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A round of it takes 3.6 s."""
    path = tmp_path / "said.wav"
    path.write_bytes(wav_of(scripted_sound(sentence(SAID, 0.3), length_s=2.1)))
    path.with_suffix(".txt").write_text(SAID)
    return path


async def loaded(url: str, recording: Path, **wanted: Any) -> dict[str, Any]:
    """What a load in this process found, with the recording's words known."""
    sound = load_sound(recording, recording.with_suffix(".txt"), wanted["duration_s"])
    plan = Plan([ServerAddress(url)], sound, has_words=True, **wanted)
    async with httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
        load = Load(plan, http)
        async with asyncio.timeout(DEADLINE_S):
            await load.run()
    told = document(load)
    assert as_text(told)
    return told


async def start(folder: Path, *given: str) -> asyncio.subprocess.Process | WarmCommand:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")}
    environment = {**kept, "EARSHOT_CONFIG": str(folder / "none.toml"), "EARSHOT_DATA_DIR": str(folder)}
    arguments = ["load", "--format", "json", *given]
    if WarmCommands.ready is not None:
        return await WarmCommands.ready.run(*arguments, env=environment)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )


async def ended(process: asyncio.subprocess.Process | WarmCommand) -> tuple[int | None, dict[str, Any]]:
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate(b"")
    assert out, err.decode()
    told: dict[str, Any] = json.loads(out)
    return process.returncode, told


async def transcripts(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get("/v1/transcripts/")).raise_for_status().json()["items"]
    return found


async def until_words(http: httpx.AsyncClient, count: int) -> None:
    """Until so many transcripts have words."""
    async with asyncio.timeout(DEADLINE_S):
        while sum(bool(item["data"]["words"]) for item in await transcripts(http)) < count:  # noqa: ASYNC110 - a server
            await asyncio.sleep(0.1)


@pytest.mark.process
async def test_everything_is_counted_as_it_was(tmp_path: Path, recording: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server, httpx.AsyncClient(base_url=server.url) as http:
        counts = "--sockets", "2", "--webrtc", "1", "--listeners", "4", "--uploads", "1"
        times = "--duration", "7", "--ramp", "0.5"
        code, told = await ended(
            await start(tmp_path, "--server", server.url, "--sound", str(recording), *counts, *times)
        )
        assert await transcripts(http) == []
        assert (await http.get("/v1/transcripts/?deleted=true")).json()["items"] == []
    assert (code, told["lost"], told["errors"]) == (0, [], {})
    assert told["sound"]["rounds"] == 2
    assert told["sound"]["words_of_a_round"] == {"socket": 4, "webrtc": 4, "file": 4}
    sessions = told["sessions"]
    assert (sessions["asked"], sessions["let_in"], sessions["finished"], sessions["reconnects"]) == (3, 3, 3, 0)
    assert sessions["sent_s"] == pytest.approx(3 * 7.2, abs=0.2)
    assert told["words"] == {"expected": 3 * 2 * 4, "missing": 0, "added": 0, "changed": 0}
    assert (told["uploads"]["done"], told["uploads"]["words"]["expected"]) == (1, 4)
    assert told["listeners"]["count"] == 4
    assert told["listeners"]["events"] >= 4 * 4  # two finals, and the status before and after them
    latency = told["latency_ms"]
    assert latency["begin_to_let_in"]["count"] == 3
    assert latency["speech_to_final"]["count"] == 3 * 2
    assert latency["speech_to_final_at_listeners"]["count"] == 4 * 2
    assert latency["sound_to_interim"]["count"] >= 3 * 2
    assert latency["speech_to_final"]["p50"] > 0
    assert told["lag_told_ms"]["count"] > 0
    # Frames of 100 ms over sockets, of 20 ms over WebRTC; each as late as it was, however little.
    assert told["client_ms"]["frames_late"]["count"] == 2 * 72 + 7200 // 20


@pytest.mark.process
async def test_a_server_that_is_killed_and_started_again_loses_nothing(tmp_path: Path, recording: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = "--sound", str(recording), "--words", str(recording.with_suffix(".txt")), "--server"
    counts = "--sockets", "3", "--listeners", "3", "--duration", "18", "--ramp", "0.5"
    async with (
        ServerProcess(tmp_path / "data", port=port) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        process = await start(tmp_path, *given, server.url, *counts)
        await until_words(http, 3)
        await server.kill()
        await server.start()
        code, told = await ended(process)
    assert (code, told["lost"]) == (0, [])
    words = told["words"]
    assert (words["missing"], words["added"], words["changed"]) == (0, 0, 0)
    assert words["expected"] % 4 == 0  # in whole rounds, of five those that the restart left time for
    assert words["expected"] >= 3 * 2 * 4
    assert told["sessions"]["reconnects"] >= 3
    assert told["listeners"]["reconnects"] >= 3
    assert told["sessions"]["finished"] == 3


@pytest.mark.process
async def test_ctrl_c_stops_everybody_and_leaves_nothing(tmp_path: Path, recording: Path) -> None:
    given = "--sound", str(recording), "--words", str(recording.with_suffix(".txt")), "--sockets", "2", "--webrtc", "1"
    async with ServerProcess(tmp_path / "data") as server, httpx.AsyncClient(base_url=server.url) as http:
        process = await start(tmp_path, *given, "--server", server.url, "--duration", "600", "--ramp", "0")
        await until_words(http, 3)
        process.send_signal(signal.SIGINT)
        code, told = await ended(process)
        assert await transcripts(http) == []
        assert (await http.get("/metrics")).text.count("earshot_sessions_live 0.0") == 1
    assert (code, told["interrupted"], told["lost"]) == (130, True, [])
    assert told["sessions"]["finished"] == 3
    assert 0 < told["sessions"]["sent_s"] < 300


class Losing:
    """Put before a real server: it loses, adds and changes words, events and sound on their way out, one of each."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self._read: list[str] = []  # transcripts whose words were asked for
        self._listened = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "websocket" and path.startswith("/v1/transcripts_websocket/"):
            self._listened += 1
            send = self._told(send, self._listened)
        elif scope["type"] == "http" and scope["method"] == "GET" and path.startswith("/v1/transcripts/"):
            send = self._answered(send, path)
        await self._inner(scope, receive, send)

    def _told(self, send: Send, listener: int) -> Send:
        async def told(message: Message) -> None:
            seq = json.loads(message["text"]).get("seq") if message["type"] == "websocket.send" else None
            if (listener, seq) == (1, 2):
                return
            await send(message)
            if (listener, seq) == (2, 3):
                await send(message)

        return told

    def _answered(self, send: Send, path: str) -> Send:
        begins: list[Message] = []

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                begins.append(message)
                return
            assert not message.get("more_body")
            body = json.dumps(self._wrong(path, json.loads(message["body"]))).encode()
            kept = [(name, value) for name, value in begins[0]["headers"] if name.lower() != b"content-length"]
            await send({**begins[0], "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({**message, "body": body})

        return answered

    def _wrong(self, path: str, body: dict[str, Any]) -> Mapping[str, Any]:
        if not path.endswith("/segments"):
            if self._listened:
                body["data"]["duration"] -= 1.0
            return body
        self._read.append(path)
        words: list[dict[str, Any]] = body["items"][0]["words"]
        match len(self._read):
            case 1:
                del words[1]
            case 2:
                words.append({**words[-1], "text": "echo"})
            case 3:
                words[0]["text"] = "echo"
            case _:
                del body["items"][0]
        return body


async def test_a_server_that_loses_on_purpose_is_found_out(
    tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long a busy machine lets them wait: everybody says the one round.
    monkeypatch.setattr(Talk, "latest_s", property(lambda _: time.monotonic() + DEADLINE_S))
    async with running_app(tmp_path / "data") as node:
        assert node.app.middleware_stack is not None
        node.app.middleware_stack = Losing(node.app.middleware_stack)
        url = f"http://127.0.0.1:{node.port}"
        told = await loaded(url, recording, duration_s=3.6, ramp_s=0.2, sockets=4, listeners=2)
    assert told["words"] == {"expected": 16, "missing": 1 + 4, "added": 1, "changed": 1}
    assert (told["listeners"]["missing"], told["listeners"]["doubled"]) == (1, 1)
    assert told["sound_missing_s"] == pytest.approx(4.0, abs=0.1)
    assert len(told["lost"]) == 6
    assert len(set(told["lossy_transcripts"])) == 4


@pytest.mark.parametrize("second", ["sockets", "webrtc"])
async def test_whoever_is_refused_stays_away_as_long_as_they_were_asked_to(
    tmp_path: Path, recording: Path, second: str
) -> None:
    async with running_app(tmp_path / "data", sessions_max=1) as node:
        url = f"http://127.0.0.1:{node.port}"
        counts = {"sockets": 2} if second == "sockets" else {"sockets": 1, "webrtc": 1}
        told = await loaded(url, recording, duration_s=7.2, ramp_s=1.0, **counts)
    # Once in five seconds, as 10 s were asked for: without that it would have knocked again and again.
    assert told["refused"]["by_code"] == {"OVERLOADED": 1}
    assert (told["sessions"]["let_in"], told["sessions"]["without_place"]) == (1, 1)
    assert (told["errors"], told["lost"]) == ({}, [])
    # Two rounds; or one, if it was let in so late that there was no time for another.
    assert told["words"] == {"expected": told["words"]["expected"], "missing": 0, "added": 0, "changed": 0}
    assert told["words"]["expected"] in (4, 8)


async def test_where_nothing_is_understood_no_loss_can_be_told(tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(wav_of(bytes((number * 7919 >> 3) % 256 for number in range(48_000))))
    async with running_app(tmp_path / "data") as node, httpx.AsyncClient(trust_env=False, timeout=30.0) as http:
        address = ServerAddress(f"http://127.0.0.1:{node.port}")
        sound = load_sound(noise, None, 4.0)
        with pytest.raises(CommandFailed, match="understood no word"):
            await Load(Plan([address], sound, duration_s=4.0, ramp_s=0.0, sockets=1), http).run()
        assert await transcripts(node.http) == []


@pytest.mark.usefixtures("restored_logging")  # which else goes where this command's errors went
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "--sockets, --webrtc or --uploads"),
        (["--uploads", "1", "--listeners", "1"], "there are none"),
        (["--sockets", "1", "--sound", "gone.wav"], "There is no file gone.wav"),
        (["--sockets", "1", "--words", __file__], "--words are those of a --sound"),
        (["--sockets", "1", "--sound", __file__], "test_load.py"),
        (["--sockets", "1", "--server", "http://127.0.0.1:9"], "does not take a session"),
    ],
)
def test_what_cannot_be_is_one_sentence(given: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["load", "--duration", "3", *given])
    assert isinstance(result.exception, CommandFailed)
    assert says in result.exception.message


@pytest.mark.usefixtures("restored_logging")
def test_a_certificate_of_ones_own_is_trusted_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, _ = certificate(tmp_path, "localhost")
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # it answers 501: to have reached it is enough
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "localhost.pem"))
            url = f"https://localhost:{server.server_port}"
            result = CliRunner().invoke(app, ["load", "--duration", "3", "--sockets", "1", "--server", url])
        finally:
            server.shutdown()
            thread.join()
    assert isinstance(result.exception, CommandFailed)
    assert "HTTP_501" in result.exception.message
