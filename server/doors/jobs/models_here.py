"""``/api/transcribe/models``: which recognisers there are, which of them are here, and fetching one."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.engine import progress_view, pulls_of
from server.jobs.model_names import find_model, full_name, listed_models, short_name

router = APIRouter(tags=["jobs"], responses=DOCUMENTED)


@router.get("/api/transcribe/models", dependencies=[entry(Action.READ_ENGINE)])
async def list_models_for_jobs(request: Request) -> Response:
    """All of them; ``in_use``: by which a job is heard that names none."""
    in_use = services_of(request).asr.status.model
    models = [
        {
            "name": short_name(model.name),
            "full_name": full_name(model),
            "is_downloaded": is_here,
            "size_mb": float(model.size_mb),
            "description": model.summary,
            "languages": list(model.languages),
            "in_use": model.name == in_use,
        }
        for model, is_here in await asyncio.to_thread(listed_models, settings_of(request).models_dir)
    ]
    return JSONResponse({"models": models})


@router.post("/api/transcribe/models/{name}/download", status_code=202, dependencies=[entry(Action.PULL_MODEL)])
async def download_model(request: Request, name: str) -> Response:
    """Begin to fetch a model. The recogniser in use goes on; one model at a time."""
    progress = pulls_of(request).begin(find_model(name).name, when_done=_nothing_more)
    return JSONResponse(progress_view(progress), 202)


@router.get("/api/transcribe/models/{name}/download", dependencies=[entry(Action.READ_ENGINE)])
async def download_progress(request: Request, name: str) -> Response:
    """How far that is."""
    return JSONResponse(progress_view(pulls_of(request).progress_of(find_model(name).name)))


async def _nothing_more() -> None:
    """Jobs ask for it by name."""
