"""ffmpeg's WHIP muxer: the static ffmpeg of PyPI's imageio-ffmpeg, its own ICE, DTLS and Opus."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.clients.hearing import hearing, run, sentence

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    path = str(imageio_ffmpeg.get_ffmpeg_exe())
    muxers = subprocess.run([path, "-hide_banner", "-muxers"], capture_output=True, text=True, check=True).stdout
    if " whip " not in muxers:
        pytest.skip(f"this ffmpeg has no WHIP muxer: {path}")
    return path


# ffmpeg waits for our DTLS, unless it is told to begin itself.
@pytest.mark.parametrize("flags", [(), ("-whip_flags", "dtls_active")])
async def test_ffmpeg_speaks_and_is_understood(ffmpeg: str, tmp_path: Path, flags: tuple[str, ...]) -> None:
    said = sentence(tmp_path)
    async with hearing(tmp_path) as server:
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
