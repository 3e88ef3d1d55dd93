"""The commands as users run them, against a whole server, and without one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.server_process import ServerProcess
from tests.fakes.warm_commands import WarmCommand, WarmCommands

pytestmark = pytest.mark.process

SAID = "good morning river stone"
THEN = "yellow silver ocean"


@pytest.fixture
def sound() -> bytes:
    return scripted_sound([*sentence(SAID), *sentence(THEN, 4.0)], length_s=7.0)


@pytest.fixture
def recording(tmp_path: Path, sound: bytes) -> Path:
    return written(tmp_path / "talk.wav", sound)


def written(path: Path, sound: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(sound)
    return path


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path / "data") as running:
        yield running


class Run:
    """A command in a process of its own."""

    def __init__(self, tmp_path: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EARSHOT_")}
        self.environment = {**kept, "EARSHOT_CONFIG": str(tmp_path / "none.toml"), "EARSHOT_DATA_DIR": str(tmp_path)}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process | WarmCommand:
        if WarmCommands.ready is not None:
            return await WarmCommands.ready.run(*arguments, env=self.environment)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server.cli", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )

    async def __call__(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        process = await self.start(*arguments)
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin)
        return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
def earshot(tmp_path: Path) -> Run:
    return Run(tmp_path)


def told(text: str) -> list[str]:
    """Lines without who said them."""
    return [re.sub(r"^.*?: ", "", line) for line in text.splitlines()]


async def test_transcribe_by_a_server_in_every_way_of_giving_sound(
    server: ServerProcess, earshot: Run, recording: Path, sound: bytes
) -> None:
    ways = await asyncio.gather(
        earshot("transcribe", str(recording), "--server", server.url),
        earshot("transcribe", "-", "--server", server.url, stdin=recording.read_bytes()),
        earshot("transcribe", "-", "--raw", "16000", "--server", server.url, stdin=sound),
    )
    for code, out, err in ways:
        assert (code, told(out)) == (0, [SAID, THEN]), err


async def test_documents_and_what_the_server_keeps(server: ServerProcess, earshot: Run, recording: Path) -> None:
    code, out, err = await earshot("transcribe", str(recording), "-f", "json", "--server", server.url, "--name", "Talk")
    assert code == 0, err
    document = json.loads(out)
    assert document["name"] == "Talk"
    assert [part["text"] for part in document["segments"]] == [SAID, THEN]
    assert document["segments"][1]["words"][0]["start"] == pytest.approx(4.0, abs=0.05)
    async with httpx.AsyncClient(base_url=server.url) as http:
        transcript = (await http.get("/v1/transcripts")).json()["items"][0]
        assert transcript["name"] == "Talk"
        vtt = (await http.get(f"/v1/transcripts/{transcript['id']}/export?format=vtt")).text
        kept = (await http.get(f"/v1/transcripts/{transcript['id']}/export?format=json")).json()
    assert document["duration"] == kept["duration"] == transcript["data"]["duration"] == 7.0
    assert [document[part] for part in ("segments", "speakers")] == [kept[part] for part in ("segments", "speakers")]
    assert all(part["speaker_confidence"] for part in document["segments"]), "voices were told apart"
    assert vtt.startswith("WEBVTT\n")

    code, out, err = await earshot("listen", transcript["id"], "--server", server.url)
    assert (code, told(out)) == (0, [SAID, THEN]), err
    code, out, err = await earshot("listen", transcript["id"], "--server", server.url, "--json", "--after", "2")
    messages = [json.loads(line) for line in out.splitlines()]
    numbers = [message["seq"] for message in messages if "seq" in message]
    assert numbers == list(range(3, 3 + len(numbers)))
    assert messages[-1]["data"]["status"] == "completed"


async def test_ctrl_c_prints_what_there_is(server: ServerProcess, earshot: Run, sound: bytes) -> None:
    process = await earshot.start("transcribe", "-", "--raw", "16000", "-f", "txt", "--server", server.url)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(sound[: 3 * 32_000])  # and then nothing, but no end either
    await process.stdin.drain()
    async with asyncio.timeout(30):
        first = await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, err = await process.communicate()
    assert told((first + rest).decode()) == [SAID], err
    assert process.returncode == 130


async def test_when_there_is_no_place_no_empty_transcript_is_left(
    tmp_path: Path, earshot: Run, recording: Path
) -> None:
    async with (
        ServerProcess(tmp_path / "data", sessions_max=1) as full,
        httpx.AsyncClient(base_url=full.url, trust_env=False) as http,
    ):
        first = (await http.post("/v1/transcripts")).raise_for_status().json()["id"]
        async with connect(f"{full.websocket_url}/v1/transcripts_stream/{first}", proxy=None) as socket:
            await socket.send(json.dumps({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}}))
            assert json.loads(await socket.recv())["type"] == "started"
            waiting = await earshot.start("transcribe", str(recording), "--server", full.url)
            async with asyncio.timeout(60):
                while True:  # until it has made its own, for which there is no place
                    if (await http.get("/v1/transcripts")).json()["total"] == 2:
                        break
                    await asyncio.sleep(0.1)
                waiting.send_signal(signal.SIGINT)
                _, err = await waiting.communicate()
        assert waiting.returncode == 130, err
        assert [item["id"] for item in (await http.get("/v1/transcripts")).json()["items"]] == [first]


async def test_listening_to_what_is_not_there_is_one_sentence(server: ServerProcess, earshot: Run) -> None:
    code, _, err = await earshot("listen", "0b7e2f9c-5a41-4c1d-9a60-3f1f4f6c2d11", "--server", server.url)
    assert code == 1
    assert "The server refused" in err
    assert "Traceback" not in err


async def test_transcribe_in_this_process(earshot: Run, tmp_path: Path) -> None:
    turns = ("good morning river stone yellow silver", "ocean river good stone yellow morning")
    one, other = (
        np.frombuffer(scripted_sound(sentence(text, at_s), length_s=7.0, voice=voice), np.int16)
        for voice, (text, at_s) in enumerate(zip(turns, (0.5, 4.0), strict=True))
    )
    recording = written(tmp_path / "two.wav", (one + other).tobytes())
    lines = [f"Speaker {number}: {text}" for number, text in enumerate(turns, 1)]
    code, out, err = await earshot("transcribe", str(recording), "--engine", "scripted")
    assert (code, out.splitlines()) == (0, lines), err
    code, out, err = await earshot("transcribe", str(recording), "--engine", "scripted", "-f", "json")
    assert (code, json.loads(out)["duration"]) == (0, 7.0), err
    assert [each["speaker_label"] for each in json.loads(out)["segments"]] == ["Speaker 1", "Speaker 2"]
    alone = ("--engine", "scripted", "-f", "srt", "--no-speakers")
    code, out, err = await earshot("transcribe", "-", *alone, stdin=recording.read_bytes())
    assert code == 0, err
    assert [line for line in out.splitlines() if line in turns] == list(turns)


async def test_what_is_no_sound_is_one_sentence(earshot: Run, tmp_path: Path) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("these are only notes " * 100)
    code, out, err = await earshot("transcribe", str(text), "--engine", "scripted")
    assert code == 1
    assert out == ""
    assert "notes.wav" in err
    assert "Traceback" not in err


async def test_an_empty_standard_input_is_one_sentence(earshot: Run) -> None:
    for options in ([], ["--raw", "16000"], ["--server", "http://127.0.0.1:9"]):
        code, out, err = await earshot("transcribe", "-", *options)
        assert (code, out, err) == (1, "", "Nothing came on standard input.\n")
