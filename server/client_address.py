"""Whose request it is: the address that limits are counted by.

That is the peer of the connection. A reverse proxy stands for many people, so of a proxy that ``trusted_proxies`` names
we believe whom it says it speaks for: the last address in ``X-Forwarded-For`` that is no such proxy itself. Everything
before that one came from the client, and is not looked at: nobody can choose the address they are counted by.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"
HOPS_MAX = 16  # proxies in a row; two are many
IPV6_PREFIX = 64  # what one subscriber is given, to choose addresses from as they like (RFC 6177)


def networks_of(names: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks, such as ``10.0.0.0/8``. Raises ``ValueError`` for anything else."""
    return tuple(ipaddress.ip_network(name) for name in names)


def client_address(peer: str | None, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str:
    """The address to count a client by; an IPv6 one as its network.

    ``forwarded_for`` are the values of all ``X-Forwarded-For`` headers, in order. Never raises.
    """
    address = _parse(peer or "")
    if address is None:
        return UNKNOWN
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    for hop in hops[: -HOPS_MAX - 1 : -1]:
        if not _is_one_of(address, proxies):
            break
        before = _parse(hop)
        if before is None:
            break  # a proxy that says what is no address: it is counted itself
        address = before
    return _counted(address)


def is_proxy(peer: str | None, proxies: Sequence[Network]) -> bool:
    """Whether the peer of a connection is a proxy that is believed."""
    address = _parse(peer or "")
    return address is not None and _is_one_of(address, proxies)


def _parse(text: str) -> Address | None:
    """With or without a port, and with the brackets and the zone that an IPv6 address may have."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped  # a socket for both families names its IPv4 peers so
    return address


def _is_one_of(address: Address, proxies: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in proxies)


def _counted(address: Address) -> str:
    if address.version == 4 or address.is_loopback:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
