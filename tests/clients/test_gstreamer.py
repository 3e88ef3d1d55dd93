"""GStreamer's webrtcbin, from Debian: libnice, OpenSSL with an RSA certificate, its own RTP and Opus."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.clients.hearing import hearing, run, sentence

pytestmark = pytest.mark.process

PYTHON = "/usr/bin/python3"  # the one that Debian's bindings are for
CLIENT = Path(__file__).with_name("gstreamer_client.py")
NEEDED = ("webrtcbin", "nicesink", "dtlsenc", "srtpenc", "wavparse", "opusenc", "rtpopuspay")
LOOK = f"""
import gi
for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC
Gst.init(None)
print(*[name for name in {NEEDED} if Gst.ElementFactory.find(name) is None])
"""


@pytest.fixture(scope="module")
def python() -> str:
    """The system's Python, with GStreamer's bindings and all elements that the client needs."""
    try:
        looked = subprocess.run([PYTHON, "-c", LOOK], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip(f"no {PYTHON} here")
    if looked.returncode:
        pytest.skip("the system's Python has no GStreamer: python3-gi and gir1.2-gst-plugins-bad-1.0 bring it")
    if looked.stdout.strip():
        pytest.skip(f"GStreamer lacks {looked.stdout.strip()}: gstreamer1.0-nice and -plugins-good, -bad bring them")
    return PYTHON


async def test_gstreamer_speaks_and_is_understood(python: str, tmp_path: Path) -> None:
    said = sentence(tmp_path)
    async with hearing(tmp_path) as server:
        id_ = await server.new_transcript()
        await run(python, CLIENT, said.path, server.whip(id_), str(server.token))
        await server.assert_heard(said, id_)
