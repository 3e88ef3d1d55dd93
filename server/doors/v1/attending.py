"""Taking part in a meeting: join, connect by WebRTC, leave, and say whether the sound may be kept.

Joining gives a token. It is what a participant shows from then on, in every mode of access, and it opens nothing else.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from server.accounts.attendance_tokens import TOKEN_MAX_CHARS, is_token
from server.accounts.credentials import bearer_of
from server.auth import Action, may
from server.doors.access import address_of, entry, leaving_of, principal_of, resource_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.doors.v1.meetings import meeting_of, shown
from server.doors.v1.room_views import absolute, person_view
from server.doors.v1.webrtc import read_description
from server.limits import read_body
from server.store.meeting_records import Attendance

router = APIRouter(tags=["meetings"], responses=DOCUMENTED)

NO_STORE = {"Cache-Control": "no-store"}


class Join(BaseModel):
    """Both may be left out: somebody without a name is a guest."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str | None = Field(default=None, max_length=400, description="What others, and the transcript, call you.")
    token: str | None = Field(
        default=None, max_length=TOKEN_MAX_CHARS, description="Of an earlier joining, to be the same participant again."
    )


class Consent(BaseModel):
    model_config = ConfigDict(extra="ignore")

    consent_given: bool = Field(description="Whether the sound may be kept when the words are final.")


class ParticipantOffer(BaseModel):
    """A WebRTC offer. ``resume_token`` may be left out: the participant's track is found without it."""

    model_config = ConfigDict(extra="ignore")

    sdp: str = Field(min_length=1)
    type: Literal["offer"] = "offer"
    resume_token: str | None = Field(default=None, max_length=128)


@router.post("/v1/meetings/{meeting_id}/join", dependencies=[entry(Action.JOIN)], openapi_extra=json_body(Join))
async def join_meeting(request: Request, meeting_id: str) -> Response:
    """Take part. The answer's ``token`` is told this once; send your sound to ``offer_url`` with it."""
    return await _join(request, meeting_id)


@router.post(
    "/v1/rooms/{room_name}/meetings/{meeting_id}/join",
    dependencies=[entry(Action.JOIN)],
    openapi_extra=json_body(Join),
)
async def join_meeting_of_room(request: Request, room_name: str, meeting_id: str) -> Response:
    """The same by its room."""
    return await _join(request, meeting_id, room_name)


async def _join(request: Request, meeting_id: str, room_name: str | None = None) -> Response:
    leaving_of(request).refuse_new()
    services = services_of(request)
    meeting = await meeting_of(services, meeting_id, room_name)
    wanted = parse_body(Join, await read_body(request))
    principal = principal_of(request)
    is_host = may(principal, Action.CHANGE, resource_of(request))
    attends = principal.attends  # let in by what joining gave, which makes nobody else a participant
    joined = await services.attendances.join(
        meeting.id,
        wanted.name or "",
        user_id=principal.id,
        is_host=is_host,
        has_place=is_host and not services.accounts.is_open,  # where everybody is a host no place is kept
        token=wanted.token or (_token(request) if attends is not None else None),
        participant_id=None if attends is None else attends.participant_id,
    )
    view = shown(request, meeting)
    place = f"/v1/meetings/{meeting.id}/participants/{joined.attendance.id}"
    body = {
        **view,
        "meeting": view,
        "participant_id": joined.attendance.id,
        "name": joined.attendance.name,
        "token": joined.token,
        "consent_given": joined.attendance.consent,
        "room_url": absolute(joined.room_url, str(request.base_url)),
        "offer_url": f"{place}/offer" if meeting.platform == "builtin" else None,
        "events_url": f"/v1/transcripts_websocket/{meeting.transcript_id}",
    }
    return JSONResponse(body, headers=NO_STORE)


@router.get("/v1/meetings/{meeting_id}/participants", dependencies=[entry(Action.READ)])
async def list_people_of_meeting(request: Request, meeting_id: str) -> Response:
    """Who joined, in that order, who of them is there now, and whether the sound will be kept."""
    services = services_of(request)
    meeting = await meeting_of(services, meeting_id)
    people = await services.attendances.people(meeting)
    body = {
        "items": [person_view(each) for each in people],
        "total": len(people),
        # Who denied it, if anybody did, is told to nobody.
        "sound_kept": not await services.store.rooms.wants_no_sound(meeting),
    }
    return JSONResponse(body)


@router.post(
    "/v1/meetings/{meeting_id}/participants/{participant_id}/offer",
    dependencies=[entry(Action.JOIN)],
    openapi_extra=json_body(ParticipantOffer, required=True),
)
async def offer_of_participant(request: Request, meeting_id: str, participant_id: str) -> Response:
    """Connect: your sound is heard by the others and written down under your name."""
    leaving_of(request).refuse_new()
    services = services_of(request)
    attendance = await _participant(request, meeting_id, participant_id)
    wanted = await read_description(ParticipantOffer, request)
    described = await services.attendances.offer(
        attendance, wanted.sdp, wanted.type, resume_token=wanted.resume_token, address=address_of(request)
    )
    body = {
        "sdp": described.sdp,
        "type": described.type,
        "session_id": described.session_id,
        "resume_token": described.resume_token,
    }
    return JSONResponse(body, headers=NO_STORE)


@router.post("/v1/meetings/{meeting_id}/leave", status_code=204, dependencies=[entry(Action.JOIN)])
async def leave_meeting(request: Request, meeting_id: str) -> Response:
    """Go. Your last words are still written down."""
    await services_of(request).attendances.leave(await _participant(request, meeting_id))
    return Response(status_code=204)


@router.post(
    "/v1/meetings/{meeting_id}/consent",
    dependencies=[entry(Action.JOIN)],
    openapi_extra=json_body(Consent, required=True),
)
async def answer_consent(request: Request, meeting_id: str) -> Response:
    """Whether the sound may be kept. One denial is enough: then it is deleted when the words are final.

    As a participant, with the token of joining; or as anybody who may join.
    """
    services = services_of(request)
    attendance = await _participant(request, meeting_id) if is_token(_token(request)) else None
    meeting = await meeting_of(services, meeting_id)
    wanted = parse_body(Consent, await read_body(request))
    consent_id = await services.attendances.consent(meeting.id, attendance, given=wanted.consent_given)
    return JSONResponse({"status": "success", "consent_id": consent_id})


async def _participant(request: Request, meeting_id: str, participant_id: str | None = None) -> Attendance:
    known = services_of(request).attendances.known
    return await known(meeting_id, _token(request), participant_id=participant_id)


def _token(request: Request) -> str:
    return bearer_of(request.headers.get("authorization", "")) or ""
