"""Where a peer may have us send checks: its ICE candidates, filtered (RFC 8839 section 5.1).

A candidate is an address that a stranger gives us to knock at. So none may lead to this machine, to hosts on the same
link, or to what a cloud keeps for its machines alone. mDNS names are ignored, too: such a peer is found by its own
checks, as peer-reflexive (RFC 8445 section 7.3.1.3).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

_IPv4, _IPv6 = ipaddress.IPv4Address, ipaddress.IPv6Address

CLOUD_ADDRESSES = frozenset(
    ipaddress.ip_address(each)
    for each in (
        "169.254.169.254",  # most; link-local anyway
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
        "100.100.100.200",  # Alibaba
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
)
"""Where a machine in a cloud asks for its own secrets."""

PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""RFC 1918, RFC 6598, RFC 4193."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_TYPES = ("host", "srflx", "relay")


def is_usable(candidate: str, *, loopback: bool, private: bool = True, own: Collection[str] = ()) -> bool:
    """Whether we send checks to a candidate, written as after ``a=candidate:``. Only UDP of the first component."""
    if not (candidate.isascii() and candidate.isprintable()):
        return False  # what one parser takes for a space is the end of a line to another
    # foundation component transport priority address port "typ" type ...
    parts = candidate.split()
    if len(parts) < 8 or parts[1] != "1" or parts[2].lower() != "udp" or parts[6] != "typ":
        return False
    if parts[7] not in _TYPES or len(parts[0]) > 32:
        return False
    if not re.fullmatch(r"\d{1,10}", parts[3], re.ASCII) or not re.fullmatch(r"\d{4,5}", parts[5], re.ASCII):
        return False
    # No browser binds a port below 1024, but services that should not be knocked at do.
    return 1024 <= int(parts[5]) <= 65535 and is_sensible(parts[4], loopback=loopback, private=private, own=own)


def is_sensible(host: str, *, loopback: bool, private: bool = True, own: Collection[str] = ()) -> bool:
    """Whether a peer may have us send checks to ``host``.

    ``loopback``: this machine, too. ``private``: networks that are not the public internet, too. ``own``: where else
    this machine is, written as ``ipaddress`` does. What listens there is none of a peer's business, and a client of
    this machine is found by its own checks.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, _IPv6):
        if address.scope_id is not None:
            return False
        address = leads_to(address)
    if address.is_loopback:
        return loopback
    if not loopback and str(address) in own:
        return False
    if not private and any(address in network for network in PRIVATE_NETWORKS):
        return False
    return not (
        address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in CLOUD_ADDRESSES
        or address.is_reserved  # 240.0.0.0/4 with the broadcast, and what no one has of IPv6
        or address in _THIS_NETWORK
    )


def leads_to(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that one of IPv6 leads to (RFC 4291 mapped, RFC 6052, RFC 3056); any other is itself."""
    if isinstance(address, _IPv4):
        return address
    if address in _NAT64:
        return _IPv4(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
