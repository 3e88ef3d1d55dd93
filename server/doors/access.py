"""The entry of every route: who asks, from which page, for what; and what of the house they then get."""

from __future__ import annotations

from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker
from starlette.requests import HTTPConnection

from protocol.errors import NotFound
from protocol.ids import is_transcript_id
from server.auth import SAFE_METHODS, Action, Principal, authorize, check_host, check_origin, host_of, identify
from server.client_address import client_address, networks_of
from server.leaving import Leaving
from server.metrics import Metrics
from server.services import Services
from server.settings import Settings


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


def address_of(connection: HTTPConnection) -> str:
    """The client's address, which limits are counted by; through a proxy that is trusted, too."""
    peer = connection.client.host if connection.client is not None else None
    proxies = networks_of(settings_of(connection).trusted_proxies)
    return client_address(peer, connection.headers.getlist("x-forwarded-for"), proxies)


def enter(connection: HTTPConnection, action: Action) -> Principal:
    """Authorise a request or a socket's handshake. Raises ``Forbidden``, ``NotAuthorised``, ``NotFound``.

    The transcript's id is checked here too: text that is no id never reaches a path, a query or a log line.
    """
    settings = settings_of(connection)
    headers = connection.headers
    if connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE_METHODS:
        check_origin(headers.get("origin"), headers.get("host"), settings.allowed_origins)
    secret = settings.access_token.get_secret_value() if settings.access_token is not None else None
    if secret is None:
        # Then being reached is all it takes, and a page of any site can reach us by a name of its own.
        own = (settings.host, *settings.allowed_hosts, *map(host_of, settings.allowed_origins))
        check_host(headers.get("host"), filter(None, own))
    address = connection.client.host if connection.client is not None else None
    principal = identify(secret, headers, connection.scope.get("subprotocols", ()), address=address)
    transcript_id = connection.path_params.get("transcript_id")
    authorize(principal, action, transcript_id)
    if transcript_id is not None and not is_transcript_id(transcript_id):
        raise no_such_transcript()
    return principal


def no_such_transcript() -> NotFound:
    return NotFound("no such transcript")


class Entry:
    """A dependency that lets a request in for one action; the route table's test reads ``action``."""

    def __init__(self, action: Action) -> None:
        self.action = action

    async def __call__(self, request: Request) -> Principal:
        return enter(request, self.action)


def entry(action: Action) -> DependsMarker:
    """For ``dependencies=[entry(Action.READ)]`` of a route."""
    marker: DependsMarker = Depends(Entry(action))
    return marker
