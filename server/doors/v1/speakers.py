"""Who said what, set right: ``assign``, ``merge``, ``unmerge`` and ``relabel`` of speakers, each by PATCH or POST."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse, Response

from protocol.wire.stream import HowManySpeak
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.doors.v1.participants import Speaker, label
from server.doors.v1.views import participant_view
from server.limits import read_body
from server.speaker_labels import number_of
from server.speakers import Assigned

router = APIRouter(tags=["participants"], responses=DOCUMENTED)

TIME_MAX_S = 10 * 365 * 86_400.0  # far above the longest transcript, and within what counts of samples hold
Time = Annotated[
    float,
    Field(ge=0, le=TIME_MAX_S, allow_inf_nan=False, description="Seconds since the transcript's first track began."),
]


class Assign(BaseModel):
    """Exactly one of ``speaker`` (a label or number) and ``participant`` (an id)."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    speaker: Speaker | None = None
    participant: str | None = Field(default=None, max_length=64)
    timestamp_from: Time
    timestamp_to: Time
    track: str | None = Field(default=None, max_length=200, description="Only what is on this track: its id or name.")

    @model_validator(mode="after")
    def _one(self) -> Assign:
        if (self.speaker is None) == (self.participant is None):
            raise ValueError("name a speaker or a participant, and not both")
        if self.timestamp_to < self.timestamp_from:
            raise ValueError("timestamp_to must not be before timestamp_from")
        return self


class Merge(BaseModel):
    """Labels or numbers of two speakers; the first becomes the second. ``participant`` stays when both have one."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    speaker_from: Speaker
    speaker_to: Speaker
    participant: str | None = Field(
        default=None,
        max_length=64,
        description="Where both speakers are assigned to participants: whose id this is stays, the other is removed.",
    )


class Unmerge(BaseModel):
    """Which merge is undone: the last."""

    model_config = ConfigDict(extra="ignore")

    merge: str | None = Field(
        default=None, max_length=64, description="Its id: where another was made since, that is said, and nothing done."
    )


class Relabel(HowManySpeak):
    """What is known of how many speak; what is left out is not known. Later passes go by it, too."""

    model_config = ConfigDict(extra="ignore")


def assigned_view(done: Assigned) -> dict[str, Any]:
    return {
        "status": "ok",
        "speaker": done.speaker,
        "speaker_number": number_of(done.speaker),
        "participant": None if done.participant is None else participant_view(done.participant, may_change=True),
        "segments": done.segments,
        "split": done.split,
        "rounded": done.rounded,
        "merge": done.merge_id,
    }


@router.patch(
    "/v1/transcripts/{transcript_id}/speaker/assign",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(Assign, required=True),
)
@router.post(
    "/v1/transcripts/{transcript_id}/speaker/assign", dependencies=[entry(Action.CHANGE)], include_in_schema=False
)
async def assign_speaker(request: Request, transcript_id: str) -> Response:
    """Give the words that begin within a stretch of time to a speaker. Segments that hold others as well are cut."""
    wanted = parse_body(Assign, await read_body(request))
    services = services_of(request)
    done = await services.speakers.assign(
        transcript_id,
        speaker=None if wanted.speaker is None else label(wanted.speaker),
        participant_id=wanted.participant,
        from_s=wanted.timestamp_from,
        to_s=wanted.timestamp_to,
        track=wanted.track,
    )
    services.relabelling.hurry(transcript_id)
    return JSONResponse(assigned_view(done))


@router.patch(
    "/v1/transcripts/{transcript_id}/speaker/merge",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(Merge, required=True),
)
@router.post(
    "/v1/transcripts/{transcript_id}/speaker/merge", dependencies=[entry(Action.CHANGE)], include_in_schema=False
)
async def merge_speakers(request: Request, transcript_id: str) -> Response:
    """One voice that was taken for two: everything of the first is the second's, also what still comes."""
    wanted = parse_body(Merge, await read_body(request))
    done = await services_of(request).speakers.merge(
        transcript_id,
        label(wanted.speaker_from),
        label(wanted.speaker_to),
        participant_id=wanted.participant,
    )
    return JSONResponse(assigned_view(done))


@router.post(
    "/v1/transcripts/{transcript_id}/speaker/unmerge",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(Unmerge),
)
@router.patch(
    "/v1/transcripts/{transcript_id}/speaker/unmerge", dependencies=[entry(Action.CHANGE)], include_in_schema=False
)
async def unmerge_speakers(request: Request, transcript_id: str) -> Response:
    """Undo the last merge of two speakers: each has the name and the words again that they had."""
    wanted = parse_body(Unmerge, await read_body(request))
    return JSONResponse(assigned_view(await services_of(request).speakers.unmerge(transcript_id, wanted.merge)))


@router.post(
    "/v1/transcripts/{transcript_id}/speaker/relabel",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(Relabel),
)
@router.patch(
    "/v1/transcripts/{transcript_id}/speaker/relabel", dependencies=[entry(Action.CHANGE)], include_in_schema=False
)
async def relabel_speakers(request: Request, transcript_id: str) -> Response:
    """Say anew who speaks where voices are told apart, by all that was heard. What people assigned stays."""
    wanted = parse_body(Relabel, await read_body(request))
    done = await services_of(request).relabelling.relabel(
        transcript_id, speakers_expected=wanted.speakers_expected, max_speakers=wanted.max_speakers
    )
    return JSONResponse({"status": "ok", "voices": done.voices, "segments": done.segments, "split": done.split})
