"""Models as OpenAI's clients ask for them: those that are here, and the names under which they know OpenAI's own, all
of which mean the recogniser in use."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import ModelNotFound
from server.auth import Action
from server.doors.access import entry, services_of, settings_of
from server.doors.errors import DOCUMENTED
from server.jobs.model_names import listed_models

THEIRS = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-transcribe-diarize",
    "gpt-realtime-whisper",
)

router = APIRouter(tags=["openai"], responses=DOCUMENTED)


async def models_for_openai(request: Request) -> list[dict[str, Any]]:
    """The one in use, then others that are here, then what OpenAI's are called."""
    in_use = services_of(request).asr.status.model
    listed = await asyncio.to_thread(listed_models, settings_of(request).models_dir)
    ours = dict.fromkeys([in_use, *(model.name for model, is_here in listed if is_here)])
    return [_view(name) for name in (*ours, *THEIRS) if name]


@router.get("/v1/models/{name}", dependencies=[entry(Action.READ_ENGINE)])
async def openai_model(request: Request, name: str) -> Response:
    """One of the models in `data` of the list."""
    found = next((model for model in await models_for_openai(request) if model["id"] == name), None)
    if found is None:
        raise ModelNotFound("no model of this name is here: /v1/models lists those that are")
    return JSONResponse(found)


def _view(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "openai" if name in THEIRS else "earshot"}
