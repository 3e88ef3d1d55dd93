"""``/health`` for load balancers and people, ``/metrics`` for Prometheus."""

from __future__ import annotations

import asyncio
import shutil
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import EarshotError
from server.auth import Action
from server.doors.access import entry, leaving_of, metrics_of, services_of, settings_of
from server.metrics import CONTENT_TYPE
from server.services import Services
from server.settings import Settings

STORE_DEADLINE_S = 2.0  # a store that needs longer for one small query is not usable
ENGINE_FIELDS = (
    *("state", "engine", "model", "device", "languages", "reason", "notice"),
    *("workers", "workers_wanted", "restarts", "lag_ms"),
)
_MB = 1024 * 1024

router = APIRouter()


def engine_view(services: Services) -> dict[str, Any]:
    """What the recogniser is and how it fares."""
    status = services.asr.status
    view = {name: getattr(status, name) for name in ENGINE_FIELDS}
    return {**view, "languages": list(status.languages)}


async def store_usable(services: Services) -> bool:
    try:
        async with asyncio.timeout(STORE_DEADLINE_S):
            await services.store.check()
    except (EarshotError, TimeoutError):
        return False
    return True


def _disk(settings: Settings) -> dict[str, int]:
    try:
        free_mb = shutil.disk_usage(settings.data_dir).free // _MB
    except OSError:
        free_mb = 0
    return {"free_mb": free_mb, "reserve_mb": settings.disk_reserve_mb}


@router.get("/health", dependencies=[entry(Action.HEALTH)], tags=["health"])
async def health(request: Request) -> Response:
    """How this node fares: 200 when it takes work, 503 when it is leaving or cannot store."""
    services, settings = services_of(request), settings_of(request)
    engine = engine_view(services)
    disk, usable = await asyncio.gather(asyncio.to_thread(_disk, settings), store_usable(services))
    draining = leaving_of(request).draining
    low_disk = disk["free_mb"] < disk["reserve_mb"]
    status = "draining" if draining else "degraded" if not usable or low_disk else engine["state"]
    body = {
        "status": status,
        "version": version("earshot"),
        "engine": engine,
        "sessions": {"live": len(services.hub.sessions), "max": settings.sessions_max},
        "disk": disk,
        "store": "ok" if usable else "unavailable",
    }
    return JSONResponse(body, 503 if draining or not usable else 200, headers={"Cache-Control": "no-store"})


@router.get("/metrics", dependencies=[entry(Action.METRICS)], include_in_schema=False)
async def metrics(request: Request) -> Response:
    return Response(metrics_of(request).text(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
