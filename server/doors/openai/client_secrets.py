"""``/v1/realtime/client_secrets``: what a page is given to talk with, by a server that has a key."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from protocol.openai_realtime import session_view, updated
from server.auth import Action
from server.doors.access import entry, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.openai.sessions import usual_session
from server.doors.v1.asked import json_body
from server.limits import read_body

router = APIRouter(tags=["openai"], responses=DOCUMENTED)

LASTS_S = 600


class ExpiresAfter(BaseModel):
    model_config = ConfigDict(extra="ignore")

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=LASTS_S, ge=10, le=7200, description="So long sessions may be opened with it.")


class SecretAsked(BaseModel):
    """What sessions that are opened with the secret ask for, in OpenAI's form."""

    model_config = ConfigDict(extra="ignore")

    expires_after: ExpiresAfter = Field(default_factory=ExpiresAfter)
    session: dict[str, Any] = Field(default_factory=dict, description="As in session.update.")


@router.post("/v1/realtime/client_secrets", dependencies=[entry(Action.TICKET)], openapi_extra=json_body(SecretAsked))
async def openai_client_secret(request: Request) -> Response:
    """A secret that opens Realtime sessions for some minutes, as whoever made it, and does nothing else."""
    asked = parse_body(SecretAsked, await read_body(request))
    services, settings = services_of(request), settings_of(request)
    session = updated(usual_session(settings, is_beta=False), asked.session, is_beta=False)
    secret, expires_at = await services.accounts.client_secrets.make(
        principal_of(request), asked.session, lasts_s=asked.expires_after.seconds
    )
    body = {"value": secret, "expires_at": int(expires_at), "session": session_view(session)}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})
