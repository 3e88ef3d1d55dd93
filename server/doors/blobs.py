"""Putting a blob to an address that we signed (server/blob_urls.py): whoever holds one needs no account.

For the folder that is embedded, and for buckets to which clients do not put themselves (blobs_uploads_to). Others take
the same ``PUT`` at addresses of their own. Nothing is given out here.
Clients of neighbouring systems post a form in place of the ``PUT``, with fields that are signed as the query is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from protocol.errors import BadInput
from server.auth import Action
from server.blob_urls import EXPIRES, KEY_FIELD, LENGTH, PREFIX, SIGNATURE, TYPE, TYPE_FIELD
from server.doors.access import entry, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.asked import BINARY, body, form_with_file
from server.doors.v1.uploads import is_multipart, receive_upload

router = APIRouter(tags=["blobs"], responses=DOCUMENTED)


def _signed(name: str, kind: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": True, "description": meaning, "schema": {"type": kind}}


# Read as they were sent, since each is signed; this tells OpenAPI of them.
ADDRESS: dict[str, Any] = {
    "parameters": [
        _signed(LENGTH, "integer", "So many bytes are taken at most."),
        _signed(TYPE, "string", "What Content-Type must be."),
        _signed(EXPIRES, "integer", "When the address expires: seconds since 1970, in UTC."),
        _signed(SIGNATURE, "string", "Ours, over the address as it is."),
    ],
    **body({"application/octet-stream": {"schema": BINARY}}),
}


@router.put(PREFIX + "{key:path}", dependencies=[entry(Action.PUT_BLOB)], openapi_extra=ADDRESS)
async def put_blob(request: Request, key: str) -> Response:
    """Put the body under a signed address, used unchanged: its ``Content-Type`` is the one that was signed.

    Durable when it is answered; the ``ETag`` is the SHA-256 of what was put. The same address may be used again until
    it expires, and then replaces what was put before; once that is confirmed, other bytes are 409. One that is altered
    or has expired is 403: ask for a new one.
    """
    services = services_of(request)
    declared = ", ".join(request.headers.getlist("content-type")) or None
    granted = services.blob_urls.check(request.method, key, request.query_params.multi_items(), declared)
    received = await receive_upload(
        request, settings_of(request), max_bytes=granted.length_max_bytes, may_be_form=False
    )
    try:
        await services.chunks.put(key, received.path, sha256=received.sha256)
    finally:
        received.discard()
    return Response(headers={"ETag": f'"{received.sha256}"'})


MEBIBYTE = 1 << 20
FORM = form_with_file(
    "file", {name: {"type": "string"} for name in (KEY_FIELD, TYPE_FIELD, LENGTH, TYPE, EXPIRES, SIGNATURE)}
)


@router.post(PREFIX + "{key:path}", dependencies=[entry(Action.PUT_BLOB)], status_code=204, openapi_extra=body(FORM))
async def post_blob(request: Request, key: str) -> Response:
    """Put the form's ``file`` where its other fields allow, which were signed and come before it, unchanged.

    As the ``PUT``; of the address, the path alone is looked at.
    """
    services, settings = services_of(request), settings_of(request)
    if not is_multipart(request):
        raise BadInput("send a form, or PUT the body to the address")

    def grant(fields: Mapping[str, str]) -> int:
        return services.blob_urls.check_form(key, fields).length_max_bytes

    received = await receive_upload(request, settings, max_bytes=settings.chunk_max_mb * MEBIBYTE, grant=grant)
    try:
        await services.chunks.put(key, received.path, sha256=received.sha256)
    finally:
        received.discard()
    return Response(status_code=204, headers={"ETag": f'"{received.sha256}"'})
