"""``/health`` for load balancers and people, ``/health/live`` for who starts it anew, ``/metrics`` for Prometheus."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, leaving_of, metrics_of, services_of, settings_of
from server.metrics import CONTENT_TYPE
from server.services import Services
from server.storing import free_mb, low_disk

ENGINE_FIELDS = (
    *("state", "engine", "model", "device", "languages", "reason", "notice"),
    *("workers", "workers_wanted", "restarts", "lag_ms", "encoder", "no_encoder", "segmentation"),
    "no_segmentation",
)

router = APIRouter()


def engine_view(services: Services) -> dict[str, Any]:
    """What the recogniser is and how it fares."""
    status = services.asr.status
    view = {name: getattr(status, name) for name in ENGINE_FIELDS}
    return {**view, "languages": list(status.languages)}


@router.get("/health", dependencies=[entry(Action.HEALTH)], tags=["health"])
async def health(request: Request) -> Response:
    """How this node fares: 200 when it takes work, 503 when it is leaving or cannot store; ``problem`` says why."""
    services, settings = services_of(request), settings_of(request)
    free, fault = await asyncio.gather(asyncio.to_thread(free_mb, settings.data_dir), services.storing.problem())
    problem = low_disk(free, settings.disk_reserve_mb) or fault
    engine = engine_view(services)
    draining = leaving_of(request).draining
    body = {
        "status": "draining" if draining else "unavailable" if problem else engine["state"],
        "problem": problem,
        "timestamp": time.time(),
        "version": version("earshot"),
        "engine": engine,
        "sessions": {"live": len(services.hub.sessions), "max": settings.sessions_max},
        "disk": {"free_mb": free, "reserve_mb": settings.disk_reserve_mb},
        "store": "unavailable" if fault else "ok",
    }
    if request.app.state.worker is not None:
        body["worker"] = request.app.state.worker
    return JSONResponse(body, 503 if draining or problem else 200, headers={"Cache-Control": "no-store"})


@router.get("/health/live", dependencies=[entry(Action.HEALTH)], include_in_schema=False)
async def live(request: Request) -> Response:
    """204 as long as the event loop answers, also while the node is leaving, its disk is full or its database is away:
    a restart mends nothing of that."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


@router.get("/metrics", dependencies=[entry(Action.METRICS)], include_in_schema=False)
async def metrics(request: Request) -> Response:
    return Response(metrics_of(request).text(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
