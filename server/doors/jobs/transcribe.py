"""``/api/transcribe``: begin with a file, see how far it is, read the words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from protocol.errors import NotFound
from protocol.wire.stream import Language
from protocol.words import Segment
from server.auth import Action
from server.doors.access import admit, entry, leaving_of, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, validation_failed
from server.doors.jobs.job_views import debug_view, not_found_view, result_view, status_view
from server.doors.v1.asked import body, form_with_file
from server.doors.v1.uploads import MEBIBYTE, receive_upload
from server.doors.v1.voices import WithVoices
from server.jobs.model_names import asked_model
from server.segment_pages import segment_pages
from server.services import Services

router = APIRouter(tags=["jobs"], responses=DOCUMENTED)

JOBS_SHOWN = 100
JOBS_SHOWN_MAX = 1000
MODEL_NAME_MAX_CHARS = 100


class Asked(WithVoices):
    """The fields of the form, besides its file."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    model_name: str = Field(default="", max_length=MODEL_NAME_MAX_CHARS, description="Empty: the recogniser in use.")
    language: Language | None = Field(default=None, description="Of what is said; without it that of the server.")
    diarize: bool | None = Field(default=True, description="Whether to tell voices apart.")


@router.post(
    "/api/transcribe",
    dependencies=[entry(Action.CREATE)],
    openapi_extra=body(
        form_with_file("file", {name: {"type": "string"} for name in Asked.model_fields}),
    ),
)
async def start_transcription(request: Request) -> Response:
    """Begin a job with a file of sound or video. It goes on by itself, also after a restart."""
    leaving_of(request).refuse_new()
    services, settings = services_of(request), settings_of(request)

    def grant(fields: Mapping[str, str]) -> int:
        asked_model(_asked(fields).model_name)  # before the file is taken, where its fields come before it
        return settings.upload_max_mb * MEBIBYTE

    upload = await receive_upload(request, settings, grant=grant)
    try:
        asked = _asked(upload.fields)
        job = await services.jobs.start(
            upload.path,
            filename=upload.filename,
            owner=principal_of(request).id,
            model=asked_model(asked.model_name),
            language=asked.language,
            voices=asked.voices,
        )
        upload.is_ours = False
    finally:
        upload.discard()
    view = status_view(job, await services.jobs.progress(job))
    started = {"status": "processing", "message": f"Transcription started; follow it at /api/transcribe/live/{job.id}"}
    return JSONResponse(view | started)


@router.get("/api/transcribe/jobs", dependencies=[entry(Action.LIST)])
async def list_jobs(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=JOBS_SHOWN_MAX, description="Jobs at most, the newest.")] = JOBS_SHOWN,
) -> Response:
    """One's own jobs, the newest first."""
    services = services_of(request)
    jobs = await services.store.jobs.newest(principal_of(request).viewer, limit=limit)
    views = [status_view(job, await services.jobs.progress(job)) for job in jobs]
    return JSONResponse({"jobs": views, "count": len(views)})


@router.get("/api/transcribe/status/{job}", dependencies=[entry(Action.READ_ENGINE, of_resource=False)])
async def job_status(request: Request, job: str) -> Response:
    """How far it is. A job that there is not has the status ``not_found``, and so has somebody else's."""
    services = services_of(request)
    try:
        await admit(request, Action.READ, "job_id", job)
        found = await services.store.jobs.get(job)
    except NotFound:
        return JSONResponse(not_found_view(job))
    return JSONResponse(status_view(found, await services.jobs.progress(found)))


@router.get("/api/transcribe/result/{job_id}", dependencies=[entry(Action.READ)])
async def job_result(request: Request, job_id: str) -> Response:
    """The words. Of a job that failed or was cancelled, those that were heard; 409 while it goes on."""
    services = services_of(request)
    job = await services.store.jobs.get(job_id)
    await services.jobs.check_ended(job)
    progress, errors = await services.jobs.progress(job), await services.store.jobs.errors(job_id)
    segments = await segments_of(services, job_id)
    return await asyncio.to_thread(lambda: JSONResponse(result_view(job, progress, segments, errors)))


@router.get("/api/transcribe/debug/{job_id}", dependencies=[entry(Action.READ)])
async def debug_job(request: Request, job_id: str) -> Response:
    """What there is to know of a job, for whoever looks for what went wrong."""
    services = services_of(request)
    job = await services.store.jobs.get(job_id)
    count = job.transcript.segments
    last = await services.store.segments_of(job_id, offset=max(0, count - 1), limit=1)
    latest = last[0].segment if last else None
    return JSONResponse(debug_view(job, await services.jobs.progress(job), count, latest))


@router.post("/api/transcribe/cancel/{job_id}", dependencies=[entry(Action.CHANGE)])
async def cancel_job(request: Request, job_id: str) -> Response:
    """Hear no more of it; what was heard is kept. Again is the same; 409 for one that has ended."""
    services = services_of(request)
    job = await services.jobs.cancel(job_id)
    return JSONResponse(status_view(job, await services.jobs.progress(job)))


async def segments_of(services: Services, job_id: str) -> list[Segment]:
    return [stored.segment async for page in segment_pages(services.store, job_id) for stored in page]


def _asked(fields: Mapping[str, str]) -> Asked:
    given = {name: text for name, text in fields.items() if text.strip()}
    try:
        return Asked.model_validate(given)
    except ValidationError as error:
        raise validation_failed(error.errors(include_input=False, include_context=False)) from None
