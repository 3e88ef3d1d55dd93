"""What ``media`` makes of the settings of WebRTC's UDP ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.network_settings import port_range
from server.settings import Settings

if TYPE_CHECKING:
    from media.webrtc.udp_ports import UdpSettings


def udp_settings(settings: Settings) -> UdpSettings:
    from media.webrtc.udp_ports import UdpSettings  # settings are also read where no media are

    return UdpSettings(
        port=settings.udp_port,
        port_range=port_range(settings.udp_port_range),
        receive_buffer_bytes=settings.udp_receive_buffer_kb * 1024,
        public_addresses=settings.public_addresses,
        loopback=settings.loopback,
    )
