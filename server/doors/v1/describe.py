"""``/v1/openapi.json``: the API described, for tools."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry

router = APIRouter(include_in_schema=False)


@router.get("/v1/openapi.json", dependencies=[entry(Action.DESCRIBE)])
async def openapi(request: Request) -> Response:
    return JSONResponse(request.app.openapi())
