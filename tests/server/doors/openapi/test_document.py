"""The document names everything that there is, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from protocol import errors
from protocol.errors import EarshotError
from server.app import build_app
from server.doors.errors import _CODES
from server.doors.openapi import words
from server.doors.openapi.answers import ANSWERS
from server.doors.openapi.document import described_routes, openapi_30
from tests.fakes.documented import DOCS
from tests.fakes.node import node_settings
from tests.server.routes import OF_OTHERS

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return openapi_30(build_app(node_settings(tmp_path_factory.mktemp("data"))))


def operations(document: Json) -> list[tuple[str, str, Json]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = {str(node["$ref"])} if isinstance(node.get("$ref"), str) else set()
    return found.union(*map(references, node.values()))


def test_every_operation_has_its_answer_and_a_name_of_its_own(document: Json) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(ANSWERS), "write what a new operation answers into server/doors/openapi/answers.py"


def test_every_route_under_v1_is_described_or_another_spelling_of_one(tmp_path: Path) -> None:
    app = build_app(node_settings(tmp_path))
    described = {route.endpoint for route in described_routes(app)}
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path.startswith("/v1/") and route.endpoint not in described:
            assert route.path in {"/v1/openapi.json", "/v1/docs"} | OF_OTHERS, f"{route.path} is not described"


def test_operations_say_what_they_take_and_what_they_answer(document: Json) -> None:
    for method, path, operation in operations(document):
        place = f"{method} {path}"
        assert operation["tags"], place
        assert set(operation["tags"]) <= set(words.TAGS), f"{place}: say what the tag is in openapi/words.py"
        assert operation["description"], f"{place}: its function has no docstring"
        in_path = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path)), place
        for parameter in operation.get("parameters", ()):
            assert parameter.get("description"), f"{place}: what is {parameter['name']}?"
        statuses = set(operation["responses"])
        assert {"401", "403", "429", "500", "503"} <= statuses, place
        assert ("404" in statuses) is bool(in_path) or operation["operationId"] in ANSWERS, place
        if "requestBody" in operation:
            assert {"400", "408", "413", "415", "422"} <= statuses, place
        for status, response in operation["responses"].items():
            if status.startswith("2") and status != "204" and ANSWERS[operation["operationId"]].model:
                assert "$ref" in response["content"]["application/json"]["schema"], place
        public = operation.get("security") == []
        of_anybody = path.startswith(("/api/participant/", "/p/")) or operation["operationId"] in (
            "health",
            "put_blob",
            "post_blob",
            "download_document",
            "download_audio_mixed",
            "download_audio_part",
            "download_video_part",
        )
        assert public is of_anybody, place


def test_references_lead_somewhere_and_nothing_of_31_is_left(document: Json) -> None:
    for reference in references(document):
        found = re.fullmatch(r"#/components/(\w+)/(\w+)", reference)
        assert found is not None, reference
        assert found[2] in document["components"][found[1]], reference
    text = json.dumps(document)
    assert document["openapi"] == "3.0.3"
    assert not re.search(r'"type": "null"|"const":|"prefixItems":|"\$defs":|"exclusiveMinimum": \d', text)


async def test_the_served_one_is_this_one(client: httpx.AsyncClient, document: Json) -> None:
    assert (await client.get("/v1/openapi.json")).json() == document


def test_the_table_of_statuses_names_every_error() -> None:
    table = (DOCS / "api.md").read_text().partition("<!-- statuses -->")[2].partition("\n\n")[0]
    rows = {int(row.split("|")[1]): set(re.findall(r"`([A-Z_]+)`", row)) for row in table.splitlines()[3:] if row}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EarshotError)]
    for kind in kinds:
        assert kind.code in rows.get(kind.http_status, ()), f"docs/api.md: {kind.http_status} {kind.code}"
        assert kind.http_status in words.ERRORS, kind
    for status, code in _CODES.items():
        assert code in rows.get(status, ()), f"docs/api.md: {status} {code}"
    assert set(rows) <= set(words.ERRORS)
