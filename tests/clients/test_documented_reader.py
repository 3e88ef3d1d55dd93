"""The documented reader of the listening socket, as it stands in the document, run by Node against a real server."""

from __future__ import annotations

import asyncio
import json
import shutil
from itertools import groupby
from pathlib import Path

import pytest

from tests.fakes.documented import documented
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

SOUND = scripted_sound(sentence("alpha bravo", 0.5) + sentence("charlie", 2.0))
DEADLINE_S = 60.0
pytestmark = pytest.mark.process


async def node_program() -> list[str]:
    """Node with a ``WebSocket``: by itself from 22 on, when asked from 20 on."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("no node here")
    for command in ([program], [program, "--experimental-websocket"]):
        asked = await asyncio.create_subprocess_exec(
            *command, "-p", "typeof WebSocket", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        if (await asked.communicate())[0].strip() == b"function":
            return command
    pytest.skip("this node has no WebSocket")


async def test_the_documented_reader_prints_what_it_promises(tmp_path: Path) -> None:
    command = await node_program()
    async with running_app(tmp_path) as server:
        id_ = await server.new_transcript()
        # Its address and its transcript aside, it is run as it is written.
        script = documented("sockets.md", "javascript").replace("localhost:8000", f"127.0.0.1:{server.port}")
        reader = await asyncio.create_subprocess_exec(
            *command,
            "-e",
            f"const transcriptId = {json.dumps(id_)};\n{script}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert reader.stdout is not None
            assert reader.stderr is not None
            printed: list[str] = []

            async def until(wanted: str) -> None:
                assert reader.stdout is not None
                while wanted not in printed:
                    line = await reader.stdout.readline()
                    assert line, printed
                    printed.append(line.decode().rstrip("\n"))

            async with asyncio.timeout(DEADLINE_S):
                await until("Status: initializing")
                async with server.socket(f"/v1/transcripts_stream/{id_}") as speaker:
                    await speaker.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
                    await speaker.send(SOUND)
                    await until("[Speaker 1]: alpha bravo")
                    await speaker.send({"type": "stop"})
                    await speaker.until("stopped")
                await until("Status: completed")
                await server.http.delete(f"/v1/transcripts/{id_}")
                await until("WebSocket connection closed")
                errors = (await reader.stderr.read()).decode()
                assert await reader.wait() == 0
        finally:
            if reader.returncode is None:
                reader.kill()
                await reader.wait()
    assert printed[0] == "Connected to transcription WebSocket"
    # A status may come twice, as on a machine where the words are late.
    kinds = [line for line, _ in groupby(line for line in printed if line.startswith(("Status", "Speaker")))]
    assert kinds[:3] == ["Status: initializing", "Status: processing", "Speaker change: Speaker 1"]
    assert "[Speaker 1]: alpha bravo" in printed
    assert "[Speaker 1]: charlie" in printed
    assert "Error: the transcript was deleted" in errors.splitlines()
