"""Which STUN and TURN servers a client's peer connection should use."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, settings_of
from server.doors.errors import DOCUMENTED
from server.turn import IceServer, ice_servers

router = APIRouter(tags=["webrtc"], responses=DOCUMENTED)


def view(server: IceServer) -> dict[str, Any]:
    """As ``RTCPeerConnection`` takes it."""
    shown: dict[str, Any] = {"urls": list(server.urls)}
    if server.username is not None:
        shown |= {"username": server.username, "credential": server.credential}
    return shown


@router.get("/v1/ice-servers", dependencies=[entry(Action.FIND_PATH)])
async def ice_servers_for_clients(request: Request) -> Response:
    """STUN and TURN servers for a client's peer connection; none by default. Ask anew before each connection."""
    settings = settings_of(request)
    body = {"ice_servers": [view(each) for each in ice_servers(settings)], "ttl_s": settings.turn_credential_s}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
