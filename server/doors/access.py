"""The entry of every route: who asks, from which page, for what; and what of the house they then get."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog
from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker
from starlette.requests import HTTPConnection

from protocol.errors import EarshotError, HeldElsewhere, StoreUnavailable, TryLater
from server.accounts import bot_tokens, tickets
from server.accounts.accounts import Shown
from server.accounts.credentials import secrets_of
from server.accounts.principal import Principal, nobody
from server.accounts.resource import NAMED, Kind, Resource, load
from server.auth import CREATES, PUBLIC, SAFE_METHODS, Action, authorize, check_host, check_origin, host_of, may
from server.client_address import client_address, is_proxy, networks_of
from server.leaving import Leaving
from server.metrics import Metrics
from server.peer_source import Unwelcome
from server.rate_limits import RateLimits, Stand
from server.services import Services
from server.settings import Settings
from server.store.standing import Standing

log = structlog.get_logger(__name__)

HandOver = Callable[[str], Awaitable[bool]]
Ask = Callable[[str, str, str], Awaitable[bool]]


def settings_of(connection: HTTPConnection) -> Settings:
    settings: Settings = connection.app.state.settings
    return settings


def services_of(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


def metrics_of(connection: HTTPConnection) -> Metrics:
    metrics: Metrics = connection.app.state.metrics
    return metrics


def leaving_of(connection: HTTPConnection) -> Leaving:
    leaving: Leaving = connection.app.state.leaving
    return leaving


def rate_limits_of(connection: HTTPConnection) -> RateLimits:
    limits: RateLimits = connection.app.state.rate_limits
    return limits


async def handed_over(connection: HTTPConnection, error: EarshotError) -> bool:
    """Whether the connection goes on in another worker of this machine, which has what it is about; then there is
    nothing more to do with it here."""
    hand_over: HandOver | None = connection.scope.get("state", {}).get("hand_over")
    if hand_over is None or not isinstance(error, HeldElsewhere) or not error.node_id:
        return False
    return await hand_over(error.node_id)


def plainly(connection: HTTPConnection, error: EarshotError) -> EarshotError:
    """The error as it is told a client. Where it says to go to the address that the client is at, as of a worker beside
    us that hangs, there is nothing to do but to come again."""
    here = settings_of(connection).node_url.rstrip("/")
    if not here or not isinstance(error, HeldElsewhere) or error.details.get("server_url") != here:
        return error
    wait_s = error.retry_after_s
    message = "the process of this server that has this transcript does not answer just now: ask again"
    return TryLater(message, details={"retry_after_s": wait_s}, retry_after_s=wait_s)


async def done_elsewhere(connection: HTTPConnection, error: HeldElsewhere, transcript_id: str, action: str) -> bool:
    """Whether another worker of this machine, which holds the transcript, did that. Raises what it raised."""
    ask: Ask | None = connection.scope.get("state", {}).get("ask")
    return ask is not None and bool(error.node_id) and await ask(error.node_id, transcript_id, action)


def address_of(connection: HTTPConnection) -> str:
    """The client's address, which limits are counted by; through a proxy that is trusted, too."""
    peer = connection.client.host if connection.client is not None else None
    proxies = networks_of(settings_of(connection).trusted_proxies)
    return client_address(peer, connection.headers.getlist("x-forwarded-for"), proxies)


def base_url_of(connection: HTTPConnection) -> str:
    """How the client reached us, such as ``https://talk.example``, without a slash at the end.

    A proxy of ours that speaks TLS for us says so in ``X-Forwarded-Proto``: a page that is reached without TLS is given
    no microphone.
    """
    peer = connection.client.host if connection.client is not None else None
    url = connection.base_url
    if is_proxy(peer, networks_of(settings_of(connection).trusted_proxies)):
        told = connection.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        url = url.replace(scheme=told) if told in ("http", "https") else url
    return str(url).rstrip("/")


def is_socket(connection: HTTPConnection) -> bool:
    return bool(connection.scope["type"] == "websocket")


def check_page(connection: HTTPConnection) -> None:
    """Refuse pages of other sites, and other sites' names for us. Raises ``Forbidden``."""
    settings, headers = settings_of(connection), connection.headers
    if is_socket(connection) or connection.scope["method"] not in SAFE_METHODS:
        check_origin(headers.get("origin"), headers.get("host"), settings.allowed_origins)
    if services_of(connection).accounts.is_open:
        # Then being reached is all it takes, and a page of any site can reach us by a name of its own.
        own = (settings.host, *settings.allowed_hosts, *map(host_of, settings.allowed_origins))
        check_host(headers.get("host"), filter(None, own))


async def enter(
    connection: HTTPConnection, action: Action, *, of_resource: bool = True, told_secret: str | None = None
) -> Principal:
    """Authorise a request or a socket's handshake. ``told_secret``: a credential that came in a first message, of
    clients that can set no header.

    Raises ``Forbidden``, ``NotAuthorised``, ``NotFound``, and ``RateLimited`` for who makes too much, or guesses.

    Who asks and what about are kept in the connection's state: ``principal_of``, ``resource_of``.
    """
    check_page(connection)
    address = connection.client.host if connection.client is not None else None
    headers: Mapping[str, str] = connection.headers
    ticket, ticket_for = _ticket(connection)
    if told_secret is not None and told_secret.startswith(tickets.PREFIX):
        ticket = told_secret
    elif told_secret is not None:
        headers = {**headers, "authorization": f"Bearer {told_secret}"}
    shown = Shown(
        headers,
        connection.scope.get("subprotocols", ()),
        address,
        ticket,
        ticket_for,
        bot_token=_bot_token(connection),
    )
    connection.state.principal = principal = await _identified(connection, action, shown)
    connection.state.resource = resource = await _resource(connection) if of_resource else None
    authorize(principal, action, resource)
    # A socket that is about no thing makes one.
    makes = connection.scope.get("method") == "POST" or (is_socket(connection) and resource is None)
    if action in CREATES and makes:
        creations, client = rate_limits_of(connection).creations, principal.id or address_of(connection)
        told(connection, await creations.take(client)).check()
    return principal


async def _identified(connection: HTTPConnection, action: Action, shown: Shown) -> Principal:
    """Who asks. Whoever has shown too many wrong credentials is not believed even a right one, for a while."""
    accounts, guesses = services_of(connection).accounts, rate_limits_of(connection).failed_sign_ins
    if action in PUBLIC and not accounts.is_open:
        return nobody()  # the answer is the same for everybody, and must come whatever they show
    if accounts.is_open or not (shown.ticket or shown.bot_token or secrets_of(shown.headers, shown.subprotocols)):
        return await accounts.identify(shown)
    address = address_of(connection)
    told(connection, await guesses.look(address)).check()
    principal = await accounts.identify(shown)
    if principal.refused and not principal.lapsed:
        told(connection, await guesses.take(address)).check()
    return principal


def told(connection: HTTPConnection, stand: Stand) -> Stand:
    """However the request is answered then, the answer says how the client stands."""
    connection.state.answer_headers = stand.headers
    return stand


def _ticket(connection: HTTPConnection) -> tuple[str | None, str | None]:
    """A ticket, and the transcript that it is shown for, which may be a job. Sockets alone have one: of others the
    address is kept."""
    if not is_socket(connection):
        return None, None
    named = connection.path_params
    return connection.query_params.get("ticket"), named.get("transcript_id") or named.get("job_id")


def _bot_token(connection: HTTPConnection) -> str | None:
    """Of the one socket that it opens."""
    is_bots = is_socket(connection) and "bot_id" in connection.path_params
    return connection.query_params.get(bot_tokens.PARAMETER) if is_bots else None


def unwelcome_of(connection: HTTPConnection, action: Action) -> Unwelcome | None:
    """For whoever stays after they were let in; None where there will never be anything to look at again."""
    principal, resource = principal_of(connection), resource_of(connection)
    lasts = principal.expires_at is None and principal.key_id is None
    is_settled = lasts and (resource is None or _is_own(principal, resource))
    return None if is_settled else partial(_until_unwelcome, connection, action)


async def _until_unwelcome(connection: HTTPConnection, action: Action) -> None:
    every_s, expires_at = settings_of(connection).auth_recheck_s, principal_of(connection).expires_at
    while True:
        left_s = every_s if expires_at is None else expires_at - time.time()
        await asyncio.sleep(max(0.0, min(every_s, left_s)))
        try:
            await _recheck(connection, action)
        except StoreUnavailable:
            log.warning("somebody's rights could not be looked at again; that is tried until they are")


async def _recheck(connection: HTTPConnection, action: Action) -> None:
    """Look again at somebody who is in since long: whether their token or key holds, and whether what is somebody
    else's is still shared with them. Raises what ``enter`` raises."""
    services, principal, resource = services_of(connection), principal_of(connection), resource_of(connection)
    await services.accounts.recheck(principal)
    if resource is not None and not _is_own(principal, resource):
        authorize(principal, action, await _resource(connection))


def _is_own(principal: Principal, resource: Resource) -> bool:
    return principal.is_admin or resource.owner == principal.id


async def _resource(connection: HTTPConnection) -> Resource | None:
    """What the path is about: of several things that it names the last, which lies in those before it."""
    for parameter, text in reversed(connection.path_params.items()):
        if parameter in NAMED:
            return await load(services_of(connection).store, parameter, text)
    return None


def principal_of(connection: HTTPConnection) -> Principal:
    """Who asks, where an entry let them in."""
    principal: Principal = connection.state.principal
    return principal


def resource_of(connection: HTTPConnection) -> Resource | None:
    """What the path names, where an entry let somebody in to it."""
    resource: Resource | None = connection.state.resource
    return resource


def may_change(connection: HTTPConnection, kind: Kind, owner: str | None) -> bool:
    """Whether who asks may change what ``owner`` owns, wherever it is met: in a list, or in the answer of another."""
    return may(principal_of(connection), Action.CHANGE, Resource(kind, "", Standing(owner)))


async def admit(connection: HTTPConnection, action: Action, parameter: str, text: str) -> Resource:
    """Authorise what a body or a message names besides the path, ``parameter`` being a name in ``NAMED``.

    Raises what ``enter`` raises.
    """
    resource = await load(services_of(connection).store, parameter, text)
    authorize(principal_of(connection), action, resource)
    return resource


class Entry:
    """A dependency that lets a request in for one action; the route table's test reads ``action``."""

    def __init__(self, action: Action, *, of_resource: bool) -> None:
        self.action = action
        self.of_resource = of_resource

    async def __call__(self, request: Request) -> Principal:
        return await enter(request, self.action, of_resource=self.of_resource)


def entry(action: Action, *, of_resource: bool = True) -> DependsMarker:
    """For ``dependencies=[entry(Action.READ)]`` of a route.

    What its path names is looked up and authorised. ``of_resource=False`` is for answers that are the same whatever
    the path names.
    """
    marker: DependsMarker = Depends(Entry(action, of_resource=of_resource))
    return marker
