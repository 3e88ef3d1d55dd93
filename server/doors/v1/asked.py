"""What several doors let requests ask for: pages, moments, and bodies as OpenAPI is told of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, TypeAdapter, ValidationError

PAGE_SIZE_MAX = 100
# A page beyond this is no page; it also keeps the offset within what databases count.
PAGE_NUMBER_MAX = 1_000_000

PageNumber = Annotated[int, Query(ge=1, le=PAGE_NUMBER_MAX, description="Number of the page, from 1.")]
PageSize = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="Items on a page.")]

BINARY = {"type": "string", "format": "binary"}

_NUMBER = re.compile(r"\s*[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?\s*")
_ANY_MOMENT = TypeAdapter(datetime)
_AS = "write a moment as in 2026-01-31T12:00:00Z"


def _moment(value: object) -> object:
    # A number could be seconds or milliseconds, and our library guesses which by its size.
    if isinstance(value, (int, float)) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError(_AS)
    if not isinstance(value, str):
        return value
    try:
        return _ANY_MOMENT.validate_python(value)  # here, as for bodies, which are strict, a text is none
    except ValidationError:
        raise ValueError(_AS) from None


def _in_a_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_in_a_zone)]
MadeFrom = Annotated[
    Moment | None, Query(alias="from", description="Made at that time or later: ISO 8601; without a zone, in UTC.")
]
MadeTo = Annotated[
    Moment | None, Query(alias="to", description="Made at that time or before: ISO 8601; without a zone, in UTC.")
]


def epoch_s(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def json_body(
    model: type[BaseModel], *, required: bool = False, file: bool = False, fields: Sequence[str] = ()
) -> dict[str, Any]:
    """``file``: it may also be a form with a file and the model's fields, and ``fields`` besides."""
    schema = _inlined(model.model_json_schema(ref_template="#/{model}"))  # it stands alone in the document
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if file:
        texts = {name: {"type": "string"} for name in (*model.model_fields, *fields)}
        content |= form_with_file("file", texts)
    return body(content, required=required)


def form_with_file(name: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of such a body."""
    properties = {name: BINARY, **(fields or {})}
    return {"multipart/form-data": {"schema": {"type": "object", "properties": properties, "required": [name]}}}


def body(content: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Bodies are read by ourselves, with a limit; this tells OpenAPI of one."""
    return {"requestBody": {"required": required, "content": content}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return walk(definitions[node["$ref"].rsplit("/", 1)[-1]])
            return {key: walk(value) for key, value in node.items()}
        return [walk(value) for value in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = walk(schema)
    return inlined
