"""The document itself: what our library reads from the routes, and what it cannot know.

It cannot know the answers, which the doors write themselves (``answers``), nor which errors a route may answer: those
follow from what the route takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from protocol.openai_errors import speaks_openai
from server.auth import BY_ID, PUBLIC
from server.doors.access import Entry
from server.doors.errors import ErrorEnvelope, OpenAiErrorEnvelope
from server.doors.openapi import words
from server.doors.openapi.answers import ANSWERS, JSON, OBJECT, Answer
from server.doors.openapi.version30 import as_version_30

REFERENCE = "#/components/schemas/{model}"
OF_OPENAI = "OpenAi"  # before the names of errors that are told as OpenAI does
Json = dict[str, Any]


def openapi_30(app: FastAPI) -> Json:
    """The document as it is served. Takes a good part of a second."""
    return as_version_30(openapi_31(app))


def openapi_31(app: FastAPI) -> Json:
    """The same with schemas that are JSON Schema, which tests validate with."""
    routes = described_routes(app)
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=words.ABOUT,
        routes=routes,
        tags=[{"name": name, "description": text} for name, text in words.TAGS.items()],
        servers=[{"url": "/", "description": "This server"}],
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
    )
    components: Json = document.setdefault("components", {})
    schemas: Json = components.setdefault("schemas", {})
    forms = {answer.model for answer in ANSWERS.values() if answer.model is not None}
    forms |= {ErrorEnvelope, OpenAiErrorEnvelope}
    _, made = models_json_schema([(form, "serialization") for form in _sorted(forms)], ref_template=REFERENCE)
    schemas.update(made["$defs"])
    components["responses"] = {
        before + name: _error_response(status, form)
        for before, form in (("", ErrorEnvelope), (OF_OPENAI, OpenAiErrorEnvelope))
        for status, (name, _) in words.ERRORS.items()
    }
    components["securitySchemes"] = words.SECURITY_SCHEMES
    document["security"] = [{name: []} for name in words.SECURITY_SCHEMES]
    for route in routes:
        for method in route.methods or ():
            _complete(document["paths"][route.path_format][method.lower()], route, method, schemas)
    components["schemas"] = dict(sorted(schemas.items()))
    for named in components["schemas"].values():
        _without_titles(named)
    return document


def described_routes(app: FastAPI) -> list[APIRoute]:
    return [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]


def _complete(operation: Json, route: APIRoute, method: str, schemas: Json) -> None:
    name = route.name
    answer = ANSWERS.get(name)
    operation["operationId"] = name
    operation["summary"] = name.replace("_", " ").capitalize()
    operation.setdefault("description", "")
    if _action(route) in PUBLIC | BY_ID:
        operation["security"] = []
    for parameter in operation.get("parameters", ()):
        parameter.get("schema", {}).pop("title", None)
        if parameter["in"] == "path":
            parameter.setdefault("description", words.PATH_PARAMETERS.get(parameter["name"], ""))
    if answer is not None:
        for header in answer.asks:
            operation.setdefault("parameters", []).append(_asked(header))
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["schema"] = _named(content["schema"], schemas)
    declared: Json = operation["responses"]
    responses = {status: each for status, each in declared.items() if int(status) not in words.ERRORS}
    if answer is not None:
        responses = _successes(answer)
    before = OF_OPENAI if speaks_openai(route.path) else ""
    for status in errors_of(operation, method, answer):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{before}{words.ERRORS[status][0]}"})
    operation["responses"] = dict(sorted(responses.items()))


def errors_of(operation: Json, method: str, answer: Answer | None) -> list[int]:
    """The errors that an operation may answer, by what it takes."""
    statuses = {401, 403, 429, 500, 503}
    parameters = operation.get("parameters", ())
    if any(parameter["in"] == "path" for parameter in parameters):
        statuses.add(404)
    if any(parameter["in"] == "query" or set(parameter["schema"]) != {"type"} for parameter in parameters):
        statuses.add(422)  # so does one in the path that is more than any text
    if "requestBody" in operation:
        statuses |= {400, 408, 413, 415, 422}
    if answer is not None:
        statuses.update(answer.errors)
    return sorted(statuses)


def _successes(answer: Answer) -> Json:
    content: Json = {}
    if answer.model is not None:
        content = {JSON: {"schema": {"$ref": REFERENCE.format(model=answer.model.__name__)}}}
    if answer.media:
        # A document in JSON is an object, whatever the others are, unless something else is said.
        in_json = OBJECT if answer.schema.get("type") == "string" else answer.schema
        content |= {media: {"schema": dict(in_json if media == JSON else answer.schema)} for media in answer.media}
    described: Json = {"description": words.SUCCESSES[answer.status]}
    if content:
        described["content"] = content
    if answer.headers:
        described["headers"] = {header: _told(header) for header in answer.headers}
    also = {
        str(status): {**described, "description": meaning} if status in (200, 206, 503) else {"description": meaning}
        for status, meaning in answer.also.items()
    }
    return {str(answer.status): described, **also}


def _error_response(status: int, form: type[BaseModel]) -> Json:
    described: Json = {
        "description": words.ERRORS[status][1],
        "content": {JSON: {"schema": {"$ref": REFERENCE.format(model=form.__name__)}}},
    }
    headers = words.ERROR_HEADERS.get(status, ())
    if headers:
        described["headers"] = {header: _told(header) for header in headers}
    return described


def _asked(header: str) -> Json:
    described: Json = {"name": header, "in": "header", "required": header in words.REQUIRED_HEADERS}
    return {**described, "description": words.REQUEST_HEADERS[header], "schema": {"type": "string"}}


def _told(header: str) -> Json:
    kind, meaning = words.RESPONSE_HEADERS[header]
    return {"description": meaning, "schema": {"type": kind}}


def _action(route: APIRoute) -> object:
    return next((each.call.action for each in route.dependant.dependencies if isinstance(each.call, Entry)), None)


def _sorted(forms: Iterable[Any]) -> list[Any]:
    return sorted(forms, key=lambda form: str(form.__name__))


def _named(schema: Json, schemas: Json) -> Json:
    """Forms that stand written out in a body become named ones, so that generated clients have a class for each."""
    definitions = schema.pop("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node and node["$ref"].rsplit("/", 1)[-1] in definitions:
            return walk(definitions[node["$ref"].rsplit("/", 1)[-1]])
        walked = {key: walk(value) for key, value in node.items()}
        title = walked.get("title")
        if not isinstance(title, str) or walked.get("type") != "object" or "properties" not in walked:
            return walked
        _without_titles(walked)
        taken = schemas.setdefault(title, walked)
        # Another form has this name: this one stays where it is.
        return {"$ref": REFERENCE.format(model=title)} if _same(taken, walked) else walked

    found: Json = walk(schema)
    return found


def _same(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _without_titles(schema: Json) -> None:
    """Titles of fields only repeat their names, and generators make classes of them."""
    for field in schema.get("properties", {}).values():
        if isinstance(field, dict):
            field.pop("title", None)
