"""Meetings: opened in a room, listed, ended."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from protocol.errors import NotFound
from protocol.ids import is_transcript_id
from server.accounts.resource import Kind
from server.auth import Action, may
from server.doors.access import (
    admit,
    entry,
    leaving_of,
    may_change,
    principal_of,
    resource_of,
    services_of,
    settings_of,
)
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import PageNumber, PageSize, json_body
from server.doors.v1.room_views import meeting_view
from server.doors.v1.rooms import is_host, room_of
from server.doors.v1.views import page_view
from server.limits import read_body
from server.meetings.names import clean_name, new_room_name
from server.meetings.provider import chosen
from server.services import Services
from server.store.meeting_records import Meeting, Room

router = APIRouter(tags=["meetings"], responses=DOCUMENTED)

Active = Annotated[bool | None, Query(description="Only those that go on, or only those that are over.")]


class CreateMeeting(BaseModel):
    """A room by its id or its name. Without one the meeting gets a room of its own, which is gone with it."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    room_id: str | None = Field(default=None, max_length=64)
    room_name: str | None = Field(default=None, max_length=64)
    name: str | None = Field(default=None, max_length=200, description="What the transcript is called.")


async def meeting_of(services: Services, meeting_id: str, room_name: str | None = None) -> Meeting:
    """Raises ``NotFound``, also for a meeting of another room than the path names."""
    if not is_transcript_id(meeting_id):
        raise NotFound("no such meeting")
    meeting = await services.store.rooms.get_meeting(meeting_id)
    if room_name is not None and room_name not in (meeting.room.name, meeting.room_id):
        raise NotFound("no such meeting")
    return meeting


def shown(request: Request, meeting: Meeting) -> dict[str, Any]:
    return meeting_view(
        meeting,
        str(request.base_url),
        is_host=is_host(request, meeting.owner),
        may_change=may_change(request, Kind.MEETING, meeting.owner),
    )


@router.get("/v1/meetings", dependencies=[entry(Action.LIST)])
async def list_meetings(
    request: Request,
    page: PageNumber = 1,
    size: PageSize = 50,
    room_id: Annotated[str | None, Query(max_length=64, description="Only those in this room.")] = None,
    active: Active = None,
) -> Response:
    """The newest first: those that you opened or joined."""
    if room_id is not None and not is_transcript_id(room_id):
        return JSONResponse(page_view([], 0, page, size))  # no text of a stranger reaches a query
    found, total = await services_of(request).store.rooms.meetings_page(
        page=page, size=size, viewer=principal_of(request).viewer, room_id=room_id, active=active
    )
    return JSONResponse(page_view([shown(request, each) for each in found], total, page, size))


@router.post(
    "/v1/meetings", status_code=201, dependencies=[entry(Action.CREATE_ROOM)], openapi_extra=json_body(CreateMeeting)
)
async def create_meeting(request: Request) -> Response:
    """Open a meeting. Where the room's meeting goes on already, that one is the answer, with 200."""
    leaving_of(request).refuse_new()
    services = services_of(request)
    wanted = parse_body(CreateMeeting, await read_body(request))
    named = wanted.room_id or wanted.room_name
    if named is not None:
        await admit(request, Action.JOIN, "room_name", named)
    room = await (_ad_hoc_room(request) if named is None else room_of(services, named))
    try:
        return await _opened(request, room, title=clean_name(wanted.name) if wanted.name else "")
    except BaseException:
        if named is None:
            await services.store.rooms.delete(room.id)
        raise


@router.post("/v1/rooms/{room_name}/meeting", status_code=201, dependencies=[entry(Action.JOIN)])
async def open_meeting(request: Request, room_name: str) -> Response:
    """The room's meeting: opened now, or, with 200, the one that goes on. Whoever may enter the room may open it."""
    leaving_of(request).refuse_new()
    return await _opened(request, await room_of(services_of(request), room_name))


async def _ad_hoc_room(request: Request) -> Room:
    settings = settings_of(request)
    return await services_of(request).store.rooms.create(
        name=new_room_name(),
        owner=principal_of(request).id,
        share_mode="private",
        language=settings.language,
        settings=chosen("builtin", {}, {}) | {"ad_hoc": True},
        rooms_max=settings.rooms_max,
    )


async def _opened(request: Request, room: Room, *, title: str = "") -> Response:
    meeting, is_new = await services_of(request).meetings.open(
        room, title=title, may_take_all=principal_of(request).viewer.sees_all
    )
    headers = {"Location": f"/v1/meetings/{meeting.id}"} if is_new else {}
    return JSONResponse(shown(request, meeting), 201 if is_new else 200, headers=headers)


@router.get("/v1/rooms/{room_name}/meetings", dependencies=[entry(Action.READ)])
async def list_meetings_of_room(
    request: Request, room_name: str, page: PageNumber = 1, size: PageSize = 50, active: Active = None
) -> Response:
    """The newest first. Whoever may only enter the room sees the one that goes on."""
    services = services_of(request)
    room = await room_of(services, room_name)
    if not may(principal_of(request), Action.CHANGE, resource_of(request)):
        active = True
    found, total = await services.store.rooms.meetings_page(page=page, size=size, room_id=room.id, active=active)
    return JSONResponse(page_view([shown(request, each) for each in found], total, page, size))


@router.get("/v1/rooms/{room_name}/meetings/active", dependencies=[entry(Action.READ)])
async def list_active_meetings(request: Request, room_name: str) -> Response:
    """A list of the one that goes on, or of none."""
    services = services_of(request)
    room = await room_of(services, room_name)
    active = await services.store.rooms.active_meeting(room.id)
    return JSONResponse([] if active is None else [shown(request, active)])


@router.get("/v1/meetings/{meeting_id}", dependencies=[entry(Action.READ)])
async def get_meeting(request: Request, meeting_id: str) -> Response:
    """Whether it goes on, and where."""
    return JSONResponse(shown(request, await meeting_of(services_of(request), meeting_id)))


@router.get("/v1/rooms/{room_name}/meetings/{meeting_id}", dependencies=[entry(Action.READ)])
async def get_meeting_of_room(request: Request, room_name: str, meeting_id: str) -> Response:
    """The same by its room."""
    return JSONResponse(shown(request, await meeting_of(services_of(request), meeting_id, room_name)))


@router.post("/v1/meetings/{meeting_id}/end", dependencies=[entry(Action.CHANGE)])
@router.patch("/v1/meetings/{meeting_id}/deactivate", dependencies=[entry(Action.CHANGE)], include_in_schema=False)
async def end_meeting(request: Request, meeting_id: str) -> Response:
    """Everybody is sent away and the transcript is completed. Once more: nothing happens."""
    services = services_of(request)
    meeting = await meeting_of(services, meeting_id)
    return JSONResponse(shown(request, await services.meetings.end(meeting.id)))
