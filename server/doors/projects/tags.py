"""Tags of a project: what participants choose from, and conversations are found by."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.projects.bodies import TagBody
from server.doors.projects.views import tag_view
from server.doors.v1.asked import json_body
from server.limits import read_body

router = APIRouter(tags=["projects"], responses=DOCUMENTED)


@router.post(
    "/api/projects/{project_id}/tags",
    status_code=201,
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(TagBody, required=True),
)
async def add_tag(request: Request, project_id: str) -> Response:
    """Add a tag; 409 for one that is there."""
    wanted = parse_body(TagBody, await read_body(request))
    projects, tags_max = services_of(request).store.projects, settings_of(request).project_tags_max
    return JSONResponse(tag_view(await projects.add_tag(project_id, wanted.text, tags_max=tags_max)), 201)


@router.patch(
    "/api/projects/{project_id}/tags/{tag_id}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(TagBody, required=True),
)
async def rename_tag(request: Request, project_id: str, tag_id: str) -> Response:
    """Call a tag otherwise, also where conversations have it."""
    wanted = parse_body(TagBody, await read_body(request))
    return JSONResponse(tag_view(await services_of(request).store.projects.rename_tag(project_id, tag_id, wanted.text)))


@router.delete("/api/projects/{project_id}/tags/{tag_id}", status_code=204, dependencies=[entry(Action.CHANGE)])
async def delete_tag(request: Request, project_id: str, tag_id: str) -> Response:
    """Take a tag away, also from the conversations that have it."""
    await services_of(request).store.projects.delete_tag(project_id, tag_id)
    return Response(status_code=204)
