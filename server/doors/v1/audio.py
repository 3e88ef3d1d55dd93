"""The sound of a transcript: taken as a file, given as WAV or Ogg (whole, or by ranges) and as a waveform."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from server.auth import Action
from server.doors.access import entry, leaving_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, envelope
from server.doors.v1.transcripts import show
from server.doors.v1.uploads import receive_upload
from server.download_names import content_disposition
from server.sound import Form, sound_of

router = APIRouter(tags=["audio"], responses=DOCUMENTED)

WAVEFORM_POINTS_MAX = 4000  # more than any screen is wide

Track = Annotated[str | None, Query(max_length=64, description="Id of the track; without it the first one with sound.")]
Format = Annotated[
    Form,
    Query(
        description="wav: 16 kHz mono. ogg: Opus as it came, not decoded; 409 where sound came in another form, too."
    ),
]
MEDIA_TYPES: dict[Form, str] = {"wav": "audio/wav", "ogg": "audio/ogg"}


@router.post(
    "/v1/transcripts_audio/{transcript_id}/upload",
    status_code=201,
    dependencies=[entry(Action.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": {"type": "string", "format": "binary"}},
                        "required": ["file"],
                    }
                },
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def upload_audio(request: Request, transcript_id: str) -> Response:
    """Add a recording (form field ``file`` or ``chunk``, or the raw body); it is transcribed in the background."""
    leaving_of(request).refuse_new()
    services = services_of(request)
    await services.store.get_transcript(transcript_id)
    upload = await receive_upload(request, settings_of(request))
    try:
        track_id = await upload.hand_over(services, transcript_id)
    finally:
        upload.discard()
    return JSONResponse({**await show(services, transcript_id), "track_id": track_id}, 201)


@router.head(
    "/v1/transcripts_audio/{transcript_id}/download", dependencies=[entry(Action.READ)], include_in_schema=False
)
@router.get("/v1/transcripts_audio/{transcript_id}/download", dependencies=[entry(Action.READ)])
async def download_audio(request: Request, transcript_id: str, track: Track = None, format: Format = "wav") -> Response:
    """The track as a file to keep."""
    return await _give(request, transcript_id, track, format, disposition="attachment")


@router.head("/v1/transcripts_audio/{transcript_id}/stream", dependencies=[entry(Action.READ)], include_in_schema=False)
@router.get("/v1/transcripts_audio/{transcript_id}/stream", dependencies=[entry(Action.READ)])
async def stream_audio(request: Request, transcript_id: str, track: Track = None, format: Format = "wav") -> Response:
    """The track for a player, which asks for ranges."""
    return await _give(request, transcript_id, track, format, disposition="inline")


@router.head("/v1/transcripts/{transcript_id}/audio", dependencies=[entry(Action.READ)], include_in_schema=False)
@router.get("/v1/transcripts/{transcript_id}/audio", dependencies=[entry(Action.READ)])
async def transcript_audio(
    request: Request, transcript_id: str, track: Track = None, format: Format = "wav"
) -> Response:
    """The track as WAV or Ogg; lost and paused sound is silence."""
    return await _give(request, transcript_id, track, format, disposition="inline")


@router.get("/v1/transcripts/{transcript_id}/waveform", dependencies=[entry(Action.READ)])
async def waveform(
    request: Request,
    transcript_id: str,
    track: Track = None,
    count: Annotated[int, Query(ge=1, le=WAVEFORM_POINTS_MAX, description="Number of peaks.")] = 500,
) -> Response:
    """Peaks from 0 to 1, evenly over the track."""
    sound = await sound_of(services_of(request), settings_of(request), transcript_id, track)
    return JSONResponse(
        {"track": sound.track.id, "duration": round(sound.duration_s, 3), "data": await sound.peaks(count)}
    )


async def _give(
    request: Request, transcript_id: str, track: str | None, form: Form, *, disposition: Literal["attachment", "inline"]
) -> Response:
    services = services_of(request)
    sound = await sound_of(services, settings_of(request), transcript_id, track)
    total = await sound.length_bytes(form)
    name = (await services.store.get_transcript(transcript_id)).name
    media_type = MEDIA_TYPES[form]
    # A track that grows is another file each second; one that has ended never changes.
    etag = f'"{hashlib.sha256(f"{sound.track.id} {form} {total}".encode()).hexdigest()[:32]}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        **content_disposition(disposition, name, form, transcript_id=transcript_id),
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    wanted = None
    # RFC 9110, 13.1.5: a range of another version is answered with the whole of this one.
    if request.headers.get("if-range", etag) == etag:
        wanted = parse_range(request.headers.get("range"), total)
    if wanted is not None and wanted[0] >= wanted[1]:
        body = envelope("RANGE_NOT_SATISFIABLE", "the recording is shorter than that", {"length_bytes": total})
        return JSONResponse(body, 416, headers={**headers, "Content-Range": f"bytes */{total}"})
    start, end = wanted or (0, total)
    status = 200
    if wanted is not None:
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{total}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    return StreamingResponse(_read(sound.pieces(form, start, end)), status, headers, media_type)


def parse_range(header: str | None, total_bytes: int) -> tuple[int, int] | None:
    """``[start, end)`` of a Range header (RFC 9110, 14.2); empty when it cannot be satisfied.

    None where the whole is the right answer: no header, another unit, several ranges, or not well formed.
    """
    found = re.fullmatch(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", header or "", re.IGNORECASE)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), total_bytes)
        return total_bytes - length, total_bytes
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, total_bytes) if last else total_bytes


async def _read(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Reads in a thread, one piece ahead of nothing: the next is read when the last was taken."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
