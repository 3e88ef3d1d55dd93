"""ffmpeg's WHIP muxer: the static ffmpeg of PyPI's imageio-ffmpeg, its own ICE, DTLS and Opus."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.clients.hearing import Hearing, hearing, run, sentence

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    path = str(imageio_ffmpeg.get_ffmpeg_exe())
    muxers = subprocess.run([path, "-hide_banner", "-muxers"], capture_output=True, text=True, check=True).stdout
    if " whip " not in muxers:
        pytest.skip(f"this ffmpeg has no WHIP muxer: {path}")
    return path


# ffmpeg waits for our DTLS, unless it is told to begin itself.
WAYS = ((), ("-whip_flags", "dtls_active"))


async def test_ffmpeg_speaks_and_is_understood_whoever_begins_dtls(ffmpeg: str, tmp_path: Path) -> None:
    said = sentence(tmp_path)

    async def speak(server: Hearing, flags: tuple[str, ...]) -> None:
        id_ = await server.new_transcript()
        await run(
            *(ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-i", said.path),
            *("-ac", "2", "-ar", "48000", "-c:a", "libopus", "-b:a", "48k"),
            *(
                "-f",
                "whip",
                "-handshake_timeout",
                "20000",
                *flags,
                "-authorization",
                str(server.token),
                server.whip(id_),
            ),
        )
        await server.assert_heard(said, id_)  # complete: so its DELETE has come

    async with hearing(tmp_path) as server:
        await asyncio.gather(*(speak(server, flags) for flags in WAYS))
