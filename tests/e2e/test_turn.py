"""A browser that may use nothing but a relay: the page gets its TURN credentials, and its words come all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import Spoken
from tests.fakes.server_process import ServerProcess
from tests.net.turn_server import turn_server

pytestmark = [pytest.mark.browser, pytest.mark.process]

SECRET = "north-by-northwest"
# What a network does that lets nothing out but to the relay.
RELAY_ONLY = """
const Plain = window.RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = class extends Plain {
  constructor(options) {
    super({ ...options, iceTransportPolicy: 'relay' });
    window.peers.push(this);
  }
};
"""
PATHS = """
async () => {
  const stats = [...(await window.peers.at(-1).getStats()).values()];
  const pair = stats.find((each) => each.type === 'candidate-pair' && each.nominated);
  const local = stats.find((each) => each.id === pair?.localCandidateId);
  return [window.peers.length, local?.candidateType];
}
"""


async def test_a_voice_comes_through_a_relay(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    async with (
        turn_server(tmp_path, SECRET) as turn,
        ServerProcess(tmp_path / "data", turn_urls=turn.url, turn_secret=SECRET) as server,
        visiting(chromium, *microphone(tones.path)) as visit,
    ):
        await visit.page.add_init_script(RELAY_ONLY)
        await visit.page.goto(server.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await visit.until_heard("morning")
        assert await visit.page.evaluate(PATHS) == [1, "relay"]
        await visit.page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
        assert SECRET not in server.log
