"""The settings of WebRTC's UDP ports: what they must be, and what ``media`` makes of them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media.webrtc.udp_ports import UdpSettings
    from server.settings import Settings

PORT_MIN = 1024
PORTS_BELOW = (0, 80, 443)
"""Browsers write to no other port below 1024 (libwebrtc's ``VerifyCandidate``); 0 takes a free one."""


def udp_settings(settings: Settings) -> UdpSettings:
    from media.webrtc.udp_ports import UdpSettings  # settings are also read where no media are

    return UdpSettings(
        port=settings.udp_port,
        port_range=port_range(settings.udp_port_range),
        receive_buffer_bytes=settings.udp_receive_buffer_kb * 1024,
        public_addresses=settings.public_addresses,
        loopback=settings.loopback,
    )


def port_range(text: str) -> tuple[int, int] | None:
    """``40000-40100``, both ends included; None for an empty text. Raises ``ValueError``."""
    if not text:
        return None
    first_text, dash, last_text = text.partition("-")
    if not (dash and first_text.isdecimal() and last_text.isdecimal()):
        raise ValueError("write it as two ports with a dash between them, such as 40000-40100")
    first, last = int(first_text), int(last_text)
    if first > last:
        raise ValueError(f"the first port is above the last; write {last}-{first}")
    if first < PORT_MIN or last > 65535:
        raise ValueError(f"ports are from {PORT_MIN} to 65535")
    return first, last


def check_udp_port(port: int) -> None:
    """Raises ``ValueError``."""
    if port < PORT_MIN and port not in PORTS_BELOW:
        raise ValueError(f"of the ports below {PORT_MIN} browsers write to 80 and 443 only; 0 takes a free one")


def public_address(text: str) -> str:
    """The address as it is offered. Raises ``ValueError``."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("each must be an IPv4 or IPv6 address, without a port; names are not looked up") from None
    if address.is_unspecified or address.is_multicast or address.is_link_local or getattr(address, "scope_id", None):
        raise ValueError("each must be an address that clients can reach")
    return str(address)
