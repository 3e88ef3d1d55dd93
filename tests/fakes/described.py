"""Looks at every answer that any test of the doors gets: is it as the OpenAPI document says?

So the document is proven by all tests of what it describes. Here, unlike in the served document, a field that is not
described is a fault, too: whoever adds one adds it to the models.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.doors.openapi.document import described_routes, openapi_31

Json = dict[str, Any]
BODY_MAX_BYTES = 1 << 20  # of larger ones there is nothing more to learn
# What any path answers to methods that it does not take; and what is told before a route is found.
NEEDS_NO_WORDS = frozenset({405})


class Described:
    """ASGI around the whole app. ``faults`` says what was answered and is not described."""

    def __init__(self, app: ASGIApp, *, faults: list[str], document: Json, names: dict[Any, str]) -> None:
        self.app = app
        self.faults = faults
        self.document = document
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 0
        media = ""
        body = bytearray()
        is_whole = False

        async def watched(message: Message) -> None:
            nonlocal status, media, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name.lower(): value for name, value in message["headers"]}
                media = named.get(b"content-type", b"").decode().partition(";")[0]
            elif message["type"] == "http.response.body":
                if media == "application/json" and len(body) <= BODY_MAX_BYTES:
                    body.extend(message.get("body", b""))
                is_whole = not message.get("more_body", False)
            await send(message)

        await self.app(scope, receive, watched)
        if is_whole:
            self._compare(scope, status, media, bytes(body))

    def _compare(self, scope: Scope, status: int, media: str, body: bytes) -> None:
        name = self.names.get(scope.get("endpoint"))
        if name is None or status in NEEDS_NO_WORDS:
            return
        place = f"{scope['method']} {scope['route'].path} ({name}) answered {status}"
        response = _operations(self.document)[name].get(str(status))
        if response is None:
            self.faults.append(f"{place}, which is not described: see server/doors/openapi/answers.py")
            return
        kinds = response.get("content", {})
        if scope["method"] == "HEAD" or not (kinds or body):
            return
        if media not in kinds:
            self.faults.append(f"{place} with {media or 'no type'}; described are {sorted(kinds)}")
        elif media == "application/json" and len(body) <= BODY_MAX_BYTES:
            for error in _validator(_key(self.document), name, status).iter_errors(json.loads(body)):
                at = ".".join(map(str, error.instance_path))
                self.faults.append(f"{place}, where {at or 'all'} is wrong: {error.message[:300]}")


_documents: dict[int, Json] = {}


def _key(document: Json) -> int:
    _documents[id(document)] = document
    return id(document)


def _operations(document: Json) -> dict[str, Json]:
    return _operations_of(_key(document))


@cache
def _operations_of(key: int) -> dict[str, Json]:
    document = _documents[key]
    found: dict[str, Json] = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            found[operation["operationId"]] = {
                status: _resolved(document, response) for status, response in operation["responses"].items()
            }
    return found


def _resolved(document: Json, response: Json) -> Json:
    if "$ref" not in response:
        return response
    named: Json = document["components"]["responses"][response["$ref"].rsplit("/", 1)[-1]]
    return named


@cache
def _validator(key: int, name: str, status: int) -> Any:
    content = _operations_of(key)[name][str(status)]["content"]["application/json"]
    strict = {form: _strict(schema) for form, schema in _documents[key]["components"]["schemas"].items()}
    schema = {**content["schema"], "components": {"schemas": strict}}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _strict(schema: Json) -> Json:
    if "properties" not in schema:
        return schema
    return {"additionalProperties": False, **schema}


@cache
def _document_of(routes: tuple[str, ...]) -> list[Json]:
    """One document for all apps with these routes, made when the first of them is watched."""
    return []


def watched(app: FastAPI) -> list[str]:
    """Watch an app that has not begun to serve. Returns the list that faults go into."""
    names = {route.endpoint: route.name for route in described_routes(app)}
    made = _document_of(tuple(route.path for route in app.routes if isinstance(route, APIRoute)))
    if not made:
        made.append(openapi_31(app))
    faults: list[str] = []
    app.add_middleware(Described, faults=faults, document=made[0], names=names)
    return faults
