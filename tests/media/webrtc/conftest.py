from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from media.webrtc.peer import PeerListener, PeerSettings, WebRtcPeer

Opened = Callable[[PeerSettings, PeerListener], WebRtcPeer]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Makes peers, and closes them after a test that failed before it did."""
    made: list[WebRtcPeer] = []

    def make(settings: PeerSettings, listener: PeerListener) -> WebRtcPeer:
        made.append(WebRtcPeer(settings, listener))
        return made[-1]

    yield make
    for peer in made:
        await peer.close()
