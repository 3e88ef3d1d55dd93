"""A node that is full says so at every door through which one can begin to speak, and when to come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from tests.fakes.running_app import RunningApp, running_app


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[RunningApp]:
    """With one place, which a speaking socket takes."""
    async with (
        running_app(tmp_path, sessions_max=1, resume_grace_s=20) as node,
        node.socket(f"/v1/transcripts_stream/{await node.new_transcript()}") as first,
    ):
        await first.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
        await first.until("started")
        yield node


async def test_a_speaking_socket_is_told_and_closed(full: RunningApp) -> None:
    async with full.socket(f"/v1/transcripts_stream/{await full.new_transcript()}") as socket:
        await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
        error = (await socket.until("error"))["data"]
        assert (error["code"], error["recoverable"]) == ("OVERLOADED", True)
        assert error["details"]["retry_after_s"] >= 1
        assert (await socket.closed())[0] == 4013


@pytest.mark.parametrize("theirs", [True, False])
@pytest.mark.parametrize("path", ["/v1/transcripts_webrtc/{}/offer", "/v1/transcripts/{}/record/webrtc/"])
async def test_an_offer_theirs_or_ours_is_503_with_retry_after(full: RunningApp, path: str, theirs: bool) -> None:
    body: dict[str, str] = {}
    if theirs:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTransceiver("audio", direction="sendonly")
        await peer.setLocalDescription(await peer.createOffer())
        body = {"sdp": peer.localDescription.sdp, "type": "offer"}
        await peer.close()
    refused = await full.http.post(path.format(await full.new_transcript()), json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "OVERLOADED"), refused.text
    assert int(refused.headers["retry-after"]) >= 1
