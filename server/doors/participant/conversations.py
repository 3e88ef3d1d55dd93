"""A participant's conversation: begun, kept alive, finished. Whoever has its id may go on with it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import NotFound
from server.auth import Action
from server.doors.access import admit, entry, leaving_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.participant.bodies import Finish, Initiate, InitiateIn
from server.doors.participant.views import conversation_view
from server.doors.v1.asked import json_body
from server.limits import read_body

router = APIRouter(tags=["participant"], responses=DOCUMENTED)


async def shown(request: Request, conversation_id: str) -> dict[str, Any]:
    return conversation_view(await services_of(request).store.conversations.overview(conversation_id))


async def _begin(request: Request, project_id: str, wanted: Initiate) -> Response:
    leaving_of(request).refuse_new()
    services = services_of(request)
    conversation = await services.store.conversations.begin(
        project_id, name=wanted.name or "", email=wanted.email, tags=wanted.tag_id_list, source=wanted.source
    )
    services.webhooks.wake()
    return JSONResponse(await shown(request, conversation.id))


@router.post(
    "/api/participant/conversations/initiate",
    dependencies=[entry(Action.TAKE_PART)],
    openapi_extra=json_body(InitiateIn, required=True),
)
async def initiate_conversation(request: Request) -> Response:
    """Begin a conversation in a project, without an account; 403 while the project is closed."""
    wanted = parse_body(InitiateIn, await read_body(request))
    await admit(request, Action.TAKE_PART, "project_id", wanted.project_id)
    return await _begin(request, wanted.project_id, wanted)


@router.post(
    "/api/participant/projects/{project_id}/conversations/initiate",
    dependencies=[entry(Action.TAKE_PART)],
    openapi_extra=json_body(Initiate),
)
async def initiate_in_project(request: Request, project_id: str) -> Response:
    """The same, with the project in the path."""
    return await _begin(request, project_id, parse_body(Initiate, await read_body(request)))


@router.get(
    "/api/participant/projects/{project_id}/conversations/{conversation_id}",
    dependencies=[entry(Action.CONTRIBUTE)],
)
async def get_conversation(request: Request, project_id: str, conversation_id: str) -> Response:
    """Where it stands."""
    view = await shown(request, conversation_id)
    if view["project_id"] != project_id:
        raise NotFound("no such conversation")
    return JSONResponse(view, headers={"Cache-Control": "no-cache"})


@router.post(
    "/api/participant/conversations/{conversation_id}/finish",
    dependencies=[entry(Action.CONTRIBUTE)],
    openapi_extra=json_body(Finish),
)
async def finish_conversation(request: Request, conversation_id: str) -> Response:
    """The participant is done. Chunks that come later are taken all the same; those expected are waited for."""
    wanted = parse_body(Finish, await read_body(request))
    await services_of(request).chunks.finish(conversation_id, expected_chunks=wanted.expected_chunks)
    return JSONResponse(await shown(request, conversation_id))


@router.post("/api/participant/conversations/{conversation_id}/ping", dependencies=[entry(Action.CONTRIBUTE)])
async def ping_conversation(request: Request, conversation_id: str) -> Response:
    """The participant is still there: an open conversation of which nothing comes is finished after a while."""
    await read_body(request)
    await services_of(request).store.conversations.touch(conversation_id)
    return JSONResponse({"ok": True})
