"""``/v1/audio/transcriptions``: a file in, its words out, as OpenAI answers. Nothing is kept but by ``openai_kept``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from protocol.errors import BadInput, ParameterRefused
from protocol.openai_audio import (
    Asked,
    Heard,
    ResponseFormat,
    as_diarized_json,
    as_json,
    as_verbose_json,
    delta_event,
    done_event,
    parse_form,
    segment_event,
)
from server.auth import Action
from server.doors.access import entry, leaving_of, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.doors.openai.hearing import finals, heard, while_waited_for
from server.doors.openai.transcript_stream import TranscriptStream
from server.doors.v1.asked import body, form_with_file
from server.doors.v1.uploads import MEBIBYTE, Upload, is_multipart, receive_upload
from server.exports import ExportFormat, export
from server.jobs.model_names import known_model
from server.services import Services
from server.store.records import VoicesAsked

router = APIRouter(tags=["openai"], responses=DOCUMENTED)

FIELDS = ("model", "response_format", "language", "prompt", "temperature", "stream")
LISTED = ("timestamp_granularities[]", "include[]", "keywords[]", "languages[]")
FORM = form_with_file("file", {name: {"type": "string"} for name in (*FIELDS, *LISTED)})
DOCUMENTS = {ResponseFormat.SRT: ExportFormat.SRT, ResponseFormat.VTT: ExportFormat.VTT}


@router.post("/v1/audio/transcriptions", dependencies=[entry(Action.CREATE)], openapi_extra=body(FORM))
async def openai_transcription(request: Request) -> Response:
    """The words of a file, as OpenAI's API gives them; with `stream` as they are found. When the client goes, nothing
    more is heard."""
    leaving_of(request).refuse_new()
    services, settings = services_of(request), settings_of(request)
    if not is_multipart(request):
        raise BadInput("send a form (multipart/form-data) with the file in its field 'file'")

    def grant(fields: Mapping[str, str]) -> int:
        parse_form(fields)  # before the file is taken, where its fields come before it
        return settings.upload_max_mb * MEBIBYTE

    upload = await receive_upload(request, settings, grant=grant)
    try:
        asked = parse_form(upload.fields)
        job_id = await _begun(request, upload, asked)
    finally:
        upload.discard()

    def over() -> None:
        services.fleeting.over(job_id)

    if asked.stream:
        return TranscriptStream(_events(services, job_id, asked), over)
    return await while_waited_for(request, _answered(services, job_id, asked), over)


@router.post("/v1/audio/translations", dependencies=[entry(Action.CREATE)], openapi_extra=body(FORM))
async def openai_translation(request: Request) -> Response:
    """Refused: no recogniser here translates. `/v1/audio/transcriptions` gives the words in their own language."""
    raise ParameterRefused(
        "this server's recognisers do not translate: ask /v1/audio/transcriptions for the words in their own language",
        param="model",
        kind="unsupported_model",
    )


async def _begun(request: Request, upload: Upload, asked: Asked) -> str:
    services = services_of(request)
    async with services.fleeting.beginning(kept=settings_of(request).openai_kept) as job_id:
        await services.jobs.start(
            upload.path,
            filename=upload.filename,
            owner=principal_of(request).id,
            model=known_model(asked.model),
            language=asked.spoken,
            voices=VoicesAsked(diarize=asked.diarize),
            hotwords=asked.hotwords,
            job_id=job_id,
        )
        upload.is_ours = False
    return job_id


async def _answered(services: Services, job_id: str, asked: Asked) -> Response:
    async for _ in finals(services, job_id):
        pass
    found = await heard(services, job_id)
    match asked.response_format:
        case ResponseFormat.JSON:
            return JSONResponse(as_json(found, with_logprobs=asked.logprobs))
        case ResponseFormat.VERBOSE_JSON:
            return JSONResponse(as_verbose_json(found, asked.timestamp_granularities))
        case ResponseFormat.DIARIZED_JSON:
            return JSONResponse(as_diarized_json(found))
        case ResponseFormat.TEXT:
            return PlainTextResponse(found.text + "\n")
        case ResponseFormat.SRT | ResponseFormat.VTT as wanted:
            return PlainTextResponse(_subtitles(found, DOCUMENTS[wanted]))


def _subtitles(found: Heard, form: ExportFormat) -> str:
    """Without names: theirs have none, and players show what they are given."""
    return export((segment.said_by(None, None) for segment in found.segments), form)


async def _events(services: Services, job_id: str, asked: Asked) -> AsyncGenerator[Mapping[str, Any], None]:
    diarizes = asked.response_format is ResponseFormat.DIARIZED_JSON
    before = Heard((), 0)
    async for segment in finals(services, job_id):
        now = Heard((*before.segments, segment), 0, segment.language)
        delta = now.text[len(before.text) :] if before.segments else segment.text
        yield delta_event(delta, segment, with_logprobs=asked.logprobs, diarizes=diarizes)
        if diarizes:
            yield segment_event(segment)
        before = Heard((segment,), 0, segment.language)
    yield done_event(await heard(services, job_id), with_logprobs=asked.logprobs)
