"""Where WebRTC cannot connect, the voice goes over a WebSocket, and nothing else changes."""

from __future__ import annotations

import pytest

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import Served, Spoken

pytestmark = [pytest.mark.browser, pytest.mark.process]

NO_WEBRTC = "delete window.RTCPeerConnection;"
# As behind a firewall: descriptions are exchanged, but no packet ever finds its way.
NO_PATH = """
const real = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
  return real.call(this, { type, sdp: sdp.replace(/^a=candidate:.*\\r\\n/gm, '') });
};
"""


async def test_asked_for_by_the_address(server: Served, chromium: str, voice: Spoken) -> None:
    async with visiting(chromium, *microphone(voice.path)) as visit:
        page = visit.page
        await page.goto(f"{server.url}/?transport=websocket")
        await page.get_by_role("button", name="Start speaking").click()
        await visit.until_state("WebSocket")
        await visit.until_heard("morning")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")


@pytest.mark.parametrize("obstacle", [NO_WEBRTC, NO_PATH], ids=["missing", "no path"])
async def test_taken_when_webrtc_does_not_connect(server: Served, chromium: str, obstacle: str) -> None:
    async with visiting(chromium) as visit:
        page = visit.page
        await page.add_init_script(obstacle)
        await page.goto(server.url)
        await page.get_by_label("Let me hear it, too").uncheck()
        await page.get_by_role("button", name="Play a sample").click()
        await visit.until_state("WebSocket")
        await visit.until_heard("morning")
        await page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        # The session that WebRTC began is the one that went on.
        assert await page.locator(".line .name").first.inner_text() == "Speaker 1"
