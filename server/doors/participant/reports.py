"""The report of a project as participants read it, where the host gives it to them; and being told of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import Forbidden, NotFound
from server.auth import Action
from server.doors.access import admit, entry, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.participant.bodies import Subscribe, Unsubscribe
from server.doors.projects.reports import report_file
from server.doors.v1.asked import json_body
from server.doors.v1.views import iso
from server.limits import read_body
from server.projects.portal import portal_of
from server.reports.unsubscribing import TOKEN_MAX_CHARS
from server.services import Services
from server.store.report_records import Report

router = APIRouter(tags=["participant"], responses=DOCUMENTED)

SUBSCRIPTIONS_MAX = 10_000  # of a project
NO_CACHE = {"Cache-Control": "no-cache"}
BODY_MAX_BYTES = 16 * 1024


async def _is_enabled(services: Services, project_id: str) -> bool:
    return portal_of((await services.store.projects.get(project_id)).portal).report_enabled


async def _published(services: Services, project_id: str, report_id: str) -> Report:
    """Raises ``NotFound`` for one that participants may not read, as for one that there is not."""
    report = await services.store.reports.get(project_id, report_id)
    is_made = report.finished_at is not None and report.error is None
    if not (is_made and report.is_published and await _is_enabled(services, project_id)):
        raise NotFound("no such report")
    return report


def _view(report: Report) -> dict[str, Any]:
    path = f"/api/participant/{report.project_id}/report/{report.id}"
    return {
        "id": report.id,
        "status": "published",
        "project_id": report.project_id,
        "show_portal_link": True,
        "created_at": iso(report.created_at),
        "html_url": f"{path}.html",
        "pdf_url": f"{path}.pdf",
    }


@router.get("/api/participant/{project_id}/report/latest", dependencies=[entry(Action.TAKE_PART)])
async def latest_report(request: Request, project_id: str) -> Response:
    """The newest report that the host gave to participants; null where there is none."""
    services = services_of(request)
    report = await services.store.reports.newest_published(project_id)
    if report is None or not await _is_enabled(services, project_id):
        return JSONResponse(None, headers=NO_CACHE)
    return JSONResponse(_view(report), headers=NO_CACHE)


@router.get("/api/participant/{project_id}/report/{report_id}/detail", dependencies=[entry(Action.TAKE_PART)])
async def report_detail(request: Request, project_id: str, report_id: str) -> Response:
    """The same with the report itself in ``content``: a whole page of HTML, which runs nothing."""
    services = services_of(request)
    report = await _published(services, project_id, report_id)
    content = (await services.reports.file(report, "html")).decode()
    return JSONResponse(_view(report) | {"content": content}, headers=NO_CACHE)


@router.get("/api/participant/{project_id}/report/{report_id}.html", dependencies=[entry(Action.TAKE_PART)])
async def participant_report_page(request: Request, project_id: str, report_id: str) -> Response:
    """The report as a page that needs nothing else and runs nothing."""
    return await report_file(request, await _published(services_of(request), project_id, report_id), "html")


@router.get("/api/participant/{project_id}/report/{report_id}.pdf", dependencies=[entry(Action.TAKE_PART)])
async def participant_report_pdf(request: Request, project_id: str, report_id: str) -> Response:
    """The report as PDF."""
    return await report_file(request, await _published(services_of(request), project_id, report_id), "pdf")


@router.post(
    "/api/participant/report/subscribe",
    dependencies=[entry(Action.TAKE_PART)],
    openapi_extra=json_body(Subscribe, required=True),
)
async def subscribe_to_reports(request: Request) -> Response:
    """Be told of the project's reports; 403 where the host does not offer that. This server sends no mail itself: the
    addresses are for the host."""
    wanted = parse_body(Subscribe, await read_body(request, BODY_MAX_BYTES))
    await admit(request, Action.TAKE_PART, "project_id", wanted.project_id)
    services = services_of(request)
    portal = portal_of((await services.store.projects.get(wanted.project_id)).portal)
    if not (portal.report_enabled and portal.notifications_enabled):
        raise Forbidden("nobody is told of this project's reports", details={"project_id": wanted.project_id})
    if wanted.conversation_id:
        await admit(request, Action.CONTRIBUTE, "conversation_id", wanted.conversation_id)
        if (await services.store.conversations.get(wanted.conversation_id)).project_id != wanted.project_id:
            raise NotFound("no such conversation")
    emails = [email.lower() for email in wanted.emails]
    await services.store.subscriptions.subscribe(wanted.project_id, emails, subscriptions_max=SUBSCRIPTIONS_MAX)
    return JSONResponse({"status": "success"})


@router.post(
    "/api/participant/{project_id}/report/unsubscribe",
    dependencies=[entry(Action.TAKE_PART)],
    openapi_extra=json_body(Unsubscribe, required=True),
)
async def unsubscribe_from_reports(request: Request, project_id: str) -> Response:
    """Not be told any more, by the token that came with what was told; with ``email_opt_in`` true, be told again."""
    wanted = parse_body(Unsubscribe, await read_body(request, BODY_MAX_BYTES))
    services = services_of(request)
    subscription_id = services.unsubscribe_tokens.subscription_of(project_id, wanted.token)
    if subscription_id is None:
        raise NotFound("no such subscription")
    await services.store.subscriptions.opt(project_id, subscription_id, opted_in=wanted.email_opt_in)
    return JSONResponse({"success": True})


@router.get("/api/participant/report/unsubscribe/eligibility", dependencies=[entry(Action.TAKE_PART)])
async def may_unsubscribe(
    request: Request,
    token: Annotated[
        str, Query(max_length=TOKEN_MAX_CHARS, pattern=r"\S", description="That came with what was told.")
    ],
    project_id: Annotated[str, Query(max_length=64, pattern=r"\S", description="Id of the project.")],
) -> Response:
    """Whether the token is of somebody who is told of the project's reports."""
    services = services_of(request)
    subscription_id = services.unsubscribe_tokens.subscription_of(project_id, token)
    eligible = False
    if subscription_id is not None:
        try:
            eligible = (await services.store.subscriptions.get(project_id, subscription_id)).opted_in
        except NotFound:
            eligible = False
    return JSONResponse({"data": {"eligible": eligible}}, headers=NO_CACHE)
