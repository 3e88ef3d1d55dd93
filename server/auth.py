"""What may be asked for, and who may: ``authorize`` is the one function that every entry calls before anything else.

It decides by who asks (server/accounts) and by the thing that is asked about. Nobody learns from a refusal whether a
thing that they may not read exists: unknown and foreign ids are answered alike.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

from protocol.errors import Conflict, EarshotError, Forbidden, NotAuthorised, NotFound
from server.accounts.principal import Principal, Scope
from server.accounts.resource import Kind, Resource

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
    ASK = "ask"
    READ = "read"
    CHANGE = "change"
    DELETE = "delete"
    RESTORE = "restore"
    DESTROY = "destroy"
    UPLOAD = "upload"
    PUT_BLOB = "put_blob"
    DOWNLOAD = "download"
    SPEAK = "speak"
    TALK = "talk"
    LISTEN = "listen"
    CREATE_ROOM = "create_room"
    CREATE_PROJECT = "create_project"
    ENROL = "enrol"
    EXPORT = "export"
    TAKE_PART = "take_part"
    CONTRIBUTE = "contribute"
    JOIN = "join"
    FIND_PATH = "find_path"
    READ_ENGINE = "read_engine"
    PULL_MODEL = "pull_model"
    ME = "me"
    TICKET = "ticket"
    KEYS = "keys"
    DEBUG_PAGE = "debug_page"
    DEBUG = "debug"


# The pages and the API's description are the same for everybody and hold no data; health is for machines that carry no
# secret. A blob is put to an address that is signed, and a document read at one: the address is what lets in, and the
# door checks it first of all.
PUBLIC = frozenset({Action.PAGE, Action.DESCRIBE, Action.HEALTH, Action.DEBUG_PAGE, Action.PUT_BLOB, Action.DOWNLOAD})

# For whoever runs the server. The page itself is public only where a token guards what it then asks for.
HOST_ONLY = frozenset({Action.DEBUG_PAGE, Action.DEBUG})

# What nobody may ask for in public mode, besides what they then do with transcripts of nobody.
PUBLIC_MODE = frozenset(
    {Action.CREATE, Action.SPEAK, Action.TALK, Action.FIND_PATH, Action.DESCRIBE, Action.READ_ENGINE, Action.ME}
)

# What only the owner may do with a thing; all else that is done with one is reading.
CHANGES = frozenset(
    {
        Action.CHANGE,
        Action.DELETE,
        Action.RESTORE,
        Action.DESTROY,
        Action.UPLOAD,
        Action.SPEAK,
        Action.TALK,
        Action.KEYS,
    }
)

# What makes something that then is kept, or costs: how often one client may do so is limited (server/rate_limits.py).
CREATES = frozenset(
    {
        Action.CREATE,
        Action.SPEAK,
        Action.TALK,
        Action.CREATE_ROOM,
        Action.CREATE_PROJECT,
        Action.ENROL,
        Action.TAKE_PART,
        Action.JOIN,
        Action.ASK,
        Action.PULL_MODEL,
        Action.TICKET,
        Action.KEYS,
    }
)

# What whoever has the id of a thing may do, without an account: the id is what they were given to do it by.
BY_ID = frozenset({Action.TAKE_PART, Action.CONTRIBUTE})

# What nobody owns, in public mode, is of whoever has its id.
OF_WHO_HAS_THE_ID = frozenset({Kind.TRANSCRIPT, Kind.JOB, Kind.BOT, Kind.RECORDING})

# What somebody unknown may do with what is public, besides reading it.
OF_GUESTS = frozenset({Action.JOIN})

# What a participant's token is good for, in their own meeting; the doors ask whose of its participants' it is.
OF_PARTICIPANTS = frozenset({Action.JOIN, Action.READ})

# And what outside of it, until it is over: their sound, too, needs the help of STUN and TURN servers.
OF_ANY_PARTICIPANT = frozenset({Action.FIND_PATH})

# What is deleted, and not destroyed yet, is there for these alone.
OF_DELETED = frozenset({Action.RESTORE, Action.DESTROY})

# Of these scopes one must be given; empty: being known is enough.
SCOPES: Mapping[Action, frozenset[Scope]] = MappingProxyType(
    {
        **dict.fromkeys((Action.LIST, Action.READ, Action.LISTEN, Action.READ_ENGINE), frozenset({Scope.READ})),
        **dict.fromkeys((Action.SPEAK, Action.UPLOAD, Action.JOIN, Action.FIND_PATH), frozenset({Scope.SPEAK})),
        # A language model may be asked, which costs more than reading does.
        # Who talks through another service's protocol makes a transcript, which that does not name.
        **dict.fromkeys((Action.CREATE, Action.ASK, Action.TALK), frozenset({Scope.SPEAK, Scope.WRITE})),
        Action.EXPORT: frozenset({Scope.EXPORT}),
        **dict.fromkeys(
            (
                Action.CHANGE,
                Action.DELETE,
                Action.RESTORE,
                Action.DESTROY,
                Action.CREATE_ROOM,
                Action.CREATE_PROJECT,
                Action.ENROL,
            ),
            frozenset({Scope.WRITE}),
        ),
        **dict.fromkeys((Action.METRICS, Action.PULL_MODEL, Action.DEBUG), frozenset({Scope.ADMIN})),
        **dict.fromkeys((Action.DESCRIBE, Action.ME, Action.TICKET, Action.KEYS), frozenset[Scope]()),
    }
)


def authorize(principal: Principal, action: Action, resource: Resource | None = None) -> None:
    """Let ``principal`` do ``action``, with ``resource`` where it is about one.

    Raises ``NotAuthorised`` where signing in could help, ``NotFound`` for what is not there or not theirs to see,
    ``Forbidden`` for what they may see and not do, ``Conflict`` for what a participant may do until
    the meeting is over.
    """
    if action in HOST_ONLY and principal.trusted and not principal.host:
        raise Forbidden(
            "this is for whoever runs the server: open it on the server's own machine, or set access_token",
            details={"action": action.value},
        )
    if action in PUBLIC:
        return
    if principal.refused:
        raise NotAuthorised(principal.refused, details={"action": action.value})
    if principal.talks_only and action is not Action.TALK:
        raise Forbidden(
            "a client secret opens Realtime sessions, and nothing else: show a key", details={"action": action.value}
        )
    if action in BY_ID:
        # Where a body names it, the door admits it (``admit``).
        if resource is not None and (resource.standing is None or resource.standing.is_deleted):
            raise NotFound(f"no such {resource.kind}")
        return
    if resource is not None:
        _authorize_of(principal, action, resource)
    elif principal.attends is not None and action in OF_ANY_PARTICIPANT:
        if principal.attends.is_over:
            raise Conflict("Meeting has ended", details={"meeting_id": principal.attends.meeting_id})
        return
    elif not (principal.trusted or (principal.public and action in PUBLIC_MODE)):
        raise _sign_in(principal, action)
    _check_scopes(principal, action)


def may(principal: Principal, action: Action, resource: Resource | None) -> bool:
    """Whether ``authorize`` would let them."""
    try:
        authorize(principal, action, resource)
    except EarshotError:
        return False
    return True


def _authorize_of(principal: Principal, action: Action, resource: Resource) -> None:
    if not _may_see(principal, action, resource):
        # Nobody is told the same of everything, whether it exists or not; and so is who is known.
        if not principal.trusted and not principal.public:
            raise _sign_in(principal, action)
        raise NotFound(f"no such {resource.kind}")
    if action in CHANGES and not (_is_theirs(principal, resource) or _is_itself(principal, action, resource)):
        if not principal.trusted:
            raise _sign_in(principal, action)
        raise Forbidden(
            f"this {resource.kind} is shared with you to read; only its owner may change it",
            details={"action": action.value},
        )


def _may_see(principal: Principal, action: Action, resource: Resource) -> bool:
    standing = resource.standing
    if standing is None:
        return False
    if standing.is_deleted:
        return action in OF_DELETED and _is_theirs(principal, resource)
    if _takes_part(principal, action, resource) or _is_itself(principal, action, resource):
        return True
    if standing.share_mode == "public" or (standing.share_mode == "semi-private" and principal.trusted):
        return True
    return _is_theirs(principal, resource)


def _takes_part(principal: Principal, action: Action, resource: Resource) -> bool:
    attends = principal.attends
    if attends is None:
        return False
    if resource.kind is Kind.MEETING:
        return resource.id == attends.meeting_id and action in OF_PARTICIPANTS
    return resource.kind is Kind.TRANSCRIPT and resource.id == attends.transcript_id and action is Action.LISTEN


def _is_itself(principal: Principal, action: Action, resource: Resource) -> bool:
    """A bot that sends what it hears."""
    return resource.kind is Kind.BOT and resource.id == principal.bot_id and action is Action.SPEAK


def _is_theirs(principal: Principal, resource: Resource) -> bool:
    if principal.is_admin:
        return True
    if resource.owner is not None:
        return resource.owner == principal.id
    # What nobody owns is whose who have its id. Keys are no such things: they open what others own. Nor are projects,
    # whose ids all participants have, nor voices: those of nobody are of whoever is nobody in particular.
    if resource.kind is Kind.API_KEY:
        return False
    if resource.kind in (Kind.PROJECT, Kind.CONVERSATION, Kind.VOICE):
        return principal.trusted and principal.id is None
    return principal.trusted or (principal.public and resource.kind in OF_WHO_HAS_THE_ID)


def _check_scopes(principal: Principal, action: Action) -> None:
    if principal.is_admin:
        return
    if action is Action.KEYS and principal.key_id is not None:
        # Else one that leaked could be replaced by its finder before it is revoked.
        raise Forbidden("an API key without the scope admin cannot manage keys: sign in as the person it belongs to")
    if action in OF_GUESTS and not principal.trusted:
        return
    needed = SCOPES[action]
    if needed and not needed & principal.scopes:
        raise Forbidden(
            f"this needs the scope {' or '.join(sorted(needed))}",
            details={"action": action.value, "scopes": sorted(principal.scopes)},
        )


def _sign_in(principal: Principal, action: Action) -> NotAuthorised:
    if principal.attends is not None:
        return NotAuthorised(
            "this token is for taking part in its meeting, and for nothing else: sign in with another",
            details={"action": action.value},
        )
    return NotAuthorised(
        "this server needs to know who asks: send Authorization: Bearer <token>, or an API key",
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


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


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
