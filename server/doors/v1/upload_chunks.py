"""Files in chunks: begin, send the chunks in any order and again after a break, see what is missing, complete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse, Response

from protocol.errors import BadInput
from protocol.wire.stream import Language
from server.auth import Action
from server.chunked_uploads import CHUNKS_MAX
from server.doors.access import entry, leaving_of, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import BINARY, body, form_with_file, json_body
from server.doors.v1.uploads import FILENAME_MAX_CHARS, clean_filename, is_multipart, receive_upload
from server.doors.v1.views import iso
from server.doors.v1.voices import WithVoices
from server.limits import read_body
from server.services import Services
from server.store.uploads import Chunk, ChunkedUpload

router = APIRouter(tags=["audio"], responses=DOCUMENTED)

UPLOADS = "/v1/transcripts/{transcript_id}/uploads"
UPLOAD = UPLOADS + "/{upload_id}"

ChunkNumber = Annotated[int, Path(ge=0, lt=CHUNKS_MAX, description="Number of the chunk, from 0.")]


class BeginUpload(WithVoices):
    """``length_bytes`` and ``sha256`` are of the whole file, and are checked when it is complete."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    chunks: int = Field(ge=1, le=CHUNKS_MAX, strict=True, description="How many there will be.")
    name: str = Field(default="", max_length=FILENAME_MAX_CHARS, description="What the file is called.")
    length_bytes: int | None = Field(default=None, ge=1, le=1 << 50, strict=True)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$", description="In hex.")
    language: Language | None = None


@router.post(
    UPLOADS,
    status_code=201,
    dependencies=[entry(Action.UPLOAD)],
    openapi_extra=json_body(BeginUpload, required=True),
)
async def begin_upload(request: Request, transcript_id: str) -> Response:
    """Begin a file that comes in chunks. It may be gone on with after any break, and on other connections."""
    leaving_of(request).refuse_new()
    wanted = parse_body(BeginUpload, await read_body(request))
    upload = await services_of(request).uploads.begin(
        transcript_id,
        chunks=wanted.chunks,
        name=clean_filename(wanted.name),
        length_bytes=wanted.length_bytes,
        sha256=wanted.sha256.lower() if wanted.sha256 else None,
        language=wanted.language,
        voices=wanted.voices,
        may_take_all=principal_of(request).viewer.sees_all,
    )
    headers = {"Location": f"/v1/transcripts/{transcript_id}/uploads/{upload.id}"}
    return JSONResponse(upload_view(upload), 201, headers)


@router.get(UPLOADS, dependencies=[entry(Action.UPLOAD)])
async def list_uploads(request: Request, transcript_id: str) -> Response:
    """Those of the transcript that are unfinished, or were finished not long ago."""
    found = await services_of(request).store.uploads.of_transcript(transcript_id)
    return JSONResponse({"items": [upload_view(upload) for upload in found]})


@router.get(UPLOAD, dependencies=[entry(Action.UPLOAD)])
async def get_upload(request: Request, transcript_id: str, upload_id: str) -> Response:
    """What is here, and the numbers of the chunks that are missing."""
    services = services_of(request)
    upload = await services.store.uploads.get(transcript_id, upload_id)
    return JSONResponse({**upload_view(upload), "missing": await services.uploads.missing(upload)})


@router.put(
    UPLOAD + "/chunks/{number}",
    dependencies=[entry(Action.UPLOAD)],
    openapi_extra=body({"application/octet-stream": {"schema": BINARY}}),
)
async def put_chunk(
    request: Request,
    transcript_id: str,
    upload_id: str,
    number: ChunkNumber,
    complete: Annotated[bool, Query(description="Complete the upload if no chunk is missing after this one.")] = False,
) -> Response:
    """One chunk as the body; durable when it is answered. The same bytes again are fine, others are 409.

    ``Content-Digest: sha-256=:...:`` or ``X-SHA256`` has it checked.
    """
    services = services_of(request)
    upload = await services.store.uploads.get(transcript_id, upload_id)
    room_bytes = await services.uploads.room_for(upload, number)
    received = await receive_upload(request, settings_of(request), max_bytes=room_bytes, may_be_form=False)
    try:
        chunk = Chunk(number, received.length_bytes, received.sha256)
        upload, is_new = await services.uploads.put(transcript_id, upload_id, chunk, received.path)
    finally:
        received.discard()
    body: dict[str, Any] = upload_view(upload)
    if complete and upload.received_chunks == upload.chunks:
        body = await _complete(services, transcript_id, upload_id)
    return JSONResponse({**body, "chunk": {"number": number, "sha256": chunk.sha256}}, 201 if is_new else 200)


@router.post(UPLOAD + "/complete", dependencies=[entry(Action.UPLOAD)])
async def complete_upload(request: Request, transcript_id: str, upload_id: str) -> Response:
    """Put the chunks together and begin to transcribe the file. Once it is done, asking again changes nothing."""
    leaving_of(request).refuse_new()
    return JSONResponse(await _complete(services_of(request), transcript_id, upload_id))


@router.delete(UPLOAD, status_code=204, dependencies=[entry(Action.UPLOAD)])
async def delete_upload(request: Request, transcript_id: str, upload_id: str) -> Response:
    """Forget it and its chunks. A track that was made of it stays."""
    await services_of(request).uploads.delete(transcript_id, upload_id)
    return Response(status_code=204)


@router.post(
    "/v1/transcripts/{transcript_id}/record/upload",
    dependencies=[entry(Action.UPLOAD)],
    openapi_extra=body(form_with_file("chunk")),
)
async def record_upload(
    request: Request,
    transcript_id: str,
    chunk_number: Annotated[int, Query(ge=0, lt=CHUNKS_MAX, description="Number of the chunk, from 0.")],
    total_chunks: Annotated[int, Query(ge=1, le=CHUNKS_MAX, description="How many there are.")],
) -> Response:
    """One chunk of a file (form field ``chunk``), in any order; the last that is missing completes it.

    A transcript has one such upload at a time; with an id, as under ``/uploads``, it has several.
    """
    leaving_of(request).refuse_new()
    if chunk_number >= total_chunks:
        raise BadInput("there is no such chunk", details={"chunk_number": chunk_number, "total_chunks": total_chunks})
    services = services_of(request)
    if not is_multipart(request):
        raise BadInput("send the chunk as the field 'chunk' of a multipart/form-data body")
    received = await receive_upload(request, settings_of(request))
    try:
        chunk = Chunk(chunk_number, received.length_bytes, received.sha256)
        await services.uploads.put_numbered(
            transcript_id,
            chunk,
            total_chunks,
            received.path,
            filename=received.filename,
            may_take_all=principal_of(request).viewer.sees_all,
        )
    finally:
        received.discard()
    return JSONResponse({"status": "ok"})


async def _complete(services: Services, transcript_id: str, upload_id: str) -> dict[str, Any]:
    upload, track_id = await services.uploads.complete(transcript_id, upload_id)
    return {**upload_view(upload), "track_id": track_id}


def upload_view(upload: ChunkedUpload) -> dict[str, Any]:
    return {
        "upload_id": upload.id,
        "transcript_id": upload.transcript_id,
        "name": upload.name,
        "language": upload.language,
        "state": upload.state,
        "chunks": upload.chunks,
        "received_chunks": upload.received_chunks,
        "received_bytes": upload.received_bytes,
        "length_bytes": upload.length_bytes,
        "sha256": upload.sha256,
        "created_at": iso(upload.created_at),
        "updated_at": iso(upload.updated_at),
    }
