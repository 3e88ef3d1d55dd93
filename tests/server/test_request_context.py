"""Headers on every response there is, and one line for each request."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from server.leaving import UnderWay
from server.metrics import Metrics
from server.request_context import SECURITY_HEADERS, RequestContext


def client_of(app: object, metrics: Metrics | None = None) -> httpx.AsyncClient:
    wrapped = RequestContext(app, metrics=metrics or Metrics(), uploads=UnderWay())  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://x")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    await PlainTextResponse(f"{request.url.path} {request.state.request_id}")(scope, receive, send)


@pytest.mark.parametrize("given", ["abcdefgh", "A.b_c-1234", "x" * 128])
async def test_a_sane_id_is_kept(given: str) -> None:
    async with client_of(echo) as client:
        response = await client.get("/", headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given
    assert response.text == f"/ {given}"


@pytest.mark.parametrize("given", ["short", "x" * 129, "with space 1", "new\tline-id", "<script>1", "é" * 9])
async def test_any_other_is_replaced(given: str) -> None:
    async with client_of(echo) as client:
        response = await client.get("/", headers={b"x-request-id": given.encode()})
    assert response.headers["x-request-id"].startswith("req_")


async def test_a_policy_of_an_answers_own_is_the_only_one() -> None:
    async def strict(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"Content-Security-Policy": "default-src 'none'"}
        await PlainTextResponse("", headers=headers)(scope, receive, send)

    for app, policies in ((strict, ["default-src 'none'"]), (echo, [SECURITY_HEADERS[0][1].decode()])):
        async with client_of(app) as client:
            answer = await client.get("/")
        assert answer.headers.get_list("content-security-policy") == policies
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/v1/transcripts/", "/v1/transcripts"),
        ("/v1/x", "/v1/x"),
        ("/v1/x//", "/v1/x/"),
        ("/v1/", "/v1/"),
        ("/t/", "/t/"),
    ],
)
async def test_one_slash_at_the_end_makes_no_difference_under_v1(path: str, seen: str) -> None:
    async with client_of(echo) as client:
        assert (await client.get(path)).text.split()[0] == seen


async def test_the_line_has_no_query_and_no_path_and_the_time_is_measured() -> None:
    metrics = Metrics()
    with capture_logs() as logs:
        async with client_of(echo, metrics) as client:
            response = await client.get("/canary-path?token=canary-query", headers={"Authorization": "canary-auth"})
    assert float(response.headers["x-process-time-ms"]) >= 0
    (line,) = logs
    assert (line["event"], line["method"], line["route"], line["status"]) == ("request served", "GET", "unknown", 200)
    assert "canary" not in repr(logs)
    assert b'earshot_http_requests_total{method="GET",route="unknown",status="200"} 1.0' in metrics.text()


async def test_pages_may_run_only_our_own_code() -> None:
    async with client_of(echo) as client:
        headers = (await client.get("/")).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
