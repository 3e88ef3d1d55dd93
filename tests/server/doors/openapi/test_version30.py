"""From OpenAPI 3.1 to 3.0."""

from __future__ import annotations

from typing import Any

import pytest

from server.doors.openapi.version30 import as_version_30, schema

NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({"anyOf": [{"type": "string", "maxLength": 3}, NULL]}, {"type": "string", "maxLength": 3, "nullable": True}),
        ({"anyOf": [{"$ref": "#/x"}, NULL]}, {"allOf": [{"$ref": "#/x"}], "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}, NULL]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
        ),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"$ref": "#/x", "description": "why"}, {"allOf": [{"$ref": "#/x"}], "description": "why"}),
        ({"$ref": "#/x"}, {"$ref": "#/x"}),
        ({"const": "a", "type": "string"}, {"enum": ["a"], "type": "string"}),
        ({"exclusiveMinimum": 0, "type": "number"}, {"minimum": 0, "exclusiveMinimum": True, "type": "number"}),
        (
            {"anyOf": [{"enum": ["a", "b"], "type": "string"}, NULL]},
            {"enum": ["a", "b", None], "type": "string", "nullable": True},
        ),
        ({"examples": ["a", "b"]}, {"example": "a"}),
        (
            {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]},
            {"type": "array", "items": {"type": "number"}},
        ),
        ({"type": "string", "contentMediaType": "application/octet-stream"}, {"type": "string", "format": "binary"}),
        # A field that is named as a keyword is none.
        (
            {"type": "object", "properties": {"const": {"const": 1}, "examples": {"type": "string"}}},
            {"type": "object", "properties": {"const": {"enum": [1]}, "examples": {"type": "string"}}},
        ),
    ],
)
def test_schemas(new: dict[str, Any], old: dict[str, Any]) -> None:
    assert schema(new) == old


def test_a_document_is_walked_and_left_as_it_is() -> None:
    new = {
        "openapi": "3.1.0",
        "paths": {"/x": {"get": {"parameters": [{"name": "schema", "schema": {"anyOf": [{"type": "string"}, NULL]}}]}}},
        "components": {"schemas": {"schema": {"type": ["integer", "null"]}}},
    }
    before = repr(new)
    old = as_version_30(new)
    assert repr(new) == before
    assert old["openapi"] == "3.0.3"
    assert old["paths"]["/x"]["get"]["parameters"][0]["schema"] == {"type": "string", "nullable": True}
    assert old["components"]["schemas"]["schema"] == {"type": "integer", "nullable": True}
