"""``/v1/realtime/calls``: the same sessions by WebRTC. An offer in, our answer out; events on ``oai-events``."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from protocol.errors import BadInput, EarshotError, InvalidMessage, NotFound, ParameterRefused
from protocol.openai_realtime import Session, updated
from server.auth import Action
from server.doors.access import (
    address_of,
    admit,
    entry,
    leaving_of,
    principal_of,
    services_of,
    settings_of,
    unwelcome_of,
)
from server.doors.errors import DOCUMENTED
from server.doors.openai.sessions import session_of
from server.doors.openai.talk import Talk, error_event
from server.doors.v1.asked import body
from server.doors.v1.multipart import MultipartReader, PartBegins, PartData, boundary_of
from server.doors.v1.uploads import is_multipart
from server.limits import JSON_MAX_BYTES, read_body
from server.live import LiveSession, SourceOptions
from server.peer_source import Send
from server.services import Services
from server.store.records import VoicesAsked

router = APIRouter(tags=["openai"], responses=DOCUMENTED)

SDP = "application/sdp"
TEXT = {"type": "string"}
FORM = {"schema": {"type": "object", "properties": {"sdp": TEXT, "session": TEXT}, "required": ["sdp"]}}
TAKEN = body({SDP: {"schema": TEXT}, "multipart/form-data": FORM})
CALL, SESSION = "rtc_", "ses_"


@router.post("/v1/realtime/calls", status_code=201, dependencies=[entry(Action.TALK)], openapi_extra=TAKEN)
@router.post("/v1/realtime", dependencies=[entry(Action.TALK)], include_in_schema=False)
async def openai_call(request: Request) -> Response:
    """Answer a WebRTC offer with a Realtime session, whose events are on the data channel `oai-events`. `Location` is
    the call. It ends with its connection."""
    leaving_of(request).refuse_new()
    services, settings = services_of(request), settings_of(request)
    offer, session = await _offered(request)
    services.jobs.check_language(None, session.transcription.spoken)
    spoken = session.transcription.spoken
    async with services.fleeting.beginning(kept=settings.openai_kept) as id_:
        await services.store.create_transcript(
            transcript_id=id_, name="", language=spoken or settings.language, owner=principal_of(request).id
        )
        described = await services.peers.answer(
            id_,
            offer,
            "offer",
            _options(session),
            address=address_of(request),
            resumable=False,
            talk=lambda send: _CallTalk(services, session, send),
            unwelcome=unwelcome_of(request, Action.TALK),
        )
    location = f"/v1/realtime/calls/{CALL}{described.session_id.removeprefix(SESSION)}"
    headers = {"Location": location, "Cache-Control": "no-store"}
    return Response(described.sdp, 201, headers=headers, media_type=SDP)


@router.post("/v1/realtime/calls/{call_id}/hangup", dependencies=[entry(Action.TALK)])
async def openai_hangup(request: Request, call_id: str) -> Response:
    """End the call. What was said until then is not told any more: commit it before."""
    await _end(request, call_id)
    return Response()


@router.delete("/v1/realtime/calls/{call_id}", dependencies=[entry(Action.TALK)])
async def openai_delete_call(request: Request, call_id: str) -> Response:
    """The same, as clients of WHIP do it."""
    await _end(request, call_id)
    return Response()


async def _end(request: Request, call_id: str) -> None:
    services = services_of(request)
    session = services.hub.sessions.get(SESSION + call_id.removeprefix(CALL))
    if session is None or not call_id.startswith(CALL):
        raise NotFound("no such call")
    try:
        await admit(request, Action.TALK, "transcript_id", session.transcript_id)
    except NotFound:
        raise NotFound("no such call") from None
    await services.peers.end(session.transcript_id, session.session_id)


async def _offered(request: Request) -> tuple[str, Session]:
    """The offer, and what is asked of its session. Raises ``BadInput``, ``ParameterRefused``."""
    session = await session_of(request)
    data = await read_body(request, 2 * settings_of(request).sdp_max_bytes + JSON_MAX_BYTES)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fields = {"sdp": data}
    if is_multipart(request):
        fields = _fields(data, boundary_of(request.headers["content-type"]))
    elif media != SDP:
        raise BadInput(f"send the offer as {SDP}, or as a form with sdp and session")
    if not fields.get("sdp", b"").strip():
        raise ParameterRefused("the offer is missing", param="sdp")
    try:
        offer = fields["sdp"].decode()
        asked = json.loads(fields.get("session") or b"{}")
    except (ValueError, RecursionError):
        raise InvalidMessage("the offer is text in UTF-8, and session an object in JSON") from None
    if not isinstance(asked, dict):
        raise ParameterRefused("session is an object", param="session")
    return offer, updated(session, asked, is_beta=session.is_beta)


def _fields(data: bytes, boundary: bytes) -> dict[str, bytes]:
    reader, fields, into = MultipartReader(boundary), dict[str, bytes](), ""
    for item in reader.feed(data):
        match item:
            case PartBegins(name=name):
                into = name
            case PartData(data=piece):
                fields[into] = fields.get(into, b"") + piece
    if not reader.is_done:
        raise BadInput("the multipart body ended early")
    return fields


def _options(session: Session) -> SourceOptions:
    asked = session.transcription
    voices = VoicesAsked(diarize=session.diarize)
    return SourceOptions(
        language=asked.spoken,
        hotwords=asked.hotwords,
        utterance_silence_ms=session.silence_ms,
        source="webrtc",
        voices=voices,
    )


class _CallTalk:
    """A Realtime session on a peer's data channel."""

    def __init__(self, services: Services, session: Session, send: Send) -> None:
        self._services = services
        self._talk = Talk(services, session, self, send)

    async def run(self, session: LiveSession) -> None:
        self._talk.begun(session)
        await self._talk.created()
        await self._talk.run()

    async def act(self, text: str) -> None:
        await self._talk.act(text)

    def render_error(self, error: EarshotError) -> dict[str, Any]:
        return error_event(error)

    def over(self, session: LiveSession) -> None:
        self._services.fleeting.over(session.transcript_id)

    async def append(self, sound: bytes) -> None:
        raise ParameterRefused("this session's sound comes by WebRTC", param="type")

    def check_change(self, before: Session, after: Session) -> None:
        """The format is that of the call, whatever is asked for."""
