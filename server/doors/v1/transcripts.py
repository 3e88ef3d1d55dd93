"""Transcripts: list, create, read, change, delete, and their segments."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from protocol.errors import EarshotError, ValidationFailed
from server.auth import Action
from server.doors.access import entry, leaving_of, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.segment_pages import segment_pages
from server.doors.v1.uploads import is_multipart, receive_upload
from server.doors.v1.views import page_view, segment_view, transcript_view
from server.limits import read_body
from server.services import Services
from server.sound import forms_of
from server.store.listing import Wanted
from server.store.records import StoredSegment

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)

NAME_MAX_CHARS = 200
PAGE_MAX = 100
SEGMENTS_PAGE_MAX = 1000
# A page beyond this is no page; it also keeps the offset within what databases count.
PAGE_NUMBER_MAX = 1_000_000

Page = Annotated[int, Query(ge=1, le=PAGE_NUMBER_MAX, description="Number of the page, from 1.")]


class _Body(BaseModel):
    # Unknown fields are ignored: clients of neighbouring systems send more than we know.
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str | None = Field(default=None, max_length=NAME_MAX_CHARS)
    language: str | None = Field(default=None, max_length=16, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$|^auto$")


class CreateTranscript(_Body):
    """All of it optional: an empty body makes a nameless transcript in the server's language."""


class Summary(BaseModel):
    summary: str = Field(default="", max_length=20_000)
    topics: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=100)
    action_items: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=100)
    key_points: list[Annotated[str, Field(max_length=500)]] = Field(default=[], max_length=100)


class ChangeTranscript(_Body):
    """What is left out stays; ``"summary": null`` removes it."""

    summary: Summary | str | None = None


def _json_body(model: type[BaseModel], *, file: bool = False) -> dict[str, Any]:
    """The body is read by ourselves, with a limit; this tells OpenAPI of it."""
    content: dict[str, Any] = {"application/json": {"schema": model.model_json_schema(ref_template="#/{model}")}}
    # No references: the schema stands alone in the document.
    content["application/json"]["schema"] = _inlined(content["application/json"]["schema"])
    if file:
        form = {
            "type": "object",
            "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
            "required": ["file"],
        }
        content["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": False, "content": content}}


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


async def show(services: Services, transcript_id: str) -> dict[str, Any]:
    transcript = await services.store.get_transcript(transcript_id)
    tracks = await services.store.tracks_of(transcript_id)
    formats = {} if transcript.audio_deleted else await forms_of(services, tracks)
    return transcript_view(transcript, tracks, services.asr.status.engine, formats)


@router.get("/v1/transcripts", dependencies=[entry(Action.LIST)])
async def list_transcripts(
    request: Request,
    page: Page = 1,
    size: Annotated[int, Query(ge=1, le=PAGE_MAX, description="Transcripts on a page.")] = 50,
    search: Annotated[str, Query(max_length=NAME_MAX_CHARS, description="A part of the name.")] = "",
) -> Response:
    """One's own and what is shared with everybody who is signed in, the newest first."""
    services = services_of(request)
    wanted = Wanted(search=search, viewer=principal_of(request).viewer)
    found, total = await services.store.list_transcripts(wanted, page=page, size=size)
    engine = services.asr.status.engine
    return JSONResponse(page_view([transcript_view(each, None, engine) for each in found], total, page, size))


@router.post(
    "/v1/transcripts",
    status_code=201,
    dependencies=[entry(Action.CREATE)],
    openapi_extra=_json_body(CreateTranscript, file=True),
)
async def create_transcript(request: Request) -> Response:
    """Make a transcript to stream into, or, with a multipart ``file``, one of that recording."""
    leaving_of(request).refuse_new()
    services, settings = services_of(request), settings_of(request)
    upload = None
    if is_multipart(request):
        upload = await receive_upload(request, settings)
        fields = {name: value for name, value in upload.fields.items() if value}
    try:
        if upload is None:
            wanted = parse_body(CreateTranscript, await read_body(request))
        else:
            wanted = parse_fields(CreateTranscript, fields)
        transcript = await services.store.create_transcript(
            name=wanted.name or (upload.filename[:NAME_MAX_CHARS] if upload else ""),
            language=wanted.language or settings.language,
            owner=principal_of(request).id,
        )
        if upload is not None:
            try:
                await upload.hand_over(services, transcript.id)
            except EarshotError:
                # The answer is an error without an id: nobody could ever find it.
                await services.removal.discard(transcript.id)
                raise
    finally:
        if upload is not None:
            upload.discard()
    body = await show(services, transcript.id)
    return JSONResponse(body, 201, headers={"Location": f"/v1/transcripts/{transcript.id}"})


def parse_fields(model: type[CreateTranscript], fields: dict[str, str]) -> CreateTranscript:
    """Text fields of a form as ``model``."""
    return parse_body(model, json.dumps(fields).encode())


@router.get("/v1/transcripts/{transcript_id}", dependencies=[entry(Action.READ)])
async def get_transcript(request: Request, transcript_id: str) -> Response:
    """All that is known of it but its words."""
    return JSONResponse(await show(services_of(request), transcript_id))


@router.patch(
    "/v1/transcripts/{transcript_id}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=_json_body(ChangeTranscript),
)
async def change_transcript(request: Request, transcript_id: str) -> Response:
    """Change the name, the language for what comes or the summary."""
    services = services_of(request)
    wanted = parse_body(ChangeTranscript, await read_body(request))
    if not wanted.model_fields_set:
        raise ValidationFailed("nothing to change", details={"fields": sorted(ChangeTranscript.model_fields)})
    summary = Summary(summary=wanted.summary) if isinstance(wanted.summary, str) else wanted.summary
    given: dict[str, Any] = {}
    if "summary" in wanted.model_fields_set:
        given["summary"] = summary.model_dump() if summary is not None else None
    await services.store.update_transcript(transcript_id, name=wanted.name, language=wanted.language, **given)
    return JSONResponse(await show(services, transcript_id))


@router.delete("/v1/transcripts/{transcript_id}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_transcript(request: Request, transcript_id: str) -> Response:
    """Its words, its events and its sound. What is live on it ends."""
    await services_of(request).removal.delete(transcript_id)
    return Response(status_code=204)


@router.get("/v1/transcripts/{transcript_id}/segments", dependencies=[entry(Action.READ)])
async def list_segments(
    request: Request,
    transcript_id: str,
    page: Page = 1,
    size: Annotated[int, Query(ge=1, le=SEGMENTS_PAGE_MAX, description="Segments on a page.")] = 100,
) -> Response:
    """The final segments in the order of time, each in its newest revision."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    items: list[bytes] = []
    async for found in segment_pages(services.store, transcript_id, offset=(page - 1) * size, limit=size):
        items += await asyncio.to_thread(_rendered, found)
    # Put together as text: a thousand segments with their words take longer than the event loop may be held.
    frame = _json(page_view([], transcript.segments, page, size))
    body = frame.replace(b'"items":[]', b'"items":[' + b",".join(items) + b"]", 1)
    return Response(body, media_type="application/json")


def _rendered(found: list[StoredSegment]) -> list[bytes]:
    return [_json(segment_view(each)) for each in found]


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
