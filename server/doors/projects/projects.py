"""Projects: making, reading, changing and deleting them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import base_url_of, entry, leaving_of, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.projects.bodies import CreateProject, ProjectBody
from server.doors.projects.views import project_view
from server.doors.v1.asked import PageNumber, PageSize, json_body
from server.doors.v1.views import page_view
from server.limits import read_body

router = APIRouter(tags=["projects"], responses=DOCUMENTED)

BODY_MAX_BYTES = 256 * 1024  # texts in four languages, and key terms


@router.get("/api/projects", dependencies=[entry(Action.LIST)])
async def list_projects(request: Request, page: PageNumber = 1, size: PageSize = 50) -> Response:
    """One's own, the newest first."""
    found, total = await services_of(request).store.projects.page(
        page=page, size=size, viewer=principal_of(request).viewer
    )
    base_url = base_url_of(request)
    return JSONResponse(page_view([project_view(each, base_url) for each in found], total, page, size))


@router.post(
    "/api/projects",
    status_code=201,
    dependencies=[entry(Action.CREATE_PROJECT)],
    openapi_extra=json_body(CreateProject, required=True),
)
async def create_project(request: Request) -> Response:
    """Make a project. Whoever is given its ``portal_url`` may record a conversation in it, without an account."""
    leaving_of(request).refuse_new()
    settings = settings_of(request)
    wanted = parse_body(CreateProject, await read_body(request, BODY_MAX_BYTES))
    project = await services_of(request).store.projects.create(
        name=wanted.name,
        owner=principal_of(request).id,
        language=wanted.language or settings.language,
        is_open=wanted.is_open is not False,
        portal=wanted.portal,
        tags=wanted.tags,
        tags_max=settings.project_tags_max,
        projects_max=settings.projects_max,
    )
    view = project_view(project, base_url_of(request))
    return JSONResponse(view, 201, headers={"Location": f"/api/projects/{project.id}"})


@router.get("/api/projects/{project_id}", dependencies=[entry(Action.READ)])
async def get_project(request: Request, project_id: str) -> Response:
    """A project with all its settings."""
    project = await services_of(request).store.projects.get(project_id)
    return JSONResponse(project_view(project, base_url_of(request)))


@router.patch(
    "/api/projects/{project_id}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(ProjectBody),
)
async def change_project(request: Request, project_id: str) -> Response:
    """Change what is given. What goes on is not interrupted, unless the project is closed."""
    wanted = parse_body(ProjectBody, await read_body(request, BODY_MAX_BYTES))
    project = await services_of(request).store.projects.change(project_id, wanted.columns, portal=wanted.portal)
    return JSONResponse(project_view(project, base_url_of(request)))


@router.delete("/api/projects/{project_id}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_project(request: Request, project_id: str) -> Response:
    """Nobody can take part any more. What was said stays, as transcripts."""
    await services_of(request).store.projects.delete(project_id)
    return Response(status_code=204)
