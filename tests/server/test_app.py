"""The app as a whole: every route guarded, every answer in the envelope, with its headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from protocol.ids import new_transcript_id
from server.app import build_app
from server.auth import PUBLIC, Action
from server.doors.access import Entry
from server.services import Services
from tests.fakes.node import node_settings
from tests.fakes.running_app import RunningApp, in_process, running_app

TOKEN = "canary-token-of-the-test"

# Every route there is, with what it asks for. A new route that is not written here fails the test below.
ROUTES: dict[tuple[str, str], Action] = {
    ("GET", "/health"): Action.HEALTH,
    ("GET", "/metrics"): Action.METRICS,
    ("GET", "/v1/openapi.json"): Action.DESCRIBE,
    ("GET", "/v1/me"): Action.ME,
    **{(method, f"/v1/{keys}"): Action.KEYS for method in ("GET", "POST") for keys in ("api-keys", "user/api-keys")},
    **{("DELETE", f"/v1/{keys}/{{key_id}}"): Action.KEYS for keys in ("api-keys", "user/api-keys")},
    ("POST", "/v1/tickets"): Action.TICKET,
    ("GET", "/v1/transcripts"): Action.LIST,
    ("POST", "/v1/transcripts"): Action.CREATE,
    ("GET", "/v1/transcripts/{transcript_id}"): Action.READ,
    ("PATCH", "/v1/transcripts/{transcript_id}"): Action.CHANGE,
    ("DELETE", "/v1/transcripts/{transcript_id}"): Action.DELETE,
    ("POST", "/v1/transcripts/{transcript_id}/restore"): Action.RESTORE,
    ("DELETE", "/v1/transcripts/{transcript_id}/destroy"): Action.DESTROY,
    ("DELETE", "/v1/transcripts/{transcript_id}/audio"): Action.DELETE,
    ("GET", "/v1/transcripts/{transcript_id}/segments"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/export"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/download/zip"): Action.READ,
    ("GET", "/v1/transcripts/search"): Action.LIST,
    ("GET", "/v1/transcripts/{transcript_id}/topics"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/topics/with-words"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/topics/{topic_id}/words-per-speaker"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/participants"): Action.READ,
    ("POST", "/v1/transcripts/{transcript_id}/participants"): Action.CHANGE,
    ("GET", "/v1/transcripts/{transcript_id}/participants/{participant_id}"): Action.READ,
    ("PATCH", "/v1/transcripts/{transcript_id}/participants/{participant_id}"): Action.CHANGE,
    ("DELETE", "/v1/transcripts/{transcript_id}/participants/{participant_id}"): Action.CHANGE,
    ("PATCH", "/v1/transcripts/{transcript_id}/speaker/assign"): Action.CHANGE,
    ("POST", "/v1/transcripts/{transcript_id}/speaker/assign"): Action.CHANGE,
    ("PATCH", "/v1/transcripts/{transcript_id}/speaker/merge"): Action.CHANGE,
    ("POST", "/v1/transcripts/{transcript_id}/speaker/merge"): Action.CHANGE,
    ("GET", "/v1/transcripts/{transcript_id}/audio"): Action.READ,
    ("HEAD", "/v1/transcripts/{transcript_id}/audio"): Action.READ,
    **{
        (method, f"/v1/transcripts/{{transcript_id}}/audio/{form}"): Action.READ
        for method in ("GET", "HEAD")
        for form in ("mp3", "waveform")
    },
    ("GET", "/v1/transcripts/{transcript_id}/waveform"): Action.READ,
    ("GET", "/v1/transcripts/{transcript_id}/uploads"): Action.UPLOAD,
    ("POST", "/v1/transcripts/{transcript_id}/uploads"): Action.UPLOAD,
    ("GET", "/v1/transcripts/{transcript_id}/uploads/{upload_id}"): Action.UPLOAD,
    ("DELETE", "/v1/transcripts/{transcript_id}/uploads/{upload_id}"): Action.UPLOAD,
    ("PUT", "/v1/transcripts/{transcript_id}/uploads/{upload_id}/chunks/{number}"): Action.UPLOAD,
    ("POST", "/v1/transcripts/{transcript_id}/uploads/{upload_id}/complete"): Action.UPLOAD,
    ("POST", "/v1/transcripts/{transcript_id}/record/upload"): Action.UPLOAD,
    ("PUT", "/blobs/{key:path}"): Action.PUT_BLOB,
    ("POST", "/v1/transcripts_audio/{transcript_id}/upload"): Action.UPLOAD,
    ("GET", "/v1/transcripts_audio/{transcript_id}/download"): Action.READ,
    ("HEAD", "/v1/transcripts_audio/{transcript_id}/download"): Action.READ,
    ("GET", "/v1/transcripts_audio/{transcript_id}/stream"): Action.READ,
    ("HEAD", "/v1/transcripts_audio/{transcript_id}/stream"): Action.READ,
    ("POST", "/v1/transcripts_webrtc/{transcript_id}/offer"): Action.SPEAK,
    ("POST", "/v1/transcripts_webrtc/{transcript_id}/answer"): Action.SPEAK,
    ("POST", "/v1/transcripts/{transcript_id}/record/webrtc"): Action.SPEAK,
    ("GET", "/v1/ice-servers"): Action.FIND_PATH,
    ("GET", "/v1/engine"): Action.READ_ENGINE,
    ("GET", "/v1/models"): Action.READ_ENGINE,
    ("POST", "/v1/models/{name}/pull"): Action.PULL_MODEL,
    ("GET", "/v1/models/{name}/pull"): Action.READ_ENGINE,
    ("WS", "/v1/transcripts_websocket/{transcript_id}"): Action.LISTEN,
    ("WS", "/v1/transcripts/{transcript_id}/events"): Action.LISTEN,
    ("GET", "/v1/transcripts/{transcript_id}/events"): Action.LISTEN,
    ("WS", "/v1/transcripts_stream/{transcript_id}"): Action.SPEAK,
    ("GET", "/v1/rooms"): Action.LIST,
    ("POST", "/v1/rooms"): Action.CREATE_ROOM,
    ("GET", "/v1/rooms/{room_id}"): Action.READ,
    ("PATCH", "/v1/rooms/{room_id}"): Action.CHANGE,
    ("DELETE", "/v1/rooms/{room_id}"): Action.DELETE,
    ("GET", "/v1/rooms/name/{room_name}"): Action.READ,
    ("POST", "/v1/rooms/{room_name}/meeting"): Action.JOIN,
    ("GET", "/v1/rooms/{room_name}/meetings"): Action.READ,
    ("GET", "/v1/rooms/{room_name}/meetings/active"): Action.READ,
    ("GET", "/v1/rooms/{room_name}/meetings/{meeting_id}"): Action.READ,
    ("POST", "/v1/rooms/{room_name}/meetings/{meeting_id}/join"): Action.JOIN,
    ("GET", "/v1/meetings"): Action.LIST,
    ("POST", "/v1/meetings"): Action.CREATE_ROOM,
    ("GET", "/v1/meetings/{meeting_id}"): Action.READ,
    ("POST", "/v1/meetings/{meeting_id}/end"): Action.CHANGE,
    ("PATCH", "/v1/meetings/{meeting_id}/deactivate"): Action.CHANGE,
    ("POST", "/v1/meetings/{meeting_id}/join"): Action.JOIN,
    ("GET", "/v1/meetings/{meeting_id}/participants"): Action.READ,
    ("POST", "/v1/meetings/{meeting_id}/participants/{participant_id}/offer"): Action.JOIN,
    ("POST", "/v1/meetings/{meeting_id}/leave"): Action.JOIN,
    ("POST", "/v1/meetings/{meeting_id}/consent"): Action.JOIN,
    ("POST", "/whip"): Action.CREATE,
    ("POST", "/whip/{transcript_id}"): Action.SPEAK,
    ("PATCH", "/whip/{transcript_id}/{session_id}"): Action.SPEAK,
    ("DELETE", "/whip/{transcript_id}/{session_id}"): Action.SPEAK,
    # Methods that WHIP reserves, and OPTIONS.
    **{(method, "/whip"): Action.SPEAK for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")},
    **{
        (method, "/whip/{transcript_id}"): Action.SPEAK
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
    },
    **{
        (method, "/whip/{transcript_id}/{session_id}"): Action.SPEAK
        for method in ("GET", "HEAD", "PUT", "POST", "OPTIONS")
    },
    ("GET", "/debug/loop"): Action.DEBUG_PAGE,
    ("HEAD", "/debug/loop"): Action.DEBUG_PAGE,
    ("GET", "/debug/loop.json"): Action.DEBUG,
    **{(method, path): Action.PAGE for method in ("GET", "HEAD") for path in ("/docs", "/docs/", "/v1/docs")},
    **{(method, "/docs/{asset}"): Action.PAGE for method in ("GET", "HEAD")},
    **{
        (method, path): Action.PAGE
        for method in ("GET", "HEAD")
        for path in ("/", "/t", "/t/{page_id}", "/rooms", "/r/{page_id}", "/{name:path}")
    },
}


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    found = set()
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            found.add(("WS", route.path))
        else:
            assert isinstance(route, Route)
            found.update((method, route.path) for method in route.methods or ())
    return found


def path_of(template: str) -> str:
    return (
        template.replace("{transcript_id}", new_transcript_id())
        .replace("{session_id}", "ses_0")
        .replace("{room_id}", new_transcript_id())
        .replace("{room_name}", "no-such-room")
        .replace("{meeting_id}", new_transcript_id())
        .replace("{participant_id}", "par_0")
        .replace("{key_id}", new_transcript_id())
        .replace("{upload_id}", "upl_0")
        .replace("{number}", "0")
        .replace("{topic_id}", "top_0")
        .replace("{page_id}", "x")
        .replace("{name:path}", "favicon.svg")
        .replace("{key:path}", "some/blob")
        .replace("{name}", "some-model")
        .replace("{asset}", "swagger-ui.css")
    )


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
        for headers, is_let_in in (
            ({}, action in PUBLIC),
            ({"Authorization": "Bearer wrong"}, action in PUBLIC),
            ({"Authorization": f"Bearer {TOKEN}"}, True),
        ):
            place = f"{method} {template} {headers}"
            path = path_of(template)
            if method == "WS":
                async with connect(guarded.ws_url(path), additional_headers=headers, proxy=None) as connection:
                    error = json.loads(await connection.recv())
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
                assert response.json()["error"]["code"] == "NOT_AUTHORISED"
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
    response = await guarded.http.get("/v1/transcripts/", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 500
    assert response.json()["error"]["details"]["request_id"] == response.headers["x-request-id"]
    assert "canary" not in response.text


async def test_pages_stay_in_their_folder(guarded: RunningApp) -> None:
    for path in ("/", "/t", "/t/anything", "/rooms", "/r/anything"):
        response = await guarded.http.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        again = await guarded.http.get(path, headers={"If-None-Match": response.headers["etag"]})
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
