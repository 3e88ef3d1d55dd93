from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from starlette.routing import BaseRoute, Match

from server.app import build_app
from server.route_starts import RouteStarts
from tests.fakes.node import node_settings

ODD = ("", "/", "//", "//v1/transcripts", "/v1", "/v1/", "/V1/transcripts", "/v1x", "/js/live.js", "/a/b/c", "/{name}")


def found(routes: Sequence[BaseRoute], scope: dict[str, str]) -> BaseRoute | None:
    """As a router looks: the first that fits, else the first that fits but for the method."""
    matches = [(route.matches(scope)[0], route) for route in routes]
    whole = (route for match, route in matches if match is Match.FULL)
    partly = (route for match, route in matches if match is Match.PARTIAL)
    return next(whole, next(partly, None))


def test_each_path_finds_the_route_that_it_would_find_among_all(tmp_path: Path) -> None:
    app = build_app(node_settings(tmp_path))
    starts = app.router.middleware_stack
    assert isinstance(starts, RouteStarts)
    templates = [str(getattr(route, "path", "")) for route in app.routes]
    for path in {*ODD, *(re.sub(r"{.*?}", "x", template) for template in templates)}:
        for kind, method in (("http", "GET"), ("http", "POST"), ("http", "TRACE"), ("websocket", "")):
            scope = {"type": kind, "method": method, "path": path, "root_path": ""}
            assert found(starts.of(path).routes, scope) is found(app.routes, scope), (kind, method, path)
    assert len(starts.of("/js/live.js").routes) < 5, "a file of a page is not held against the API"
