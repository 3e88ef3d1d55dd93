"""Where a webhook may lead: to the public internet, unless a setting says that private networks are fine, too.

A name is resolved by us, every address it has is looked at, and the connection is made to one of these addresses, not
to the name once more: what is checked is what is connected to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx

from media.webrtc.candidates import is_sensible, leads_to
from protocol.errors import BadInput

URL_MAX_CHARS = 2000
ADDRESSES_MAX = 8
LOOKED_UP_AT_ONCE = 4
WEB_PORTS = frozenset({80, 443})
PORT_MIN = 1024  # below it are services of other kinds, which a request should not be sent to
DEFAULT_PORTS = {"http": 80, "https": 443}

# A host and a port to addresses. Raises ``OSError`` where there are none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class RefusedAddress(Exception):
    """It leads to where we do not send."""


class Names:
    """The system's resolver, in threads of its own: a name server that does not answer holds up nothing else.

    ``close`` must be called in the end.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKED_UP_AT_ONCE, thread_name_prefix="webhook-names")

    async def look_up(self, host: str, port: int) -> list[str]:
        """Raises ``OSError``."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnicodeError:  # a label that is empty or too long
            raise OSError("no such name") from None
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def is_allowed(address: str, *, private: bool) -> bool:
    """Whether we send to an IP address. ``private``: to this machine and private networks, too; never to what is
    link-local, reserved, or kept by clouds for their machines' secrets. Addresses of IPv6 that lead to one of IPv4
    are taken for that one."""
    if not is_sensible(address, loopback=private, private=private):
        return False
    if private:
        return True
    led_to = leads_to(ipaddress.ip_address(address))
    # RFC 3879: withdrawn, and still private where it is in use.
    return led_to.is_global and not (isinstance(led_to, ipaddress.IPv6Address) and led_to.is_site_local)


def check_url(text: str, *, private: bool) -> httpx.URL:
    """Raises ``BadInput`` for what is never sent to. A name is looked up later, at each attempt."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise BadInput("the webhook's url is no address") from None
    # Never ``url.host``: it raises for names of other than today's rules, such as those of emoji domains.
    if url.scheme not in DEFAULT_PORTS or not url.raw_host or len(text) > URL_MAX_CHARS:
        raise BadInput("the webhook's url must begin with https:// or http:// and name a host")
    if url.userinfo:
        raise BadInput("the webhook's url must name no user: tell senders apart by the signature")
    port = port_of(url)
    if port not in WEB_PORTS and not PORT_MIN <= port <= 65535:
        raise BadInput("webhooks are sent to the ports 80, 443, and those from 1024 on", details={"port": port})
    host = url.raw_host.decode("ascii")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return url  # a name
    if not is_allowed(host, private=private):
        could_be = "; whoever runs the server can set webhooks_private" if is_allowed(host, private=True) else ""
        raise BadInput(f"webhooks are not sent to this address{could_be}")
    return url


def origin_of(text: str) -> str:
    """The scheme and host of an address; the rest may be a secret."""
    url = httpx.URL(text)
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def port_of(url: httpx.URL) -> int:
    return url.port if url.port is not None else DEFAULT_PORTS[url.scheme]


async def addresses_of(url: httpx.URL, *, private: bool, look_up: Resolve) -> list[str]:
    """Where to connect to. Raises ``RefusedAddress`` if any address of the host is one that we do not send to,
    ``OSError`` where there is none."""
    found = list(await look_up(url.raw_host.decode("ascii"), port_of(url)))[:ADDRESSES_MAX]
    if not found:
        raise OSError("no address")
    if not all(is_allowed(address, private=private) for address in found):
        raise RefusedAddress
    return found
