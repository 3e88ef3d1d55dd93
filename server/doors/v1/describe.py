"""``/v1/openapi.json``: the API described, for tools. The same for everybody, so it needs no token."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry
from server.doors.openapi.document import openapi_30

router = APIRouter(include_in_schema=False)


@router.get("/v1/openapi.json", dependencies=[entry(Action.DESCRIBE)])
async def openapi(request: Request) -> Response:
    state = request.app.state
    if getattr(state, "openapi", None) is None:
        # Made once, and it takes longer than the event loop may be held.
        state.openapi = await asyncio.to_thread(lambda: JSONResponse(openapi_30(request.app)).body)
    return Response(state.openapi, media_type="application/json")
