from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from media.webrtc.peer import WebRtcPeer
from media.webrtc.peer_contract import PeerListener, PeerSettings
from media.webrtc.udp_ports import UdpPorts, UdpSettings


class Opened(Protocol):
    def __call__(self, settings: PeerSettings, listener: PeerListener, ports: UdpPorts | None = None) -> WebRtcPeer: ...


class Ports(Protocol):
    def __call__(self, settings: UdpSettings = ...) -> UdpPorts: ...


LOOPBACK = UdpSettings(loopback=True)


@pytest.fixture
async def ports() -> AsyncIterator[Ports]:
    """Opens UDP ports, on loopback as well unless told otherwise; everything must have been freed in the end."""
    made: list[UdpPorts] = []

    def make(settings: UdpSettings = LOOPBACK) -> UdpPorts:
        made.append(UdpPorts.open(settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
async def opened(ports: Ports) -> AsyncIterator[Opened]:
    """Makes peers, and closes them after a test that failed before it did, before their ports."""
    made: list[WebRtcPeer] = []

    def make(settings: PeerSettings, listener: PeerListener, ports: UdpPorts | None = None) -> WebRtcPeer:
        made.append(WebRtcPeer(settings, listener, ports=ports))
        return made[-1]

    yield make
    for peer in made:
        await peer.close()
