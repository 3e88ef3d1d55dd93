"""The chunks of a conversation: announced and put, or sent through us, or typed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from protocol.errors import BadInput, NotFound
from protocol.states import ChunkState
from server.auth import Action
from server.doors.access import base_url_of, entry, leaving_of, rate_limits_of, services_of, settings_of, told
from server.doors.errors import DOCUMENTED, parse_body, validation_failed
from server.doors.participant.bodies import Confirm, Typed, Uploaded, UploadUrl
from server.doors.participant.views import chunk_view
from server.doors.v1.asked import body, epoch_s, form_with_file, json_body
from server.doors.v1.uploads import is_multipart, receive_upload
from server.limits import read_body
from server.segment_pages import segment_pages
from server.services import Services
from server.store.conversation_records import Chunk, blobs_of

router = APIRouter(tags=["participant"], responses=DOCUMENTED)

MEBIBYTE = 1 << 20
TYPED_MAX_BYTES = 128 * 1024
PROBE, PROBE_TYPE, PROBE_MAX_BYTES, PROBE_S = "probe", "text/plain", 1024, 60


async def _said(services: Services, conversation_id: str) -> dict[str, str]:
    """What is written down, by track."""
    texts: dict[str, list[str]] = {}
    async for found in segment_pages(services.store, conversation_id):
        for each in found:
            texts.setdefault(each.segment.track, []).append(each.segment.text)
    return {track: " ".join(filter(None, parts)) for track, parts in texts.items()}


async def _shown(services: Services, chunk: Chunk) -> Response:
    is_written = chunk.state is ChunkState.TRANSCRIBED and chunk.text is None
    return JSONResponse(chunk_view(chunk, await _said(services, chunk.conversation_id) if is_written else {}))


async def _check_project(request: Request, project_id: str, conversation_id: str) -> None:
    conversation = await services_of(request).store.conversations.get(conversation_id)
    if conversation.project_id != project_id:
        raise NotFound("no such conversation")


@router.get("/api/participant/conversations/{conversation_id}/chunks", dependencies=[entry(Action.CONTRIBUTE)])
async def list_chunks(request: Request, conversation_id: str) -> Response:
    """All of them in the order of what was said, with the words as far as they are written down."""
    services = services_of(request)
    chunks = await services.store.conversations.chunks_of(conversation_id)
    said = await _said(services, conversation_id)
    return JSONResponse([chunk_view(chunk, said) for chunk in chunks], headers={"Cache-Control": "no-cache"})


@router.get(
    "/api/participant/projects/{project_id}/conversations/{conversation_id}/chunks",
    dependencies=[entry(Action.CONTRIBUTE)],
)
async def list_chunks_in_project(request: Request, project_id: str, conversation_id: str) -> Response:
    """The same, with the project in the path."""
    await _check_project(request, project_id, conversation_id)
    return await list_chunks(request, conversation_id)


@router.delete(
    "/api/participant/conversations/{conversation_id}/chunks/{chunk_id}",
    status_code=204,
    dependencies=[entry(Action.CONTRIBUTE)],
)
async def delete_chunk(request: Request, conversation_id: str, chunk_id: str) -> Response:
    """Take back what was said or typed: its words and its sound go, until the conversation is at its end (409).

    Readers are told each of its segments once more, without text. Again, it changes nothing.
    """
    await services_of(request).chunks.delete(conversation_id, chunk_id)
    return Response(status_code=204)


@router.delete(
    "/api/participant/projects/{project_id}/conversations/{conversation_id}/chunks/{chunk_id}",
    status_code=204,
    dependencies=[entry(Action.CONTRIBUTE)],
)
async def delete_chunk_in_project(request: Request, project_id: str, conversation_id: str, chunk_id: str) -> Response:
    """The same, with the project in the path."""
    await _check_project(request, project_id, conversation_id)
    return await delete_chunk(request, conversation_id, chunk_id)


@router.post("/api/participant/conversations/{conversation_id}/check-s3", dependencies=[entry(Action.CONTRIBUTE)])
async def check_storage(request: Request, conversation_id: str) -> Response:
    """An address to try a ``PUT`` at, of ``probe`` with ``probe_headers``, before anything is recorded.

    503 where this server knows already that nothing can be kept now.
    """
    services = services_of(request)
    await services.targets.check(settings_of(request))
    target = await services.targets.of(
        f"{blobs_of(conversation_id)}/{PROBE}",
        content_type=PROBE_TYPE,
        length_max_bytes=PROBE_MAX_BYTES,
        expires_s=PROBE_S,
    )
    address = target.address(base_url_of(request))
    return JSONResponse({"ok": True, "probe_url": address, "probe_headers": target.headers})


@router.post(
    "/api/participant/conversations/{conversation_id}/get-upload-url",
    dependencies=[entry(Action.CONTRIBUTE)],
    openapi_extra=json_body(UploadUrl),
)
async def get_upload_url(request: Request, conversation_id: str) -> Response:
    """Announce a chunk: an address to ``PUT`` it to with these ``headers``, and what to confirm it by.

    ``fields``, where there are any, are for clients that post a form there instead, with the chunk as ``file`` after
    them. A bucket takes the ``PUT`` alone.
    """
    leaving_of(request).refuse_new()
    told(request, await rate_limits_of(request).upload_urls.take(conversation_id)).check()
    wanted = parse_body(UploadUrl, await read_body(request))
    chunk, target = await services_of(request).chunks.announce(
        conversation_id,
        filename=wanted.filename,
        content_type=wanted.content_type,
        length_bytes=wanted.size_bytes,
        sha256=wanted.sha256,
        source=wanted.source,
    )
    address = target.address(base_url_of(request))
    view = {
        "chunk_id": chunk.id,
        "upload_url": address,
        "key": chunk.key,
        "file_url": address.partition("?")[0],
        "method": "PUT",
        "headers": target.headers,
        "fields": target.fields,
    }
    return JSONResponse(view)


@router.post(
    "/api/participant/conversations/{conversation_id}/confirm-upload",
    dependencies=[entry(Action.CONTRIBUTE)],
    openapi_extra=json_body(Confirm, required=True),
)
async def confirm_upload(request: Request, conversation_id: str) -> Response:
    """The chunk was put: it is written down. Again, it changes nothing, unless its bytes were lost and
    put again meanwhile; 400 where they are not there."""
    wanted = parse_body(Confirm, await read_body(request))
    services = services_of(request)
    chunk = await services.chunks.confirm(conversation_id, wanted.chunk_id, said_at=epoch_s(wanted.timestamp))
    return await _shown(services, chunk)


@router.post(
    "/api/participant/conversations/{conversation_id}/upload-chunk",
    dependencies=[entry(Action.CONTRIBUTE)],
    openapi_extra=body(form_with_file("chunk", {"timestamp": {"type": "string"}, "source": {"type": "string"}})),
)
async def upload_chunk(request: Request, conversation_id: str) -> Response:
    """A chunk through this server: the form's file ``chunk``, and ``timestamp`` for when its sound begins."""
    leaving_of(request).refuse_new()
    if not is_multipart(request):
        raise BadInput("send a form (multipart/form-data) with the sound as its file 'chunk'")
    services, settings = services_of(request), settings_of(request)
    await services.store.conversations.get(conversation_id)
    upload = await receive_upload(request, settings, max_bytes=settings.chunk_max_mb * MEBIBYTE)
    try:
        try:
            wanted = Uploaded.model_validate(upload.fields)
        except ValidationError as error:
            raise validation_failed(error.errors(include_input=False, include_context=False)) from None
        chunk = await services.chunks.take(
            conversation_id,
            upload.path,
            filename=upload.filename or "chunk",
            content_type="application/octet-stream",
            length_bytes=upload.length_bytes,
            said_at=epoch_s(wanted.timestamp),
            source=wanted.source,
        )
    finally:
        upload.discard()
    return await _shown(services, chunk)


@router.post(
    "/api/participant/conversations/{conversation_id}/upload-text",
    dependencies=[entry(Action.CONTRIBUTE)],
    openapi_extra=json_body(Typed, required=True),
)
async def upload_text(request: Request, conversation_id: str) -> Response:
    """Words that were typed: they stand in the transcript at their moment."""
    wanted = parse_body(Typed, await read_body(request, TYPED_MAX_BYTES))
    services = services_of(request)
    chunk = await services.chunks.typed(
        conversation_id, wanted.content, said_at=epoch_s(wanted.timestamp), source=wanted.source
    )
    return await _shown(services, chunk)
