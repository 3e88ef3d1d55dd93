"""Where WebRTC cannot connect, the voice goes over a WebSocket, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import Spoken
from tests.fakes.running_app import running_app

pytestmark = [pytest.mark.browser, pytest.mark.process]

NO_WEBRTC = "delete window.RTCPeerConnection;"
# As behind a firewall: descriptions are exchanged, but no packet ever finds its way.
NO_PATH = """
const real = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  return real.call(this, { type, sdp: sdp.replace(/^a=candidate:.*\\r\\n/gm, '') });
};
"""


async def test_asked_for_by_the_address(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    async with running_app(tmp_path / "data") as running, visiting(chromium, *microphone(tones.path)) as visit:
        page = visit.page
        await page.goto(f"{running.serving.url}?transport=websocket")
        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("WebSocket")
        await visit.until_heard("morning")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")


@pytest.mark.parametrize("obstacle", [NO_WEBRTC, NO_PATH], ids=["missing", "no path"])
async def test_taken_when_webrtc_does_not_connect(chromium: str, tones: Spoken, tmp_path: Path, obstacle: str) -> None:
    async with running_app(tmp_path / "data") as running, visiting(chromium) as visit:
        page = visit.page
        await page.add_init_script(obstacle)
        # What it is heard to say is another's test; here any sound may be the sample.
        await page.route("**/sample/conversation.flac", lambda route: route.fulfill(path=tones.path))
        await page.goto(running.serving.url)
        await page.get_by_label("Let me hear it, too").uncheck()
        await page.get_by_role("button", name="Play a sample").click()
        await visit.until_state("WebSocket")
        await visit.until_heard("morning")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        # The session that WebRTC began is the one that went on.
        assert await page.locator(".line .name").first.inner_text() == "Speaker 1"
