"""What a request shows of who asks, wherever it carries it; and the oldest of all credentials, the access token."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping, Sequence

from server.accounts.principal import EVERYTHING, Principal, nobody

BEARER = "bearer"
SCHEMES = (BEARER, "token")  # as those that send bots write it
OPENAI_KEY = "openai-insecure-api-key."
API_KEY_HEADER = "x-api-key"

# Set by what stands between: then it is not the peer who asks.
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def secrets_of(headers: Mapping[str, str], subprotocols: Sequence[str] = ()) -> tuple[str, ...]:
    """Every different token and key that was given. ``headers`` has lower-case names.

    A browser's WebSocket, which cannot set headers, offers the subprotocols ``["bearer", "<token>"]``, or ``token`` as
    some clients call it, or as OpenAI's do, one that begins with ``openai-insecure-api-key.``. Nothing that lasts is
    taken from a query: those end up in logs and histories.
    """
    token, key = bearer_of(headers.get("authorization", "")), headers.get(API_KEY_HEADER, "").strip()
    return tuple(dict.fromkeys(filter(None, (token, key, _offered(subprotocols)))))


def is_access_token(access_token: str | None, given: str) -> bool:
    return access_token is not None and hmac.compare_digest(given.encode("utf-8", "replace"), access_token.encode())


def anyone(headers: Mapping[str, str], address: str | None) -> Principal:
    """Whoever reaches a server that asks for nothing: everything is everybody's."""
    return Principal("anyone", trusted=True, host=is_this_machine(address, headers), scopes=EVERYTHING)


def holder() -> Principal:
    """Whoever has the access token runs the server."""
    return Principal("holder", trusted=True, host=True, scopes=EVERYTHING)


def identify(
    access_token: str | None,
    headers: Mapping[str, str],
    subprotocols: Sequence[str] = (),
    *,
    address: str | None = None,
) -> Principal:
    """The principal of a request by the access token alone, and by the ``address`` of its peer. Never raises."""
    if access_token is None:
        return anyone(headers, address)
    given = secrets_of(headers, subprotocols)
    if given and all(is_access_token(access_token, each) for each in given):
        return holder()
    return nobody()


def is_this_machine(address: str | None, headers: Mapping[str, str]) -> bool:
    """Whether the peer is on loopback and asks for itself: a proxy on this machine asks for strangers."""
    if address is None or any(name in headers for name in _PASSED_ON):
        return False
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped  # a socket for both families names its IPv4 peers so
    return peer.is_loopback


def bearer_of(value: str) -> str | None:
    """The token in the value of an ``Authorization`` header."""
    scheme, _, token = value.partition(" ")
    return token.strip() or None if scheme.lower() in SCHEMES else None


def _offered(subprotocols: Sequence[str]) -> str | None:
    if len(subprotocols) == 2 and subprotocols[0].lower() in SCHEMES:
        return subprotocols[1]
    of_openai = (each.removeprefix(OPENAI_KEY) for each in subprotocols if each.startswith(OPENAI_KEY))
    return next(of_openai, None)
