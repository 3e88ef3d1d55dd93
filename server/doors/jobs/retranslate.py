"""``/api/retranslate``: a stretch of sound heard again, by a better recogniser than the first time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import JSONResponse, Response

from protocol.wire.jobs import speaker_of
from protocol.wire.stream import Language
from protocol.wire.v1 import word_data
from server.auth import Action
from server.doors.access import admit, entry, leaving_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body, validation_failed
from server.doors.v1.asked import body, form_with_file, json_body
from server.doors.v1.uploads import receive_upload
from server.intake import MEBIBYTE
from server.jobs.model_names import asked_model
from server.jobs.rehearing import CLIP_MAX_MB, Heard
from server.limits import read_body

router = APIRouter(tags=["jobs"], responses=DOCUMENTED)

TIME_MAX_S = 7 * 86400.0


class Stretch(BaseModel):
    """What is to be heard again."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, protected_namespaces=())

    segment_id: str = Field(min_length=1, max_length=100)
    start_time: float = Field(ge=0, le=TIME_MAX_S, allow_inf_nan=False, description="Seconds since the beginning.")
    end_time: float = Field(ge=0, le=TIME_MAX_S, allow_inf_nan=False)
    model_name: str = Field(
        default="", max_length=100, description="Empty: whisper-large-v3-turbo if it is here, else the one in use."
    )
    language: Language | None = None


@router.post(
    "/api/retranslate/segment",
    dependencies=[entry(Action.CREATE)],
    openapi_extra=body(
        form_with_file("file", {name: {"type": "string"} for name in Stretch.model_fields}),
    ),
)
async def hear_clip_again(request: Request) -> Response:
    """What is said in a clip, two minutes long at most. Nothing is kept."""
    leaving_of(request).refuse_new()
    upload = await receive_upload(request, settings_of(request), max_bytes=CLIP_MAX_MB * MEBIBYTE)
    try:
        wanted = _from_form(upload.fields)
        heard = await services_of(request).rehearing.clip(
            upload.path, model=asked_model(wanted.model_name), language=wanted.language
        )
    finally:
        upload.discard()
    return JSONResponse(heard_view(wanted.segment_id, heard))


@router.post(
    "/api/retranslate/segment-from-full",
    dependencies=[entry(Action.CREATE)],
    openapi_extra=json_body(Stretch, required=True),
)
async def hear_segment_again(
    request: Request, job_id: Annotated[str, Query(max_length=64, description="Whose sound it is.")]
) -> Response:
    """What is said in a stretch of a job's sound. It takes the place of the segment's text, which is kept as an older
    revision; those who follow the job are told."""
    leaving_of(request).refuse_new()
    await admit(request, Action.CHANGE, "job_id", job_id)
    wanted = parse_body(Stretch, await read_body(request))
    heard = await services_of(request).rehearing.segment(
        job_id,
        wanted.segment_id,
        start_s=wanted.start_time,
        end_s=wanted.end_time,
        model=asked_model(wanted.model_name),
        language=wanted.language,
    )
    return JSONResponse(heard_view(wanted.segment_id, heard))


def heard_view(segment_id: str, heard: Heard) -> dict[str, Any]:
    segment = heard.segment
    return {
        "segment_id": segment_id,
        "text": heard.text,
        "confidence": round(heard.confidence, 3),
        "speaker": speaker_of(segment) if segment is not None else None,
        "model_used": heard.model,
        "words": [word_data(word) for word in heard.words],
        "revision": segment.revision if segment is not None else None,
    }


def _from_form(fields: Mapping[str, str]) -> Stretch:
    try:
        return Stretch.model_validate({name: text for name, text in fields.items() if text.strip()})
    except ValidationError as error:
        raise validation_failed(error.errors(include_input=False, include_context=False)) from None
