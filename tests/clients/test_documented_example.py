"""The documented example of the API, run as it stands but for host and port, with an MP3."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from protocol.states import TranscriptState
from tests.fakes.documented import documented
from tests.fakes.node import wait_for_state, words_of
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence

pytestmark = pytest.mark.process
RATE_HZ = 16_000
ADDRESS = "http://localhost:8000"


def mp3_of(pcm: bytes, path: Path) -> None:
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE_HZ)
        for piece in resampler.resample(frame):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


async def test_it_prints_what_it_promises(tmp_path: Path) -> None:
    example = documented("api.md", "python")
    assert example.count(ADDRESS) == 2
    mp3_of(scripted_sound(sentence("good morning")), tmp_path / "meeting.mp3")
    async with running_app(tmp_path / "data") as node:
        script = example.replace(ADDRESS, f"http://127.0.0.1:{node.port}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script),
            cwd=tmp_path,
            env={**os.environ, "no_proxy": "*"},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0
        assert printed.decode().strip() in ("Transcription status: processing", "Transcription status: completed")
        [transcript] = (await node.http.get("/v1/transcripts/")).json()["items"]
        await wait_for_state(node.services, transcript["id"], TranscriptState.ENDED)
        assert (await node.http.get(f"/v1/transcripts/{transcript['id']}")).json()["status"] == "completed"
        assert [text for text, _ in await words_of(node.services, transcript["id"])] == ["good", "morning"]
