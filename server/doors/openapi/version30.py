"""From OpenAPI 3.1, which our library writes, to 3.0, which every tool reads.

Go's and TypeScript's generators and our own interactive page know 3.0 alone. The two differ in their schemas: 3.1 has
the whole of JSON Schema, 3.0 a dialect of an old draft of it.
"""

from __future__ import annotations

from typing import Any

VERSION = "3.0.3"

# Not in the dialect, and nothing is lost by leaving them out but a tool's finer checks.
_UNKNOWN = frozenset({"$schema", "$id", "contentEncoding", "propertyNames", "unevaluatedProperties", "if", "then"})


def as_version_30(document: dict[str, Any]) -> dict[str, Any]:
    """The same document in 3.0. Takes it whole, and changes nothing in it."""
    older: dict[str, Any] = _walk(document)
    return {**older, "openapi": VERSION}


def _walk(node: Any) -> Any:
    if isinstance(node, list):
        return [_walk(each) for each in node]
    if not isinstance(node, dict):
        return node
    walked: dict[str, Any] = {}
    for key, value in node.items():
        if key == "schema":
            walked[key] = schema(value)
        elif key == "schemas":
            walked[key] = {name: schema(each) for name, each in value.items()}
        else:
            walked[key] = _walk(value)
    return walked


def schema(new: Any) -> Any:
    """One schema, with those inside it."""
    if not isinstance(new, dict):
        return {} if new is True else {"not": {}} if new is False else new
    old = {key: _keyword(key, value) for key, value in new.items() if key not in _UNKNOWN}
    _one_of_a_kind(old)
    _bounds(old)
    _null(old)
    if "$ref" in old and len(old) > 1:  # 3.0 looks at nothing beside a reference
        old["allOf"] = [{"$ref": old.pop("$ref")}, *old.get("allOf", ())]
    return old


def _keyword(key: str, value: Any) -> Any:
    if key in ("properties", "patternProperties"):
        return {name: schema(each) for name, each in value.items()}
    if key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        return [schema(each) for each in value]
    if key in ("items", "not", "additionalProperties"):
        return schema(value) if isinstance(value, dict) else value
    return value


def _one_of_a_kind(old: dict[str, Any]) -> None:
    """Keywords that have another name, or none, in 3.0."""
    if "const" in old:
        old["enum"] = [old.pop("const")]
    if isinstance(old.get("examples"), list):
        old["example"] = old.pop("examples")[0]
    if "prefixItems" in old:
        kinds = old.pop("prefixItems")
        old["items"] = kinds[0] if all(kind == kinds[0] for kind in kinds) else {}
    if "patternProperties" in old:
        old["additionalProperties"] = next(iter(old.pop("patternProperties").values()))
    if old.pop("contentMediaType", None) is not None:
        old["format"] = "binary"


def _bounds(old: dict[str, Any]) -> None:
    """``exclusiveMinimum: 0`` is ``minimum: 0, exclusiveMinimum: true``."""
    for exclusive, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        bound = old.get(exclusive)
        if bound is not None and not isinstance(bound, bool):
            old[plain], old[exclusive] = bound, True


def _null(old: dict[str, Any]) -> None:
    """``null`` as one of several kinds is ``nullable: true``."""
    kinds = old.get("type")
    if isinstance(kinds, list):
        rest = [kind for kind in kinds if kind != "null"]
        old["type"] = rest[0]
        if len(rest) < len(kinds):
            old["nullable"] = True
    elif kinds == "null":
        del old["type"]
        old |= {"nullable": True, "enum": [None]}
    for key in ("anyOf", "oneOf"):
        choices = old.get(key)
        if not isinstance(choices, list):
            continue
        rest = [each for each in choices if each != {"nullable": True, "enum": [None]}]
        if len(rest) == len(choices):
            continue
        del old[key]
        old["nullable"] = True
        if len(rest) > 1:
            old[key] = rest
        elif "$ref" in rest[0]:
            old["allOf"] = rest
        else:
            old |= {name: value for name, value in rest[0].items() if name not in old}
    if old.get("nullable") and None not in old.get("enum", (None,)):
        old["enum"] = [*old["enum"], None]
