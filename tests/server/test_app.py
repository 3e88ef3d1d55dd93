"""The app as a whole: every route guarded, every answer in the envelope, with its headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from protocol.ids import new_transcript_id
from server.app import build_app
from server.auth import BY_ID, PUBLIC
from server.doors.access import Entry
from server.services import Services
from tests.fakes.node import node_settings
from tests.fakes.running_app import RunningApp, in_process, running_app
from tests.server.routes import OF_OTHERS, ROUTES, path_of, routes_of

TOKEN = "canary-token-of-the-test"


def test_the_table_names_every_route_and_each_has_its_entry(tmp_path: Path) -> None:
    app = build_app(node_settings(tmp_path))
    assert routes_of(app) == set(ROUTES)
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            continue  # their entry is serve_socket; the token tests below try them
        assert isinstance(route, Route)
        entries = [d.call.action for d in route.dependant.dependencies if isinstance(d.call, Entry)]  # type: ignore[attr-defined]
        assert entries == [ROUTES[method, route.path] for method in sorted(route.methods or ())][:1], route.path


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[RunningApp]:
    # A test that tries wrong tokens on every route is one that guesses, too.
    options = {"failed_sign_ins_per_minute": 0, "creations_per_minute": 0}
    async with running_app(tmp_path, access_token=SecretStr(TOKEN), **options) as running:
        yield running


async def test_every_route_with_no_token_a_wrong_one_and_the_right_one(guarded: RunningApp) -> None:
    for (method, template), action in ROUTES.items():
        if template in OF_OTHERS and action not in PUBLIC:
            continue
        for headers, is_let_in in (
            ({}, action in PUBLIC | BY_ID),
            ({"Authorization": "Bearer wrong"}, action in PUBLIC),
            ({"Authorization": f"Bearer {TOKEN}"}, True),
        ):
            place = f"{method} {template} {headers}"
            path = path_of(template)
            if method == "WS":
                async with connect(guarded.ws_url(path), additional_headers=headers, proxy=None) as connection:
                    error = json.loads(await connection.recv())
                    if path == "/v1/realtime" and is_let_in:  # it names nothing that there could not be
                        assert error["type"] == "session.created"
                        continue
                    with pytest.raises(ConnectionClosed) as closed:
                        await connection.recv()
                assert error["type"] == "error", place
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == (4004 if is_let_in else 4001), place
                continue
            response = await guarded.http.request(method, path, headers=headers)
            assert (response.status_code != 401) is is_let_in, place
            assert response.status_code < 500, place
            if response.status_code == 401 and method != "HEAD":
                assert response.json()["error"]["code"] in ("NOT_AUTHORISED", "invalid_api_key")
            assert response.headers["x-request-id"], place
            assert float(response.headers["x-process-time-ms"]) >= 0, place
            assert "script" not in response.headers["content-security-policy"]


async def test_a_browser_gives_the_token_as_subprotocol(guarded: RunningApp) -> None:
    transcript_id = await guarded.new_transcript()
    path = f"/v1/transcripts_websocket/{transcript_id}"
    async with guarded.socket(path, subprotocols=["bearer", TOKEN]) as socket:
        assert socket.connection.subprotocol == "bearer"
        await socket.send({"action": "get_status"})
        assert (await socket.until("status"))["data"]["status"] == "initializing"
    async with guarded.socket(path, subprotocols=["bearer", "wrong"]) as socket:
        assert (await socket.closed())[0] == 4001


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
async def test_pages_of_other_sites_are_refused(guarded: RunningApp, origin: str) -> None:
    headers = {"Origin": origin, "Authorization": f"Bearer {TOKEN}"}
    response = await guarded.http.post("/v1/transcripts/", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")
    with pytest.raises(Exception, match="403"):
        async with guarded.socket(f"/v1/transcripts_websocket/{new_transcript_id()}", additional_headers=headers):
            pass


async def test_without_a_token_a_name_that_nobody_configured_is_refused(tmp_path: Path) -> None:
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    async with running_app(tmp_path, allowed_hosts="earshot.lan") as node:
        for method, path in (("GET", "/v1/transcripts"), ("POST", "/v1/transcripts"), ("GET", "/")):
            response = await node.http.request(method, path, headers=rebound)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")
            assert "allowed_hosts" in response.json()["error"]["message"]
        path = f"/v1/transcripts_websocket/{await node.new_transcript()}"
        with pytest.raises(InvalidStatus, match="403"):
            # The Host header is made from the address; the connection goes to the server all the same.
            await connect(
                f"ws://evil.example{path}",
                host="127.0.0.1",
                port=node.port,
                proxy=None,
                origin=Origin("http://evil.example"),
            )
        response = await node.http.get("/v1/transcripts", headers={"Host": "earshot.lan:8000"})
        assert response.status_code == 200


async def test_with_a_token_any_name_will_do(guarded: RunningApp) -> None:
    headers = {"Host": "whatever.example", "Authorization": f"Bearer {TOKEN}"}
    assert (await guarded.http.get("/v1/transcripts", headers=headers)).status_code == 200


async def test_allowed_origins_get_cors_headers_and_others_do_not(tmp_path: Path) -> None:
    options = node_settings(tmp_path, allowed_origins=("https://friend.example",))
    async with in_process(options, await _services(options)) as client:
        friend = await client.get("/v1/transcripts/", headers={"Origin": "https://friend.example"})
        assert friend.headers["access-control-allow-origin"] == "https://friend.example"
        preflight = await client.options(
            "/v1/transcripts/",
            headers={
                "Origin": "https://friend.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert preflight.status_code == 200
        evil = await client.get("/v1/transcripts/", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in evil.headers
        await client.app.state.services.stop()


async def test_whatever_is_answered_pages_of_allowed_origins_may_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    friend, origin = "https://friend.example", {"Origin": "https://friend.example"}
    options: dict[str, Any] = {"allowed_origins": friend, "access_token": SecretStr(TOKEN), "creations_per_minute": 2}
    async with running_app(tmp_path, **options) as node:
        monkeypatch.setattr(node.services.store.projects, "page", broken)
        known = origin | {"Authorization": f"Bearer {TOKEN}"}
        cases = [
            ("GET", "/", origin, 200),
            ("GET", "/health", origin, 200),
            ("GET", "/nowhere", origin, 404),
            ("GET", "/v1/nowhere", known, 404),
            ("GET", "/api/transcribe/jobs", origin, 401),
            ("GET", "/api/transcribe/status/nothing", known, 200),
            ("GET", "/api/transcribe/result/nothing", known, 404),
            ("POST", "/api/transcribe/", known, 400),
            ("PUT", "/api/transcribe/", known, 405),
            ("POST", "/v1/transcripts/", known, 201),
            ("POST", "/v1/transcripts/", known, 429),
            ("GET", "/api/projects", known, 500),
        ]
        for method, path, headers, status in cases:
            answer = await node.http.request(method, path, headers=headers)
            assert answer.status_code == status, f"{method} {path}: {answer.text}"
            assert answer.headers["access-control-allow-origin"] == friend, f"{method} {path}"
            assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
            assert "Origin" in answer.headers["vary"]
        for path in ("/", "/nowhere", "/api/transcribe/", "/api/transcribe", "/api/projects"):
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
            preflight = await node.http.options(path, headers=origin | asked)  # without a token, as browsers ask
            assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, friend), path
            assert "POST" in preflight.headers["access-control-allow-methods"]


async def _services(options: object) -> Services:
    return await Services.start(options)  # type: ignore[arg-type]


async def test_errors_have_the_envelope_and_their_headers(guarded: RunningApp) -> None:
    auth = {"Authorization": f"Bearer {TOKEN}"}
    cases = [
        ("GET", "/v1/nothing", 404, "NOT_FOUND"),
        ("POST", "/v1/nothing/at/all", 404, "NOT_FOUND"),
        ("GET", "/nothing.js", 404, "NOT_FOUND"),
        ("POST", "/", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/v1/transcripts/", 405, "METHOD_NOT_ALLOWED"),
        ("GET", f"/v1/transcripts/{new_transcript_id()}", 404, "NOT_FOUND"),
        ("GET", "/v1/transcripts/not-an-id", 404, "NOT_FOUND"),
        ("GET", "/v1/transcripts/?page=0", 422, "VALIDATION_ERROR"),
    ]
    for method, path, status, code in cases:
        response = await guarded.http.request(method, path, headers={**auth, "X-Request-ID": "abcd-1234"})
        assert (response.status_code, response.json()["error"]["code"]) == (status, code), path
        assert set(response.json()["error"]) == {"code", "message", "details"}
        assert response.headers["x-request-id"] == "abcd-1234"


async def test_an_unexpected_error_is_a_500_with_its_request_id(
    guarded: RunningApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("canary-in-the-message")

    monkeypatch.setattr(guarded.services.store, "list_transcripts", broken)
    monkeypatch.setattr(guarded.services.store.projects, "page", broken)
    for path in ("/v1/transcripts/", "/api/projects"):
        response = await guarded.http.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.status_code == 500
        assert response.json()["error"]["details"]["request_id"] == response.headers["x-request-id"]
        assert "canary" not in response.text
        assert ("detail" in response.json()) is path.startswith("/api/")


async def test_pages_stay_in_their_folder(guarded: RunningApp) -> None:
    for path in ("/", "/t", "/t/anything", "/rooms", "/r/anything", "/projects", "/projects/anything"):
        response = await guarded.http.get(path, headers={"Accept": "text/html"})
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        known = {"Accept": "text/html", "If-None-Match": response.headers["etag"]}
        again = await guarded.http.get(path, headers=known)
        assert (again.status_code, again.headers["x-request-id"] != "") == (304, True)
    for path in (
        "/../pyproject.toml",
        "/%2e%2e/pyproject.toml",
        "/..%2fserver%2fapp.py",
        "/sample/make_sample.py",
        "/.%2e/.git/config.json",
        "/js/",
        "/js",
        "/%00.js",
        "/" + "a" * 5000 + ".js",
        "//etc/passwd.json",
    ):
        # As raw bytes: a client library would tidy the path.
        assert (await raw_get(guarded.port, path)).startswith(b"HTTP/1.1 404"), path


async def raw_get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "language", "summary", "sdp", "type", "resume_token", "session_id", "track", "topics"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
BODIES = st.binary(max_size=60) | JSONS.map(lambda value: json.dumps(value).encode())
HTTP_ROUTES = sorted(place for place in ROUTES if place[0] != "WS" and place[1] != "/v1/models/{name}/pull")


async def test_no_input_makes_a_500(tmp_path: Path) -> None:
    options = node_settings(tmp_path)
    services = await Services.start(options)
    try:
        async with in_process(options, services) as client:
            transcript_id = (await services.store.create_transcript()).id
            await _try_everything(client, transcript_id)
    finally:
        await services.stop()


async def _try_everything(client: httpx.AsyncClient, transcript_id: str) -> None:
    loop = asyncio.get_running_loop()
    queries = st.dictionaries(
        st.sampled_from(["page", "size", "search", "track", "format", "count"]), st.text(max_size=8), max_size=3
    )
    headers = st.dictionaries(
        st.sampled_from(["Range", "If-Range", "If-Match", "Accept", "Content-Type", "X-Request-ID", "X-Filename"]),
        st.sampled_from(
            [
                *("bytes=0-1", "bytes=-1", "bytes=9-1", "multipart/form-data; boundary=x", "\x7f", "application/json"),
                *("*", "application/sdp", "application/trickle-ice-sdpfrag"),
            ]
        ),
        max_size=2,
    )
    ids = st.sampled_from([transcript_id, new_transcript_id(), "x", "%00", "%ff", "..%2f"])

    @settings(suppress_health_check=list(HealthCheck), max_examples=150)
    @given(st.sampled_from(HTTP_ROUTES), ids, queries, headers, BODIES)
    def attempt(place: tuple[str, str], id_: str, query: dict[str, str], more: dict[str, str], body: bytes) -> None:
        method, template = place
        if method == "DELETE" and id_ == transcript_id:
            return
        path = template.replace("{transcript_id}", id_).replace("{page_id}", id_).replace("{name:path}", id_)
        path = path.replace("{session_id}", id_).replace("{upload_id}", id_).replace("{number}", "0")
        request = client.request(method, path, params=query, headers=more, content=body)
        response = asyncio.run_coroutine_threadsafe(request, loop).result()
        assert response.status_code < 500 or response.status_code == 503, (place, response.text)
        # Files say in plain text what is wrong with a range.
        if response.status_code >= 400 and method != "HEAD" and template.startswith("/v1/"):
            assert set(response.json()["error"]) == {"code", "message", "details"}

    await asyncio.to_thread(attempt)
