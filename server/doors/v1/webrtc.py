"""The WebRTC door: descriptions in, descriptions out; every candidate is in them, nothing trickles."""

from __future__ import annotations

from typing import Literal, Self, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import JSONResponse, Response

from protocol.errors import TooLarge
from protocol.wire.stream import Language, TrackName
from server.auth import Action
from server.doors.access import address_of, entry, leaving_of, services_of, settings_of, unwelcome_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.doors.v1.voices import WithVoices
from server.limits import JSON_MAX_BYTES, read_body
from server.live import SourceOptions

router = APIRouter(tags=["webrtc"], responses=DOCUMENTED)

M = TypeVar("M", bound=BaseModel)


class Offer(WithVoices):
    """Without ``sdp`` and ``type`` the server makes the offer.

    ``resume_token`` goes on with a session that lost its connection.
    """

    model_config = ConfigDict(extra="ignore")

    sdp: str | None = None
    type: Literal["offer"] = "offer"
    resume_token: str | None = Field(default=None, max_length=128)
    language: Language | None = None
    speaker: str | None = Field(default=None, max_length=200)
    track: TrackName | None = None
    interim: bool = True
    hotwords: tuple[str, ...] = Field(default=(), max_length=200)

    @model_validator(mode="after")
    def _whole_or_none(self) -> Self:
        # A client that lost its description on the way must hear of it, and not be taken for one that has none.
        if not self.sdp and self.model_fields_set & {"sdp", "type"}:
            raise ValueError("sdp is missing; without sdp and type the server makes the offer")
        return self

    def options(self) -> SourceOptions:
        return SourceOptions(
            language=self.language,
            speaker=self.speaker,
            track=self.track,
            hotwords=self.hotwords,
            interim=self.interim,
            source="webrtc",
            voices=self.voices,
        )


class Answer(BaseModel):
    """The client's answer to the server's offer."""

    model_config = ConfigDict(extra="ignore")

    sdp: str
    type: Literal["answer"] = "answer"
    session_id: str = Field(max_length=64)


async def read_description(model: type[M], request: Request) -> M:
    """A JSON body with a session description in ``sdp``. Raises ``TooLarge``, ``ValidationFailed``."""
    settings = settings_of(request)
    # JSON writes each line end of a description as four characters, so a body may be somewhat longer than it.
    message = parse_body(model, await read_body(request, 2 * settings.sdp_max_bytes + JSON_MAX_BYTES))
    sdp: str | None = getattr(message, "sdp", None)
    if sdp is not None and len(sdp.encode()) > settings.sdp_max_bytes:
        raise TooLarge("the session description is too long", details={"max_bytes": settings.sdp_max_bytes})
    return message


@router.post(
    "/v1/transcripts_webrtc/{transcript_id}/offer",
    dependencies=[entry(Action.SPEAK)],
    openapi_extra=json_body(Offer),
)
@router.post(
    "/v1/transcripts/{transcript_id}/record/webrtc", dependencies=[entry(Action.SPEAK)], include_in_schema=False
)
async def offer(request: Request, transcript_id: str) -> Response:
    """Answer a client's offer, or, with an empty body or ``{}``, make one for it to answer at ``/answer``."""
    leaving_of(request).refuse_new()
    services = services_of(request)
    wanted = await read_description(Offer, request)
    options, address, unwelcome = wanted.options(), address_of(request), unwelcome_of(request, Action.SPEAK)
    if wanted.sdp:
        described = await services.peers.answer(
            transcript_id,
            wanted.sdp,
            wanted.type,
            options,
            resume_token=wanted.resume_token,
            address=address,
            unwelcome=unwelcome,
        )
    else:
        described = await services.peers.offer(
            transcript_id, options, resume_token=wanted.resume_token, address=address, unwelcome=unwelcome
        )
    body = {
        "sdp": described.sdp,
        "type": described.type,
        "session_id": described.session_id,
        "resume_token": described.resume_token,
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


@router.post(
    "/v1/transcripts_webrtc/{transcript_id}/answer",
    dependencies=[entry(Action.SPEAK)],
    openapi_extra=json_body(Answer, required=True),
)
async def answer(request: Request, transcript_id: str) -> Response:
    """The client's answer to our offer."""
    services = services_of(request)
    given = await read_description(Answer, request)
    await services.peers.accept(transcript_id, given.session_id, given.sdp, given.type)
    return JSONResponse({"session_id": given.session_id})
