"""``/api/v1/recording/``: what bots recorded."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import base_url_of, entry, services_of
from server.doors.bots.bodies import CursorText
from server.doors.bots.bots import newest, next_url
from server.doors.bots.views import page_view, recording_view
from server.doors.errors import DOCUMENTED
from server.store.bot_store import Bot

router = APIRouter(tags=["bots"], responses=DOCUMENTED)


@router.get("/api/v1/recording", dependencies=[entry(Action.LIST)])
async def list_recordings(request: Request, cursor: CursorText = None) -> Response:
    """One's own recordings of bots, the newest first."""
    found = await newest(request, cursor)
    results = [_view(request, bot) for bot in found]
    return JSONResponse(page_view(results, next_url(request, "/api/v1/recording/", found)))


@router.get("/api/v1/recording/{recording_id}", dependencies=[entry(Action.READ)])
async def get_recording(request: Request, recording_id: str) -> Response:
    """A recording, with the addresses of its documents once it is done."""
    return JSONResponse(_view(request, await services_of(request).store.bots.of_recording(recording_id)))


def _view(request: Request, bot: Bot) -> dict[str, object]:
    return recording_view(bot, services_of(request).download_urls, base_url_of(request))
