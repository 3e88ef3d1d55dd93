"""The address that a user is told to open, of what a server listens on."""

from __future__ import annotations

import ipaddress

_LOOPBACK = ("127.0.0.1", "::1")


def shown_url(host: str, port: int) -> str:
    # A wildcard is no address that a browser can open, and browsers give the microphone to localhost only.
    if address_to_ask(host) in _LOOPBACK:
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def address_to_ask(host: str) -> str:
    """Where a server that listens on ``host`` is reached from this machine."""
    try:
        address = ipaddress.ip_address(host or ipaddress.IPv4Address(0))
    except ValueError:
        return host  # a name
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
