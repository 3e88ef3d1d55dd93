"""The address that a user is told to open, of what a server listens on."""

from __future__ import annotations

_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_LOOPBACK = ("127.0.0.1", "::1")


def shown_url(host: str, port: int) -> str:
    # A wildcard is no address that a browser can open, and browsers give the microphone to localhost only.
    if address_to_ask(host) in _LOOPBACK:
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def address_to_ask(host: str) -> str:
    """Where a server that listens on ``host`` is reached from this machine."""
    return _WILDCARDS.get(host, host)
