"""A browser behind one NAT, the server behind another that is 1:1; and the browser's NAT forgets it while it speaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.browser import microphone, visiting
from tests.e2e.conftest import Spoken
from tests.fakes.running_app import running_app
from tests.net.free_ports import free_range
from tests.net.nat import Nat

pytestmark = [pytest.mark.browser, pytest.mark.process]

# Its own addresses are behind a NAT: the server cannot write to them.
NO_CANDIDATES = """
const Plain = window.RTCPeerConnection;
window.peers = [];
window.RTCPeerConnection = class extends Plain {
  constructor(options) {
    super(options);
    window.peers.push(this);
  }
  get localDescription() {
    const own = super.localDescription;
    return own && { type: own.type, sdp: own.sdp.replace(/a=candidate.*\\r\\n/g, '') };
  }
};
"""
PATH = """
async () => {
  const stats = [...(await window.peers.at(-1).getStats()).values()];
  const pair = stats.find((each) => each.type === 'candidate-pair' && each.nominated);
  const remote = stats.find((each) => each.id === pair?.remoteCandidateId);
  return [window.peers.length, remote?.address, remote?.port];
}
"""
# Until the server's reports of what it received go on longer than any that was under way. By their own clock.
REPORTED = """
async () => {
  let first = null;
  for (;;) {
    const stats = [...(await window.peers.at(-1).getStats()).values()];
    const told = stats.find((each) => each.type === 'remote-inbound-rtp');
    first ??= told?.timestamp;
    if (told && told.timestamp > first + 3000 && told.fractionLost === 0 && told.packetsLost < 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
"""


async def test_a_voice_comes_through_nats_and_outlives_its_mapping(
    chromium: str, tones: Spoken, tmp_path: Path
) -> None:
    port = free_range(1)[0]
    async with (
        Nat(("127.0.0.1", port)) as nat,
        running_app(tmp_path / "data", udp_port=port, public_addresses="127.0.0.9") as running,
        visiting(chromium, *microphone(tones.path)) as visit,
    ):
        await visit.page.add_init_script(NO_CANDIDATES)
        await visit.page.goto(running.serving.url)
        await visit.page.get_by_role("button", name="Start speaking").click()
        await visit.until_heard("morning")
        assert await visit.page.evaluate(PATH) == [1, "127.0.0.9", port]
        assert len(nat.mappings) == 1
        before = dict(nat.mappings)
        nat.rebind()
        async with asyncio.timeout(90):
            await visit.page.evaluate(REPORTED)
        assert nat.mappings.keys() == before.keys()
        assert nat.mappings != before
        assert await visit.page.evaluate(PATH) == [1, "127.0.0.9", port]
        await visit.page.get_by_role("button", name="Stop").click()
        await visit.until_phase("done")
