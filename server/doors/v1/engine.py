"""The recogniser, as far as clients see it: what it is, which models there are, and fetching one."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.doors.health import engine_view
from server.doors.openai.models import models_for_openai
from server.model_pulls import ModelPulls, Progress, check_model, list_models

router = APIRouter(tags=["engine"], responses=DOCUMENTED)


def pulls_of(request: Request) -> ModelPulls:
    pulls: ModelPulls = request.app.state.model_pulls
    return pulls


def progress_view(progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    percent = 100.0 * progress.done_bytes / progress.total_bytes if progress.total_bytes else 0.0
    return {**asdict(progress), "progress": 100.0 if progress.state == "done" else round(min(percent, 100.0), 1)}


@router.get("/v1/engine", dependencies=[entry(Action.READ_ENGINE)])
async def engine(request: Request) -> Response:
    """Which recogniser listens, why that one, and how it fares."""
    return JSONResponse(engine_view(services_of(request)))


@router.get("/v1/models", dependencies=[entry(Action.READ_ENGINE)])
async def models(request: Request) -> Response:
    """The models there are to choose from, which of them are here, and the pull that runs or ran last."""
    found = await asyncio.to_thread(list_models, settings_of(request).models_dir)
    status = services_of(request).asr.status
    in_use = (status.model, status.encoder, status.segmentation)
    items = [{**model, "in_use": model["name"] in in_use} for model in found]
    of_openai = {"object": "list", "data": await models_for_openai(request)}
    pull = progress_view(pulls_of(request).progress)
    return JSONResponse({"items": items, "total": len(items), "pull": pull, **of_openai})


@router.post("/v1/models/{name}/pull", status_code=202, dependencies=[entry(Action.PULL_MODEL)])
async def pull_model(request: Request, name: str) -> Response:
    """Begin to fetch a model; when it is there, the recogniser starts anew with the best one. One at a time."""
    services = services_of(request)
    check_model(name)
    progress = pulls_of(request).begin(name, when_done=services.asr.reload)
    return JSONResponse(progress_view(progress), 202)


@router.get("/v1/models/{name}/pull", dependencies=[entry(Action.READ_ENGINE)])
async def pull_progress(request: Request, name: str) -> Response:
    """How far the pull of this model is."""
    return JSONResponse(progress_view(pulls_of(request).progress_of(name)))
