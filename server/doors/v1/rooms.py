"""Rooms: lasting places to meet in."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from protocol.errors import NotFound, ValidationFailed
from protocol.ids import is_transcript_id
from protocol.wire.stream import Language
from server.auth import Action
from server.doors.access import entry, leaving_of, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import PageNumber, PageSize, json_body
from server.doors.v1.room_views import room_view
from server.doors.v1.views import page_view
from server.limits import read_body
from server.meetings.names import check_room_name, is_room_name, new_room_name
from server.meetings.provider import chosen
from server.services import Services
from server.store.meeting_records import Platform, Room
from server.store.standing import ShareMode

router = APIRouter(tags=["rooms"], responses=DOCUMENTED)


class RoomBody(BaseModel):
    """Unknown fields are ignored: clients of neighbouring systems send more than we know."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str | None = Field(
        default=None,
        max_length=200,
        description="Stands in the room's link: a-z, 0-9, - and _; made up where left out.",
    )
    platform: Platform | None = Field(default=None, description="Who hosts its meetings.")
    language: Language | None = None
    share_mode: ShareMode | None = Field(
        default=None,
        description="Who besides its owner may enter: nobody, whoever is signed in, or whoever has the link.",
    )
    is_shared: bool | None = Field(default=None, description="The same in short: public or private.")
    is_locked: bool | None = Field(default=None, description="Only its owner may enter for now.")
    room_mode: Literal["normal", "group"] | None = None
    recording_type: Literal["none", "local", "cloud"] | None = Field(
        default=None, description="Where the sound is kept; none: deleted when the words are final."
    )
    recording_trigger: Literal["none", "prompt", "automatic", "automatic-2nd-participant"] | None = None
    skip_consent: bool | None = Field(default=None, description="Participants are not asked whether to keep the sound.")

    def shared(self) -> ShareMode | None:
        if self.share_mode is not None or self.is_shared is None:
            return self.share_mode
        return "public" if self.is_shared else "private"


async def room_of(services: Services, name_or_id: str) -> Room:
    """A room by its name, or by its id as well. Raises ``NotFound``."""
    if is_transcript_id(name_or_id):
        return await services.store.rooms.get(name_or_id)
    if not is_room_name(name_or_id):
        raise NotFound("no such room")
    return await services.store.rooms.named(name_or_id)


def is_host(request: Request, owner: str | None) -> bool:
    """Whether who asks may change what ``owner`` owns."""
    principal = principal_of(request)
    return principal.trusted and (principal.is_admin or owner in (None, principal.id))


def _shown(request: Request, room: Room) -> dict[str, Any]:
    return room_view(room, is_host=is_host(request, room.owner))


def _check_platform(services: Services, platform: str) -> None:
    if platform not in services.meetings.platforms:
        possible = sorted(services.meetings.platforms)
        raise ValidationFailed(
            f"{platform} is not set up on this server; possible: {', '.join(possible)}",
            details={"field": "platform", "possible": possible},
        )


@router.get("/v1/rooms", dependencies=[entry(Action.LIST)])
async def list_rooms(request: Request, page: PageNumber = 1, size: PageSize = 50) -> Response:
    """The newest first."""
    found, total = await services_of(request).store.rooms.page(
        page=page, size=size, viewer=principal_of(request).viewer
    )
    return JSONResponse(page_view([_shown(request, each) for each in found], total, page, size))


@router.post("/v1/rooms", status_code=201, dependencies=[entry(Action.CREATE_ROOM)], openapi_extra=json_body(RoomBody))
async def create_room(request: Request) -> Response:
    """Make a lasting room."""
    leaving_of(request).refuse_new()
    services, settings = services_of(request), settings_of(request)
    wanted = parse_body(RoomBody, await read_body(request))
    platform = wanted.platform or "builtin"
    _check_platform(services, platform)
    room = await services.store.rooms.create(
        name=new_room_name() if wanted.name is None else check_room_name(wanted.name),
        owner=principal_of(request).id,
        platform=platform,
        share_mode=wanted.shared() or "private",
        is_locked=bool(wanted.is_locked),
        language=wanted.language or settings.language,
        settings=chosen(platform, wanted.model_dump(), {}),
        rooms_max=settings.rooms_max,
    )
    return JSONResponse(_shown(request, room), 201, headers={"Location": f"/v1/rooms/{room.id}"})


@router.get("/v1/rooms/{room_id}", dependencies=[entry(Action.READ)])
async def get_room(request: Request, room_id: str) -> Response:
    """A room by its id."""
    return JSONResponse(_shown(request, await room_of(services_of(request), room_id)))


@router.get("/v1/rooms/name/{room_name}", dependencies=[entry(Action.READ)])
async def get_room_by_name(request: Request, room_name: str) -> Response:
    """A room by the name in its link."""
    return JSONResponse(_shown(request, await room_of(services_of(request), room_name)))


@router.patch("/v1/rooms/{room_id}", dependencies=[entry(Action.CHANGE)], openapi_extra=json_body(RoomBody))
async def change_room(request: Request, room_id: str) -> Response:
    """Change what is given; a meeting that goes on keeps its platform."""
    services = services_of(request)
    wanted = parse_body(RoomBody, await read_body(request))
    given = wanted.model_dump(exclude_none=True)
    if not given:
        raise ValidationFailed("nothing to change", details={"fields": sorted(RoomBody.model_fields)})
    room = await room_of(services, room_id)
    platform = wanted.platform or room.platform
    if platform != room.platform:
        _check_platform(services, platform)
    values: dict[str, Any] = {key: given[key] for key in ("language", "is_locked", "platform") if key in given}
    if wanted.name is not None:
        values["name"] = check_room_name(wanted.name)
    if (share_mode := wanted.shared()) is not None:
        values["share_mode"] = share_mode
    changed = await services.store.rooms.change(room.id, values, settings=chosen(platform, given, room.settings))
    return JSONResponse(_shown(request, changed))


@router.delete("/v1/rooms/{room_id}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_room(request: Request, room_id: str) -> Response:
    """Its meeting ends; the transcripts of its meetings stay."""
    services = services_of(request)
    room = await room_of(services, room_id)
    await services.meetings.end_in(room.id)
    await services.store.rooms.delete(room.id)
    return Response(status_code=204)
