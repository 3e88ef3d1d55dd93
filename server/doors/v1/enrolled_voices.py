"""Voices that are recognised in later recordings: ``/v1/voices``. By what one is known leaves by no door."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from protocol.blocks import seconds
from protocol.errors import ValidationFailed
from server.auth import Action
from server.doors.access import admit, entry, principal_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.doors.v1.participants import Name, Speaker, label
from server.doors.v1.views import iso
from server.limits import read_body
from server.store.enrolled_store import EnrolledVoice

router = APIRouter(tags=["participants"], responses=DOCUMENTED)

PRIVATE = {"Cache-Control": "no-store"}


def _with_consent(schema: dict[str, Any]) -> None:
    """What is left out is refused with a sentence of ours."""
    schema["required"].append("consent")
    schema["properties"]["consent"] = {**schema["properties"]["consent"], "enum": [True]}
    schema["properties"]["consent"].pop("default")


class Enrol(BaseModel):
    """``speaker``: a label or number in the transcript."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, json_schema_extra=_with_consent)

    transcript_id: str = Field(min_length=1, max_length=64)
    speaker: Speaker
    name: Name
    project_id: str | None = Field(
        default=None, max_length=64, description="Recognise it in this project's conversations, instead of elsewhere."
    )
    consent: bool = Field(default=False, description="True: the person whose voice it is agreed to this.")


class Rename(BaseModel):
    """Where it was recognised already it keeps the name that it got there."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: Name


def _view(voice: EnrolledVoice) -> dict[str, Any]:
    return {
        "id": voice.id,
        "name": voice.name,
        "user_id": voice.owner,
        "project_id": voice.project_id,
        "transcript_id": voice.transcript_id,
        "encoder": voice.encoder,
        "heard_s": round(seconds(voice.heard_samples), 1),
        "created_at": iso(voice.created_at),
    }


@router.post(
    "/v1/voices", status_code=201, dependencies=[entry(Action.ENROL)], openapi_extra=json_body(Enrol, required=True)
)
async def enrol_voice(request: Request) -> Response:
    """Recognise this speaker's voice in later recordings. The person must have agreed: ``"consent": true``."""
    wanted = parse_body(Enrol, await read_body(request))
    await admit(request, Action.CHANGE, "transcript_id", wanted.transcript_id)
    if wanted.project_id is not None:
        await admit(request, Action.CHANGE, "project_id", wanted.project_id)
    if not wanted.consent:
        raise ValidationFailed(
            'ask the person whose voice this is; where they agree to be recognised by it, say so with "consent": true',
            details={"field": "consent"},
        )
    made = await services_of(request).enrolment.enrol(
        wanted.transcript_id, label(wanted.speaker), name=wanted.name, project_id=wanted.project_id
    )
    return JSONResponse(_view(made), 201, headers={**PRIVATE, "Location": f"/v1/voices/{made.id}"})


@router.get("/v1/voices", dependencies=[entry(Action.LIST)])
async def list_enrolled_voices(
    request: Request,
    project_id: Annotated[str | None, Query(description="Only those of this project.")] = None,
) -> Response:
    """Yours, newest first, at most 1000; with ``?project_id=`` that project's. An admin's list has everybody's."""
    if project_id is not None:
        await admit(request, Action.READ, "project_id", project_id)
    found = await services_of(request).store.voices.enrolled.page(principal_of(request).viewer, project_id=project_id)
    return JSONResponse({"items": [_view(each) for each in found], "total": len(found)}, headers=PRIVATE)


@router.patch(
    "/v1/voices/{voice_id}", dependencies=[entry(Action.CHANGE)], openapi_extra=json_body(Rename, required=True)
)
async def change_enrolled_voice(request: Request, voice_id: str) -> Response:
    """Call it otherwise, where it is recognised from now on."""
    wanted = parse_body(Rename, await read_body(request))
    return JSONResponse(
        _view(await services_of(request).store.voices.enrolled.rename(voice_id, wanted.name)), headers=PRIVATE
    )


@router.delete("/v1/voices/{voice_id}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_enrolled_voice(request: Request, voice_id: str) -> Response:
    """For good: it is recognised in no recording that begins from now on. Transcripts keep the names they have."""
    await services_of(request).store.voices.enrolled.delete(voice_id)
    return Response(status_code=204)
