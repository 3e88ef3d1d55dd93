"""What every response carries and every request leaves in the log. Pure ASGI, outside of everything else.

``X-Request-ID`` and ``X-Process-Time-Ms`` on every response there is: errors, unknown paths, files, handshakes. The
log line holds the route's template, never the path, its query or a header.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.ids import is_transcript_id, new_request_id
from server.leaving import UnderWay
from server.metrics import Metrics

log = structlog.get_logger(__name__)

# An id that somebody else made is kept when it is short and plain, so that it is safe in headers and logs.
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")

POLICY = b"content-security-policy"
# blob: is for players of sound that was fetched with a token; data: for pictures in the stylesheet.
POLICY_OF_PAGES = (
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (POLICY, POLICY_OF_PAGES.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class RequestContext:
    """Also takes one trailing slash off paths under ``/v1/``, ``/api/`` and ``/whip/``: both spellings reach one
    route, without a redirect. ``uploads`` counts the requests that bring something.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, uploads: UnderWay) -> None:
        self.app = app
        self.metrics = metrics
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        started_s = time.perf_counter()
        path: str = scope["path"]
        if path.endswith("/") and path.startswith(("/v1/", "/api/", "/whip/")) and path != "/v1/":
            scope["path"] = path[:-1]
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
                status = message.get("status", 101)
                own = list(message.get("headers", ()))
                ours = [*self._headers(request_id, started_s), *_told(scope["state"])]
                if any(name == POLICY for name, _ in own):  # browsers would hold it to both
                    ours = [header for header in ours if header[0] != POLICY]
                message = {**message, "headers": [*own, *ours]}
            await send(message)

        brings = scope.get("method") in ("POST", "PUT", "PATCH")
        with (
            self.uploads if brings else contextlib.nullcontext(),
            structlog.contextvars.bound_contextvars(request_id=request_id),
        ):
            try:
                await self.app(scope, receive, send_with_headers)
            finally:
                self._served(scope, status, started_s)

    def _headers(self, request_id: str, started_s: float) -> list[tuple[bytes, bytes]]:
        spent_ms = (time.perf_counter() - started_s) * 1000
        return [
            (b"x-request-id", request_id.encode()),
            (b"x-process-time-ms", f"{spent_ms:.1f}".encode()),
            *SECURITY_HEADERS,
        ]

    def _served(self, scope: Scope, status: int, started_s: float) -> None:
        route = route_template(scope)
        method = scope.get("method", "WS")
        spent_s = time.perf_counter() - started_s
        self.metrics.served(method, route, status, None if scope["type"] == "websocket" else spent_s)
        fields: dict[str, Any] = {"method": method, "route": route, "status": status, "ms": round(spent_s * 1000, 1)}
        transcript_id = scope.get("path_params", {}).get("transcript_id", "")
        if is_transcript_id(transcript_id):
            fields["transcript"] = transcript_id
        # These come every few seconds and say nothing.
        level = log.debug if route in ("/health", "/health/live", "/metrics", "/debug/loop.json") else log.info
        level("request served", **fields)


def _told(state: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """What whoever let the request in has to say, whatever it is then answered with."""
    return [(name.lower().encode(), value.encode()) for name, value in state.get("answer_headers", ())]


def route_template(scope: Scope) -> str:
    """Such as ``/v1/transcripts/{transcript_id}``; ``unknown`` where no route matched, so that labels stay few."""
    return str(getattr(scope.get("route"), "path", "unknown"))


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            return given if _SANE_ID.fullmatch(given) else new_request_id()
    return new_request_id()
