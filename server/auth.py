"""Who is asking, and may they: ``authorize`` is the one function that every entry calls before anything else.

There is one secret today, ``access_token``. Without it whoever reaches the port may do everything. With it a request
carries ``Authorization: Bearer <token>``; a browser's WebSocket, which cannot set headers, offers the subprotocols
``["bearer", "<token>"]``. The token is never taken from a query: those end up in logs and histories.

What only the host may see (``HOST_ONLY``) needs the token as well; where none is configured, the machine itself.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from protocol.errors import Forbidden, NotAuthorised

BEARER = "bearer"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Action(StrEnum):
    """Everything that can be asked for. Each route names one; a test walks them all."""

    PAGE = "page"
    HEALTH = "health"
    METRICS = "metrics"
    DESCRIBE = "describe"
    LIST = "list"
    CREATE = "create"
    READ = "read"
    CHANGE = "change"
    DELETE = "delete"
    UPLOAD = "upload"
    SPEAK = "speak"
    LISTEN = "listen"
    READ_ENGINE = "read_engine"
    PULL_MODEL = "pull_model"
    DEBUG_PAGE = "debug_page"
    DEBUG = "debug"


# The pages are the same for everybody and hold no data; health is for machines that carry no secret.
PUBLIC = frozenset({Action.PAGE, Action.HEALTH, Action.DEBUG_PAGE})

# For whoever runs the server. The page itself is public only where a token guards what it then asks for.
HOST_ONLY = frozenset({Action.DEBUG_PAGE, Action.DEBUG})

# Set by what stands between: then it is not the peer who asks.
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``trusted``: the token was right, or none is configured.

    ``host``: the token was right or, where none is configured, this very machine asks.
    """

    name: str
    trusted: bool
    host: bool = False


def identify(
    access_token: str | None,
    headers: Mapping[str, str],
    subprotocols: Sequence[str] = (),
    *,
    address: str | None = None,
) -> Principal:
    """The principal of a request, by what it carries and the ``address`` of its peer.

    ``headers`` has lower-case names. Never raises.
    """
    if access_token is None:
        return Principal("anyone", trusted=True, host=_is_this_machine(address, headers))
    given = _bearer(headers.get("authorization", "")) or _offered(subprotocols)
    if given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), access_token.encode()):
        return Principal("holder", trusted=True, host=True)
    return Principal("anonymous", trusted=False)


def authorize(principal: Principal, action: Action, resource: str | None = None) -> None:
    """Let ``principal`` do ``action`` with ``resource`` (a transcript's id).

    Raises ``NotAuthorised``, or ``Forbidden`` for what only the host may see while no token is configured.
    """
    if action in HOST_ONLY and principal.trusted and not principal.host:
        raise Forbidden(
            "this is for whoever runs the server: open it on the server's own machine, or set access_token",
            details={"action": action.value},
        )
    if principal.trusted or action in PUBLIC:
        return
    raise NotAuthorised(
        "this server needs its access token: send Authorization: Bearer <token>",
        details={"action": action.value},
    )


def check_origin(origin: str | None, host: str | None, allowed: Sequence[str]) -> None:
    """Refuse a page of another site that reaches for us through a visitor's browser (``Forbidden``).

    Absent means that no browser's page asks, which is allowed: there are no cookies that it could ride on.
    """
    if origin is None or origin in allowed:
        return
    if host is not None and _authority(origin) == host.lower().strip():
        return
    raise Forbidden(
        "pages of this origin may not call this server; add it to allowed_origins", details={"origin": origin[:200]}
    )


def check_host(host: str | None, allowed: Iterable[str]) -> None:
    """Refuse a name that somebody else made point here (``Forbidden``): DNS rebinding.

    A page of ``evil.example`` whose name is then turned to our address is of the same origin as we are, for a browser.
    It cannot do that with an address, with a loopback name or with a name in ``allowed``. Absent: no browser asks.
    """
    if host is None:
        return
    name = _host_name(host)
    if name == "localhost" or _is_address(name) or name in {_plain(each) for each in allowed}:
        return
    raise Forbidden(
        "this server is not known by that name: add it to allowed_hosts, or set access_token",
        details={"host": host[:200]},
    )


def host_of(origin: str) -> str:
    """The name in an origin; empty when it has none."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _host_name(host: str) -> str:
    """Without the port and the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return _plain(host.partition(":")[0])


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def _is_this_machine(address: str | None, headers: Mapping[str, str]) -> bool:
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


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _bearer(value: str) -> str | None:
    scheme, _, token = value.partition(" ")
    return token.strip() or None if scheme.lower() == BEARER else None


def _offered(subprotocols: Sequence[str]) -> str | None:
    if len(subprotocols) == 2 and subprotocols[0].lower() == BEARER:
        return subprotocols[1]
    return None


def _authority(origin: str) -> str | None:
    """``host[:port]`` of an origin as a Host header spells it; None for ``null`` and for what is no origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path or parts.query or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
