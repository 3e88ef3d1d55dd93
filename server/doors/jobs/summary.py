"""Summaries of transcripts that are sent or named: asked for, looked after, and read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import Conflict
from protocol.states import SummaryState
from server.auth import Action
from server.doors.access import admit, entry, leaving_of, principal_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.jobs.bodies import BODY_MAX_BYTES, SummaryIn
from server.doors.jobs.long_bodies import being_read
from server.doors.jobs.views import started_view, status_view
from server.doors.v1.asked import json_body
from server.language_models.summary_jobs import Wanted, failure_of
from server.limits import read_body

router = APIRouter(tags=["summary"], responses=DOCUMENTED)

NO_CACHE = {"Cache-Control": "no-cache"}


@router.post("/api/summary", dependencies=[entry(Action.ASK)], openapi_extra=json_body(SummaryIn, required=True))
async def start_summary(request: Request) -> Response:
    """Ask for a summary of a transcript that is sent, or of one of this server: it is made in the background."""
    leaving_of(request).refuse_new()
    wanted, model_name = await _wanted(request)
    if wanted.transcript_id is not None:
        await admit(request, Action.READ, "transcript_id", wanted.transcript_id)
    models = services_of(request).language_models
    wanted = replace(wanted, model=await models.catalogue.resolve(model_name))
    return JSONResponse(started_view(await models.summary_jobs.ask(principal_of(request).id, wanted)))


async def _wanted(request: Request) -> tuple[Wanted, str]:
    """What is kept of the body, and the model that it names."""
    data = await read_body(request, BODY_MAX_BYTES)
    async with being_read(request, data):
        asked = await asyncio.to_thread(parse_body, SummaryIn, data)
        segments = await asyncio.to_thread(asked.spoken)
    of_what: dict[str, Any] = {"segments": segments, "text": asked.full_text or ""}
    if asked.transcript_id is not None:
        of_what = {"transcript_id": asked.transcript_id}
    return Wanted(asked.format, asked.max_length, model="", **of_what), asked.model_name


@router.get("/api/summary/status/{summary_id}", dependencies=[entry(Action.READ)])
async def summary_status(request: Request, summary_id: str) -> Response:
    """How far it is."""
    services = services_of(request)
    job = await services.store.summary_jobs.get(summary_id)
    return JSONResponse(status_view(job, services.language_models.summary_jobs.progress_of(job)), headers=NO_CACHE)


@router.get("/api/summary/{summary_id}", dependencies=[entry(Action.READ)])
async def get_summary(request: Request, summary_id: str) -> Response:
    """The summary; 409 while it is being made, and the error that it failed with where it did."""
    services = services_of(request)
    job = await services.store.summary_jobs.get(summary_id)
    if job.state is SummaryState.FAILED:
        raise failure_of(job)
    if job.state is SummaryState.PROCESSING:
        progress = services.language_models.summary_jobs.progress_of(job)
        raise Conflict(
            "this summary is not made yet; ask again, or for its status",
            details={"status": job.state.value, "progress": progress},
        )
    return JSONResponse(job.result, headers=NO_CACHE)
