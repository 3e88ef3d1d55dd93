"""Every error becomes the envelope ``{"error": {"code", "message", "details"}}`` here, once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.errors import EarshotError, Internal, ValidationFailed
from protocol.openai_errors import error_body, speaks_openai, status_of
from server.doors.access import handed_over, plainly

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=BaseModel)

PROBLEM_MAX_CHARS = 200  # a field may be called anything
_CHOICES = frozenset({"constrained-int", "constrained-str", "int", "str"})  # pydantic's, of what a field may be

_CODES = {
    400: "BAD_REQUEST",
    401: "NOT_AUTHORISED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    406: "NOT_ACCEPTABLE",
    412: "PRECONDITION_FAILED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    416: "RANGE_NOT_SATISFIABLE",
    422: "NOT_SUPPORTED",
    428: "PRECONDITION_REQUIRED",
}


class ErrorBody(BaseModel):
    """What went wrong: ``code`` for programs, ``message`` for people."""

    code: str
    message: str
    details: dict[str, Any]


class ErrorEnvelope(BaseModel):
    """``detail``: the message once more, below ``/api/`` alone."""

    error: ErrorBody
    detail: str = ""


# For OpenAPI, of every route: where none is named, FastAPI describes an answer 422 of its own. What errors there are,
# and of what form, is said once for all (``openapi.document``): models here would be built again for each route, and
# were a quarter of what the start costs.
DOCUMENTED: dict[int | str, dict[str, Any]] = {422: {"description": "A field is not as documented"}}


def envelope(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": dict(details or {})}}


class OpenAiError(BaseModel):
    """As OpenAI's clients read it: ``type`` and ``code`` for programs, ``param`` names the field that is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAiErrorEnvelope(BaseModel):
    """Of the paths that OpenAI has, too."""

    error: OpenAiError


def _answer(
    request: Request, status: int, error: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    if speaks_openai(request.url.path):
        status = status_of(status)
        error = error_body(status, error["code"], error["message"], error["details"])
    return JSONResponse(_body(request, error), status_code=status, headers=headers)


def _body(request: Request, error: Mapping[str, Any]) -> dict[str, Any]:
    """Clients of neighbouring systems, which ask below ``/api/``, read the message in ``detail``."""
    beside = {"detail": error["message"]} if request.url.path.startswith("/api/") else {}
    return {"error": error, **beside}


def _error_response(request: Request, error: EarshotError) -> JSONResponse:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    elif error.http_status == 503:
        headers["Retry-After"] = "5"
    if error.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(request, error.http_status, error.to_dict(), headers)


def validation_failed(problems: list[Any]) -> ValidationFailed:
    """From pydantic's ``errors()``. The offending values are left out: they may be secrets, or not JSON."""
    details = [
        {
            "field": ".".join(str(part) for part in item["loc"] if part not in _CHOICES),
            "problem": item["msg"].removeprefix("Value error, "),  # what we say ourselves
        }
        for item in problems
    ]
    return not_as_documented(details)


def not_as_documented(problems: list[dict[str, str]]) -> ValidationFailed:
    """``problems``: each with its ``field`` and ``problem``, at least one. The message says the first of them."""
    first = f"{problems[0]['field']}: {problems[0]['problem']}".removeprefix(": ")[:PROBLEM_MAX_CHARS]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    message = f"the request is not as documented: {first}{more}"
    return ValidationFailed(message, details={"problems": problems[:50]})


def parse_body(model: type[M], body: bytes) -> M:
    """A JSON body as ``model``; an empty one as ``{}``. Raises ``ValidationFailed``.

    Strictly: 0 is no false, and "1" no number. Whoever sends those means something else than they think.
    """
    try:
        return model.model_validate_json(body or b"{}", strict=True)
    except ValidationError as error:
        raise validation_failed(error.errors(include_input=False, include_context=False)) from None


class Unanswered(Response):
    """Of a request that another worker answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pass


async def _on_earshot_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EarshotError)
    if await handed_over(request, error):
        return Unanswered()
    error = plainly(request, error)
    if error.http_status >= 500 and not error.retryable:
        # Of what others did wrong we know the reason; of our own faults we want to know where.
        log.error("request failed", code=error.code, exc_info=error if isinstance(error, Internal) else None)
    return _error_response(request, error)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return _error_response(request, validation_failed(list(error.errors())))


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "HTTP_ERROR")
    headers = dict(error.headers or {})
    message = str(error.detail)
    if error.status_code == 405 and message == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
        allowed = _methods_of(request)
        headers["Allow"] = ", ".join(allowed)
        message = f"this path takes {', '.join(allowed)}"
    return _answer(request, error.status_code, envelope(code, message)["error"], headers)


def _methods_of(request: Request) -> list[str]:
    """The methods that the path takes: our library names those of the first route alone that has the path."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(EarshotError, _on_earshot_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http_exception)


class CatchErrors:
    """The last net: an unexpected error is logged with its traceback and answered with the request's id.

    It sits inside the middleware that adds headers, so that a 500 has them too; and it lets nothing out, so that the
    server's own log never prints an error a second time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except Exception:
            log.exception("unexpected error", kind=scope["type"])
            if begun:
                return
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": Internal.close_code, "reason": ""})
                return
            details = {"request_id": scope["state"]["request_id"]}
            error = envelope(Internal.code, "something went wrong on our side", details)["error"]
            await _answer(Request(scope), 500, error)(scope, receive, send)
