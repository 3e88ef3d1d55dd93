"""WHIP (RFC 9725): a WebRTC client speaks after one POST. OBS, ffmpeg and GStreamer do so by themselves.

``POST /whip/{transcript_id}`` adds a source to a transcript that is there, ``POST /whip`` makes the transcript, too.
Either answers with the address of a session: ``PATCH`` brings candidates later (trickle ICE), ``DELETE`` ends it. Our
own candidates are all in the answer. An ICE restart is refused (422), as the RFC asks of those who do only one of both.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from protocol.errors import InvalidMessage
from server.auth import Action
from server.doors.access import address_of, entry, leaving_of, principal_of, services_of, settings_of, unwelcome_of
from server.doors.errors import DOCUMENTED, validation_failed
from server.doors.v1.voices import FIELDS
from server.doors.v1.webrtc import Offer
from server.limits import read_body
from server.live import SourceOptions
from server.settings import Settings
from server.turn import ice_servers, link_headers

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
ENDPOINT_METHODS = "POST, OPTIONS"
SESSION_METHODS = "PATCH, DELETE, OPTIONS"
IN_THE_QUERY = ("language", "speaker", "track", *FIELDS)  # of the address, which a person types once

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')

router = APIRouter(tags=["whip"], responses=DOCUMENTED)
speaks = entry(Action.SPEAK)
# What a method does here is the same for every transcript, and tells nothing of any.
explains = entry(Action.SPEAK, of_resource=False)


def _takes(media_type: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": {"type": "string"}}}}}


ANSWERED: dict[str, Any] = {
    "status_code": 201,
    "openapi_extra": _takes(SDP),
    "response_class": Response,
    "responses": {
        201: {"description": "Our answer; Location is the session", "content": {SDP: {"schema": {"type": "string"}}}}
    },
}


@router.post("/whip/{transcript_id}", dependencies=[speaks], **ANSWERED)
async def speak(request: Request, transcript_id: str) -> Response:
    """Answer an offer: a new track of the transcript. At the same time as others when it names a track or speaker."""
    options, offer = await _asked(request)
    return await _answer(request, Action.SPEAK, transcript_id, offer, options)


@router.post("/whip", dependencies=[entry(Action.CREATE)], **ANSWERED)
async def speak_anew(request: Request) -> Response:
    """Answer an offer with a transcript made for it; the ``Location`` names both."""
    options, offer = await _asked(request)
    services = services_of(request)
    language = options.language or settings_of(request).language
    transcript = await services.store.create_transcript(name="", language=language, owner=principal_of(request).id)
    try:
        return await _answer(request, Action.CREATE, transcript.id, offer, options)
    except BaseException:
        await services.removal.discard(transcript.id)
        raise


@router.options("/whip/{transcript_id}", dependencies=[explains], include_in_schema=False)
@router.options("/whip", dependencies=[explains], include_in_schema=False)
async def describe_endpoint(request: Request) -> Response:
    """What is taken here; and the ICE servers, for clients that want them before they offer."""
    response = Response(headers={"Allow": ENDPOINT_METHODS, "Accept-Post": SDP})
    return _with_ice_servers(response, settings_of(request))


@router.patch(
    "/whip/{transcript_id}/{session_id}",
    status_code=204,
    dependencies=[speaks],
    openapi_extra=_takes(FRAGMENT),
    response_class=Response,
)
async def trickle(request: Request, transcript_id: str, session_id: str) -> Response:
    """Candidates that the client found after its offer."""
    peers, settings = services_of(request).peers, settings_of(request)
    await peers.require(transcript_id, session_id)
    _must_be(request, FRAGMENT, {"Accept-Patch": FRAGMENT})
    _must_match(request, session_id)
    fragment = await _text(request, settings)
    if not await peers.add_candidates(transcript_id, session_id, fragment):
        raise HTTPException(422, "an ICE restart is not possible here: end this session and POST a new offer")
    return Response(status_code=204)


@router.delete("/whip/{transcript_id}/{session_id}", dependencies=[speaks], response_class=Response)
async def end(request: Request, transcript_id: str, session_id: str) -> Response:
    """The client is done. The last words become final."""
    await services_of(request).peers.end(transcript_id, session_id)
    return Response()


@router.options("/whip/{transcript_id}/{session_id}", dependencies=[explains], include_in_schema=False)
async def describe_session() -> Response:
    return Response(headers={"Allow": SESSION_METHODS, "Accept-Patch": FRAGMENT})


# Reserved by the RFC (sections 4.2 and 4.3). Without these the route of the pages would answer, and know no such page.


RESERVED: dict[str, Any] = {"dependencies": [explains], "include_in_schema": False}


@router.api_route("/whip", methods=["GET", "HEAD", "PUT", "PATCH", "DELETE"], **RESERVED)
@router.api_route("/whip/{transcript_id}", methods=["GET", "HEAD", "PUT", "PATCH", "DELETE"], **RESERVED)
async def only_post() -> Response:
    raise HTTPException(405, "POST an offer here (WHIP, RFC 9725)", headers={"Allow": ENDPOINT_METHODS})


@router.api_route("/whip/{transcript_id}/{session_id}", methods=["GET", "HEAD", "PUT", "POST"], **RESERVED)
async def only_patch_and_delete() -> Response:
    raise HTTPException(405, "PATCH or DELETE a session (WHIP, RFC 9725)", headers={"Allow": SESSION_METHODS})


async def _asked(request: Request) -> tuple[SourceOptions, str]:
    """What the address and the body say, checked before anything is begun."""
    leaving_of(request).refuse_new()
    _must_be(request, SDP, {"Accept-Post": SDP})
    if not _accepts(request.headers.get("accept", ""), SDP):
        raise HTTPException(406, f"the answer is {SDP}, which the Accept header leaves out")
    query = request.query_params
    try:
        asked = Offer(**{name: query[name] for name in IN_THE_QUERY if name in query})
    except ValidationError as error:
        raise validation_failed(error.errors(include_input=False, include_context=False)) from None
    return asked.options(), await _text(request, settings_of(request))


async def _answer(request: Request, action: Action, transcript_id: str, offer: str, options: SourceOptions) -> Response:
    peers, address = services_of(request).peers, address_of(request)
    unwelcome = unwelcome_of(request, action)
    described = await peers.answer(
        transcript_id, offer, "offer", options, address=address, resumable=False, unwelcome=unwelcome
    )
    headers = {
        # Without a host: whatever stands between knows the one that the client used.
        "Location": f"/whip/{transcript_id}/{described.session_id}",
        "ETag": _entity_tag(described.session_id),
        "Accept-Patch": FRAGMENT,
    }
    response = Response(described.sdp, 201, headers=headers, media_type=SDP)
    return _with_ice_servers(response, settings_of(request))


def _with_ice_servers(response: Response, settings: Settings) -> Response:
    """Each server as a header of its own (RFC 9725 section 4.6)."""
    for link in link_headers(ice_servers(settings)):
        response.headers.append("Link", link)
    response.headers["Cache-Control"] = "no-store"  # credentials hold for a while only
    return response


async def _text(request: Request, settings: Settings) -> str:
    try:
        return (await read_body(request, settings.sdp_max_bytes)).decode()
    except UnicodeDecodeError:
        raise InvalidMessage("the body is not UTF-8") from None


def _must_be(request: Request, media_type: str, headers: dict[str, str]) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise HTTPException(415, f"send Content-Type: {media_type}", headers=headers)


def _accepts(accept: str, media_type: str) -> bool:
    """Whether an Accept header lets the type in; an absent one lets everything in (RFC 9110 section 12.5.1)."""
    kind = media_type.partition("/")[0]
    for each in accept.lower().split(",") if accept.strip() else ["*/*"]:
        name, *parameters = (part.strip() for part in each.split(";"))
        if name in (media_type, f"{kind}/*", "*/*"):
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


def _entity_tag(session_id: str) -> str:
    """Of the session's ICE session, of which there is one, as there are no restarts."""
    return f'"{session_id}.1"'


def _must_match(request: Request, session_id: str) -> None:
    """``If-Match``, which the RFC asks of every PATCH (section 4.3.1); ``*`` is any (RFC 9110 section 13.1.1)."""
    wanted = request.headers.get("if-match")
    if wanted is None:
        raise HTTPException(428, "send If-Match with the ETag of the session")
    # The RFC's own example has the asterisk in quotes.
    if wanted.strip() in ("*", '"*"') or _entity_tag(session_id) in _ENTITY_TAG.findall(wanted):
        return
    raise HTTPException(412, "If-Match names another ICE session than this one")
