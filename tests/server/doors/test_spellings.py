"""Every route with and without a slash at its end; methods that a path does not take; pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from protocol.ids import new_transcript_id
from server.app import CORS_METHODS, CORS_REQUEST_HEADERS
from server.doors.openapi import words
from server.services import Services
from tests.fakes.node import node_settings
from tests.fakes.running_app import AppClient, in_process

NO_SUCH_TRANSCRIPT = new_transcript_id()
FRIEND, STRANGER = "https://friend.example", "https://evil.example"


@pytest.fixture
async def friendly(tmp_path: Path) -> AsyncIterator[AppClient]:
    options = node_settings(tmp_path, allowed_origins=(FRIEND,))
    services = await Services.start(options)
    async with in_process(options, services) as client:
        yield client
    await services.stop()


def paths_of(app: FastAPI) -> dict[str, set[str]]:
    """Paths under /v1, with the methods that they take: of a path that is also an id, those of things with ids, too."""
    routes = [each for each in app.routes if isinstance(each, Route) and each.path.startswith("/v1/")]
    paths = [route.path.format_map(_Unknown()) for route in routes]
    return {
        path: set().union(*(route.methods or () for route in routes if route.path_regex.match(path))) for path in paths
    }


def code_of(told: dict[str, Any]) -> str:
    """Of our envelope, or of Deepgram's."""
    return str(told["err_code"] if "err_code" in told else told["error"]["code"])


class _Unknown(dict[str, str]):
    """Ids of things that are not there."""

    def __missing__(self, name: str) -> str:
        return NO_SUCH_TRANSCRIPT if name == "transcript_id" else "unknown"


async def test_a_slash_at_the_end_changes_nothing(client: AppClient) -> None:
    for path, methods in paths_of(client.app).items():
        for method in methods:
            # A body that no route takes, so that nothing is made, and a model's pull is not begun.
            without, with_slash = [
                await client.request(method, each, content=b"\xff", headers={"Content-Encoding": "none"})
                for each in (path, f"{path}/")
            ]
            assert without.status_code == with_slash.status_code, f"{method} {path}"
            assert without.status_code not in (301, 302, 307, 308, 405), f"{method} {path}"
            if without.status_code >= 400 and method != "HEAD":
                assert code_of(without.json()) == code_of(with_slash.json()), f"{method} {path}"


async def test_other_methods_are_told_which_ones_are_taken(client: AppClient) -> None:
    for path, methods in paths_of(client.app).items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - methods:
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"].upper()) == (405, "METHOD_NOT_ALLOWED"), (
                f"{method} {path}"
            )
            assert set(answer.headers["allow"].split(", ")) == methods, f"{method} {path}"


async def test_pages_of_allowed_origins_may_ask_for_everything(friendly: AppClient) -> None:
    for path, methods in paths_of(friendly.app).items():
        assert methods <= set(CORS_METHODS), f"{path}: add its method to CORS_METHODS"
        for method in methods:
            asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization, range"}
            allowed = await friendly.options(path, headers={"Origin": FRIEND, **asked})
            assert allowed.status_code == 200, f"{method} {path}"
            assert allowed.headers["access-control-allow-origin"] == FRIEND
            assert method in allowed.headers["access-control-allow-methods"]
            refused = await friendly.options(path, headers={"Origin": STRANGER, **asked})
            assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)


async def test_pages_of_allowed_origins_may_send_every_header_that_is_described(friendly: AppClient) -> None:
    assert set(words.REQUEST_HEADERS) <= set(CORS_REQUEST_HEADERS)
    for header in CORS_REQUEST_HEADERS:
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": header}
        allowed = await friendly.options("/v1/transcripts", headers={"Origin": FRIEND, **asked})
        assert allowed.status_code == 200, allowed.text
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-Whatever"}
    assert (await friendly.options("/v1/transcripts", headers={"Origin": FRIEND, **asked})).status_code == 400
