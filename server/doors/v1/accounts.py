"""Who one is, the keys that one's programs carry, and tickets for sockets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from server.accounts.principal import Principal, Scope
from server.auth import Action
from server.doors.access import admit, entry, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, not_as_documented, parse_body
from server.doors.v1.asked import json_body
from server.doors.v1.models import ScopeName
from server.doors.v1.views import iso
from server.limits import read_body
from server.store.keys import ApiKey

router = APIRouter(tags=["accounts"], responses=DOCUMENTED)

NAME_MAX_CHARS = 200
YEAR_MAX = 9000
PRIVATE = {"Cache-Control": "no-store"}


class CreateApiKey(BaseModel):
    """All of it optional: an empty body makes a nameless key for reading, speaking and writing."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str | None = Field(default=None, max_length=NAME_MAX_CHARS)
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=8)] | None = None
    expires_at: AwareDatetime | None = Field(default=None, description="With its offset from UTC; null: never.")


class CreateTicket(BaseModel):
    """``transcript_id``: the only transcript whose socket the ticket then opens."""

    model_config = ConfigDict(extra="ignore")

    transcript_id: str | None = Field(default=None, max_length=64)


def _view(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "user_id": key.owner,
        "scopes": list(key.scopes),
        "created_at": iso(key.created_at),
        "expires_at": iso(key.expires_at) if key.expires_at is not None else None,
        "last_used_at": iso(key.last_used_at) if key.last_used_at is not None else None,
    }


@router.get("/v1/me", dependencies=[entry(Action.ME)])
async def me(request: Request) -> Response:
    """Who you are to this server, and what you may do."""
    principal: Principal = principal_of(request)
    body = {
        "id": principal.id,
        "name": principal.name,
        "scopes": sorted(principal.scopes),
        "is_admin": principal.is_admin,
        "auth_mode": settings_of(request).auth_mode,
        "expires_at": iso(principal.expires_at) if principal.expires_at is not None else None,
        "upload_max_mb": settings_of(request).upload_max_mb,
    }
    return JSONResponse(body, headers=PRIVATE)


@router.post(
    "/v1/api-keys",
    status_code=201,
    dependencies=[entry(Action.KEYS)],
    openapi_extra=json_body(CreateApiKey),
)
@router.post("/v1/user/api-keys", status_code=201, dependencies=[entry(Action.KEYS)], include_in_schema=False)
async def create_api_key(request: Request) -> Response:
    """Make a key for a program; send it as ``X-API-Key`` or as a bearer token. It is shown this once."""
    accounts = services_of(request).accounts
    accounts.check_guarded()
    wanted = parse_body(CreateApiKey, await read_body(request))
    expires_at = _until(wanted.expires_at)
    record, key = await accounts.api_keys.make(
        principal_of(request),
        name=wanted.name or "",
        scopes=[Scope(each) for each in wanted.scopes] if wanted.scopes is not None else None,
        expires_at=expires_at,
    )
    headers = {**PRIVATE, "Location": f"/v1/api-keys/{record.id}"}
    return JSONResponse({**_view(record), "key": key}, 201, headers=headers)


@router.get("/v1/api-keys", dependencies=[entry(Action.KEYS)])
@router.get("/v1/user/api-keys", dependencies=[entry(Action.KEYS)], include_in_schema=False)
async def list_api_keys(request: Request) -> Response:
    """Your keys that are not revoked, newest first, without the keys themselves; an admin's list has everybody's."""
    found = await services_of(request).accounts.api_keys.of(principal_of(request))
    return JSONResponse({"items": [_view(key) for key in found], "total": len(found)}, headers=PRIVATE)


@router.delete("/v1/api-keys/{key_id}", status_code=204, dependencies=[entry(Action.KEYS)])
@router.delete(
    "/v1/user/api-keys/{key_id}", status_code=204, dependencies=[entry(Action.KEYS)], include_in_schema=False
)
async def revoke_api_key(request: Request, key_id: str) -> Response:
    """Requests with it are refused from now on; sockets and peers that it opened end within ``auth_recheck_s``."""
    await services_of(request).accounts.api_keys.revoke(key_id)
    return Response(status_code=204)


@router.post(
    "/v1/tickets",
    status_code=201,
    dependencies=[entry(Action.TICKET)],
    openapi_extra=json_body(CreateTicket),
)
async def create_ticket(request: Request) -> Response:
    """A ticket opens one socket as yourself, by ``?ticket=`` in its address, within seconds and once."""
    wanted = parse_body(CreateTicket, await read_body(request))
    if wanted.transcript_id is not None:
        await admit(request, Action.TICKET, "transcript_id", wanted.transcript_id)
    ticket, expires_at = await services_of(request).accounts.tickets.make(principal_of(request), wanted.transcript_id)
    return JSONResponse({"ticket": ticket, "expires_at": iso(expires_at)}, 201, headers=PRIVATE)


def _until(wanted: datetime | None) -> float | None:
    """Epoch seconds. Raises ``ValidationFailed`` for what is over already, or further away than calendars go."""
    if wanted is None:
        return None
    if wanted.year > YEAR_MAX or wanted <= datetime.now(UTC):
        problem = {"field": "expires_at", "problem": f"not in the future, or after the year {YEAR_MAX}"}
        raise not_as_documented([problem])
    return wanted.timestamp()
