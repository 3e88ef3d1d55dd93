"""``/api/v1/recording/``: what bots recorded; and each kind of media that there is of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import base_url_of, entry, services_of
from server.doors.bots.paging import Asked, page
from server.doors.bots.views import MEDIA, endpoint_view, media_view, recording_view
from server.doors.errors import DOCUMENTED
from server.store.bot_store import Bot

router = APIRouter(tags=["bots"], responses=DOCUMENTED)


@router.get("/api/v1/recording", dependencies=[entry(Action.LIST)])
async def list_recordings(request: Request, asked: Asked) -> Response:
    """One's own recordings of bots, the newest first."""
    return JSONResponse(await page(request, "/api/v1/recording/", asked, partial(_recording, request)))


@router.get("/api/v1/recording/{recording_id}", dependencies=[entry(Action.READ)])
async def get_recording(request: Request, recording_id: str) -> Response:
    """A recording, with the addresses of its documents once it is done."""
    return JSONResponse(_recording(request, await services_of(request).store.bots.of_recording(recording_id)))


@router.get("/api/v1/realtime_endpoint", dependencies=[entry(Action.LIST)])
async def list_realtime_endpoints(request: Request, asked: Asked) -> Response:
    """Where what happens is delivered to, those of the newest recordings first: pages are of recordings."""
    found = await page(
        request,
        "/api/v1/realtime_endpoint/",
        asked,
        lambda bot: {"of_one": [endpoint_view(each, bot) for each in bot.endpoints]},
        has_endpoints=True,
    )
    return JSONResponse(found | {"results": [each for one in found["results"] for each in one["of_one"]]})


def _recording(request: Request, bot: Bot) -> dict[str, Any]:
    return recording_view(bot, services_of(request).download_urls, base_url_of(request))


def _media(request: Request, kind: str, bot: Bot) -> dict[str, Any]:
    about = {"recording": {"id": bot.transcript.id, "metadata": {}}}
    return media_view(bot, kind, services_of(request).download_urls, base_url_of(request)) | about


def _listing(kind: str) -> Callable[[Request, Asked], Awaitable[Response]]:
    async def listed(request: Request, asked: Asked) -> Response:
        return JSONResponse(await page(request, f"/api/v1/{kind}/", asked, partial(_media, request, kind)))

    return listed


def _getting(kind: str) -> Callable[[Request, str], Awaitable[Response]]:
    async def got(request: Request, recording_id: str) -> Response:
        bot = await services_of(request).store.bots.of_recording(recording_id)
        return JSONResponse(_media(request, kind, bot))

    return got


for _kind in MEDIA:
    router.add_api_route(
        f"/api/v1/{_kind}",
        _listing(_kind),
        name=f"list_media_{_kind}",
        dependencies=[entry(Action.LIST)],
        description=f"Of one's own recordings of bots, the newest first: {_kind}.",
    )
    router.add_api_route(
        f"/api/v1/{_kind}/{{recording_id}}",
        _getting(_kind),
        name=f"get_media_{_kind}",
        dependencies=[entry(Action.READ)],
        description=f"What there is of one recording: {_kind}.",
    )
