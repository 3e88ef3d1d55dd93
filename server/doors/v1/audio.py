"""The sound of a transcript: taken as a file, given in several forms (whole, or by ranges) and as a waveform."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, leaving_of, services_of, settings_of
from server.doors.byte_ranges import Servable, serve_bytes
from server.doors.errors import DOCUMENTED
from server.doors.v1.asked import form_with_file
from server.doors.v1.transcripts import show
from server.doors.v1.uploads import receive_upload
from server.doors.v1.voices import FIELDS as VOICE_FIELDS
from server.download_names import content_disposition
from server.sound import Form, Sound, mp3_or_wav, sound_of
from server.store.changes import check_takes_sound

router = APIRouter(tags=["audio"], responses=DOCUMENTED)

WAVEFORM_POINTS_MAX = 4000  # more than any screen is wide
WAVEFORM_POINTS = 255  # of the neighbouring system's form

Track = Annotated[
    str | None,
    Query(
        max_length=64, description="Id of the track; without it all of them mixed, or while one is recorded the first."
    ),
]
Format = Annotated[
    Form,
    Query(
        description="wav: 16 kHz mono. mp3: made when it is first asked for, of a track that has ended. ogg: Opus as "
        "it came, not decoded; 409 where sound came in another form, too, and for a mix. original: the file that was "
        "uploaded, of one track."
    ),
]
Original = Annotated[bool, Query(description="The file that was uploaded, as format=original.")]


@router.post(
    "/v1/transcripts_audio/{transcript_id}/upload",
    status_code=201,
    dependencies=[entry(Action.UPLOAD)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                **form_with_file("file", {name: {"type": "string"} for name in VOICE_FIELDS}),
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def upload_audio(request: Request, transcript_id: str) -> Response:
    """Add a recording (form field ``file`` or ``chunk``, or the raw body); it is transcribed in the background."""
    leaving_of(request).refuse_new()
    services = services_of(request)
    check_takes_sound(await services.store.get_transcript(transcript_id))
    upload = await receive_upload(request, settings_of(request))
    try:
        track_id = await upload.hand_over(services, transcript_id)
    finally:
        upload.discard()
    return JSONResponse({**await show(request, transcript_id), "track_id": track_id}, 201)


@router.head(
    "/v1/transcripts_audio/{transcript_id}/download", dependencies=[entry(Action.READ)], include_in_schema=False
)
@router.get("/v1/transcripts_audio/{transcript_id}/download", dependencies=[entry(Action.READ)])
async def download_audio(
    request: Request, transcript_id: str, track: Track = None, format: Format = "wav", original: Original = False
) -> Response:
    """The sound as a file to keep."""
    form = "original" if original else format
    return await _give(request, transcript_id, track, form, disposition="attachment")


@router.head("/v1/transcripts_audio/{transcript_id}/stream", dependencies=[entry(Action.READ)], include_in_schema=False)
@router.get("/v1/transcripts_audio/{transcript_id}/stream", dependencies=[entry(Action.READ)])
async def stream_audio(request: Request, transcript_id: str, track: Track = None, format: Format = "wav") -> Response:
    """The sound for a player, which asks for ranges."""
    return await _give(request, transcript_id, track, format, disposition="inline")


@router.head("/v1/transcripts/{transcript_id}/audio", dependencies=[entry(Action.READ)], include_in_schema=False)
@router.get("/v1/transcripts/{transcript_id}/audio", dependencies=[entry(Action.READ)])
async def transcript_audio(
    request: Request, transcript_id: str, track: Track = None, format: Format = "wav"
) -> Response:
    """The sound in the form asked for; lost and paused sound is silence."""
    return await _give(request, transcript_id, track, format, disposition="inline")


@router.head("/v1/transcripts/{transcript_id}/audio/mp3", dependencies=[entry(Action.READ)], include_in_schema=False)
@router.get("/v1/transcripts/{transcript_id}/audio/mp3", dependencies=[entry(Action.READ)])
async def mp3_audio(request: Request, transcript_id: str, track: Track = None) -> Response:
    """MP3 of what has ended; while it is recorded, or without an encoder, WAV, and said to be that."""
    sound = await _sound(request, transcript_id, track)
    return await _give_sound(request, sound, mp3_or_wav(sound), disposition="inline")


@router.head(
    "/v1/transcripts/{transcript_id}/audio/waveform", dependencies=[entry(Action.READ)], include_in_schema=False
)
@router.get("/v1/transcripts/{transcript_id}/audio/waveform", dependencies=[entry(Action.READ)])
async def short_waveform(request: Request, transcript_id: str, track: Track = None) -> Response:
    """255 peaks from 0 to 1, as neighbouring systems give them."""
    return await waveform(request, transcript_id, track, WAVEFORM_POINTS)


@router.get("/v1/transcripts/{transcript_id}/waveform", dependencies=[entry(Action.READ)])
async def waveform(
    request: Request,
    transcript_id: str,
    track: Track = None,
    count: Annotated[int, Query(ge=1, le=WAVEFORM_POINTS_MAX, description="Number of peaks.")] = 500,
) -> Response:
    """Peaks from 0 to 1, evenly over the sound."""
    sound = await _sound(request, transcript_id, track)
    of = None if sound.track is None else sound.track.id
    return JSONResponse({"track": of, "duration": round(sound.duration_s, 3), "data": await sound.peaks(count)})


async def _sound(request: Request, transcript_id: str, track: str | None, *, mixed: bool = True) -> Sound:
    return await sound_of(services_of(request), transcript_id, track, mixed=mixed)


async def _give(
    request: Request, transcript_id: str, track: str | None, form: Form, *, disposition: Literal["attachment", "inline"]
) -> Response:
    sound = await _sound(request, transcript_id, track, mixed=form != "original")
    return await _give_sound(request, sound, form, disposition=disposition)


async def _give_sound(
    request: Request, sound: Sound, form: Form, *, disposition: Literal["attachment", "inline"]
) -> Response:
    file = await sound.file(form)
    transcript_id = sound.transcript_id
    if form == "original":
        # A stranger's bytes are for keeping; of what they are called nothing but the name is left.
        disposition, name = "attachment", "" if sound.track is None else sound.track.name
    else:
        name = await sound.name()
    # A track that grows is another file each second; one that has ended never changes.
    version = f"{sound.key} {form} {file.length_bytes}"
    return serve_bytes(
        request,
        Servable(
            length_bytes=file.length_bytes,
            media_type=file.media_type,
            etag=f'"{hashlib.sha256(version.encode()).hexdigest()[:32]}"',
            read=file.pieces,
            modified_at=file.modified_at,
            headers=content_disposition(disposition, name, file.suffix, transcript_id=transcript_id),
        ),
    )
