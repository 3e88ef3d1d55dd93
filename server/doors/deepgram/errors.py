"""Errors of requests in the original's form."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from protocol.deepgram_results import error_body
from protocol.errors import EarshotError

log = structlog.get_logger(__name__)


class DeepgramRoute(APIRoute):
    """A route whose errors, those of its entry too, are told as Deepgram tells them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except EarshotError as error:
                if error.http_status >= 500 and not error.retryable:
                    log.error("request failed", code=error.code, exc_info=error)
                return error_response(error, str(request.scope["state"]["request_id"]))

        return handle


def error_response(error: EarshotError, request_id: str) -> JSONResponse:
    why = error.message.encode("ascii", "replace").decode()
    headers = {"dg-request-id": request_id, "dg-error": why}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return JSONResponse(error_body(error, request_id), error.http_status, headers=headers)
