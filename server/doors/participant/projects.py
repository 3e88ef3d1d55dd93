"""What whoever has a project's id may know of it. The id is no secret: it stands in links and QR codes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import Forbidden
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.projects.views import public_view
from server.store.project_records import Project

router = APIRouter(tags=["participant"], responses=DOCUMENTED)


def check_open(project: Project) -> None:
    """Raise ``Forbidden`` where nobody may take part now."""
    if not project.is_open:
        raise Forbidden("Conversation not open for participation", details={"project_id": project.id})


@router.get("/api/participant/projects/{project_id}", dependencies=[entry(Action.TAKE_PART)])
async def get_public_project(request: Request, project_id: str) -> Response:
    """What the page of a recorder shows and asks; 403 while the project is closed."""
    project = await services_of(request).store.projects.get(project_id)
    check_open(project)
    return JSONResponse(public_view(project), headers={"Cache-Control": "no-cache"})
