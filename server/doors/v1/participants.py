"""Who takes part in a transcript, by name: ``/v1/transcripts/{id}/participants``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictInt
from starlette.responses import JSONResponse, Response

from protocol.errors import ValidationFailed
from server.auth import Action, may
from server.doors.access import entry, principal_of, resource_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.doors.v1.views import participant_view
from server.limits import read_body
from server.speaker_labels import label_of
from server.store.records import storable

router = APIRouter(tags=["participants"], responses=DOCUMENTED)

LABEL_MAX_CHARS = 200

# A label as segments carry it, or the number in "Speaker 1".
Speaker = Annotated[StrictInt, Field(ge=0, le=9999)] | Annotated[str, Field(min_length=1, max_length=LABEL_MAX_CHARS)]

ADDRESS = r"^[^@\s]+@[^@\s]+$"


def _address(email: str) -> str:
    if not re.search(ADDRESS, email):
        raise ValueError("not an e-mail address")
    return email


Address = Annotated[
    str, Field(max_length=320, json_schema_extra={"pattern": ADDRESS + "|^$"}), AfterValidator(_address)
]


def _not_blank(name: str) -> str:
    if not storable(name).strip():
        raise ValueError("nothing of it can be shown")
    return name


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_not_blank)]


def label(speaker: int | str) -> str:
    return label_of(speaker) if isinstance(speaker, int) else speaker


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


class NewParticipant(BaseModel):
    """``speaker``: the label of their voice ("Speaker 1"), or its number."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: Name
    speaker: Speaker | None = None
    email: Annotated[Address | None, BeforeValidator(_none_if_empty)] = None
    user_id: Annotated[Annotated[str, Field(max_length=200)] | None, BeforeValidator(_none_if_empty)] = None

    def values(self) -> dict[str, Any]:
        """What was given, as the room takes it."""
        given = self.model_dump(include=self.model_fields_set)
        return given if self.speaker is None else {**given, "speaker": label(self.speaker)}


class ChangeParticipant(NewParticipant):
    """What is left out stays; ``"speaker": null`` takes the voice away."""

    name: Name = ""


def _may_change(request: Request) -> bool:
    return may(principal_of(request), Action.CHANGE, resource_of(request))


@router.get("/v1/transcripts/{transcript_id}/participants", dependencies=[entry(Action.READ)])
async def list_participants(request: Request, transcript_id: str) -> Response:
    """In the order they were added."""
    found = await services_of(request).speakers.participants(transcript_id)
    may_see = _may_change(request)
    return JSONResponse([participant_view(each, may_change=may_see) for each in found])


@router.post(
    "/v1/transcripts/{transcript_id}/participants",
    status_code=201,
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(NewParticipant, required=True),
)
async def add_participant(request: Request, transcript_id: str) -> Response:
    """Name somebody. With a speaker, what that voice said is told anew under the name, and what it says from now on."""
    wanted = parse_body(NewParticipant, await read_body(request))
    made = await services_of(request).speakers.add(transcript_id, **wanted.values())
    location = f"/v1/transcripts/{transcript_id}/participants/{made.id}"
    return JSONResponse(participant_view(made, may_change=True), 201, headers={"Location": location})


@router.get("/v1/transcripts/{transcript_id}/participants/{participant_id}", dependencies=[entry(Action.READ)])
async def get_participant(request: Request, transcript_id: str, participant_id: str) -> Response:
    """One of them."""
    found = await services_of(request).speakers.participant(transcript_id, participant_id)
    return JSONResponse(participant_view(found, may_change=_may_change(request)))


@router.patch(
    "/v1/transcripts/{transcript_id}/participants/{participant_id}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(ChangeParticipant, required=True),
)
async def change_participant(request: Request, transcript_id: str, participant_id: str) -> Response:
    """Change the name, the speaker, the address or whose account it is."""
    wanted = parse_body(ChangeParticipant, await read_body(request)).values()
    if not wanted:
        raise ValidationFailed("nothing to change", details={"fields": sorted(ChangeParticipant.model_fields)})
    changed = await services_of(request).speakers.change(transcript_id, participant_id, **wanted)
    return JSONResponse(participant_view(changed, may_change=True))


@router.delete(
    "/v1/transcripts/{transcript_id}/participants/{participant_id}",
    status_code=204,
    dependencies=[entry(Action.CHANGE)],
)
async def delete_participant(request: Request, transcript_id: str, participant_id: str) -> Response:
    """Their voice is shown under its label again."""
    await services_of(request).speakers.remove(transcript_id, participant_id)
    return Response(status_code=204)
