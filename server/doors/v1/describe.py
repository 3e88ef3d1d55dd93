"""``/v1/openapi.json``: the API described, for tools."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry

router = APIRouter(include_in_schema=False)


@router.get("/v1/openapi.json", dependencies=[entry(Action.DESCRIBE)])
async def openapi(request: Request) -> Response:
    # Made once, and it takes longer than the event loop may be held.
    return JSONResponse(await asyncio.to_thread(request.app.openapi))
