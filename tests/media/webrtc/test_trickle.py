"""Candidates after the description: when they are taken, and when not."""

from __future__ import annotations

import pytest

from protocol.errors import SdpError, TooLarge
from tests.media.webrtc.conftest import Opened
from tests.media.webrtc.listening import LOCAL, Listening
from tests.net.rtc_client import RtcClient

CANDIDATE = "a=candidate:1 1 udp 2122260223 192.0.2.1 {} typ host"
OTHER = "a=ice-ufrag:ysXw\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\n"


async def test_before_a_description_and_after_the_end_there_is_nothing_they_belong_to(opened: Opened) -> None:
    peer = opened(LOCAL, Listening())
    for _ in range(2):
        with pytest.raises(SdpError, match="no description"):
            await peer.add_candidates(CANDIDATE.format(5000))
        await peer.close("done")


async def test_another_ice_session_is_refused_and_the_peer_goes_on(opened: Opened) -> None:
    listening = Listening()
    peer = opened(LOCAL, listening)
    async with RtcClient(bytes(32_000)) as client:
        await client.connect(peer.answer)
        assert not await peer.add_candidates(OTHER + CANDIDATE.format(5000))
        assert await peer.add_candidates(CANDIDATE.format(5000))
        await listening.until(lambda: listening.end_samples > 8_000)
        await peer.close("done")


async def test_there_may_be_so_many(opened: Opened) -> None:
    peer = opened(LOCAL, Listening())
    async with RtcClient(bytes(3_200)) as client:
        await client.connect(peer.answer)
        for start in (5_000, 5_025):
            assert await peer.add_candidates("\n".join(CANDIDATE.format(start + i) for i in range(25)))
        with pytest.raises(TooLarge):
            await peer.add_candidates(CANDIDATE.format(6_000))
        assert await peer.add_candidates("a=end-of-candidates")
        await peer.close("done")
