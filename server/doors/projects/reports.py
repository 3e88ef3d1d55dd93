"""Reports of a project: asked for, looked at, published, taken out and deleted; and who wants to be told of them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, leaving_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.projects.bodies import ChangeReport, ReportBody
from server.doors.projects.report_views import report_view, subscription_view
from server.doors.v1.asked import PageNumber, PageSize, json_body
from server.doors.v1.views import page_view
from server.download_names import content_disposition
from server.limits import read_body
from server.reports.html import HEADERS
from server.reports.reports import Form
from server.store.report_records import Report

router = APIRouter(tags=["reports"], responses=DOCUMENTED)

MEDIA_TYPES: dict[Form, str] = {"html": "text/html; charset=utf-8", "pdf": "application/pdf"}


async def report_file(request: Request, report: Report, form: Form) -> Response:
    """The file, under the name of its project. Raises ``NotFound`` where it is not made."""
    services = services_of(request)
    project = await services.store.projects.get(report.project_id)
    data = await services.reports.file(report, form)
    # A page is read where it is; it may run nothing and reach nothing.
    is_page = form == "html"
    headers = content_disposition(
        "inline" if is_page else "attachment", f"{project.name} report", form, transcript_id=report.id
    )
    headers |= {"Cache-Control": "no-cache", **(HEADERS if is_page else {})}
    return Response(data, headers=headers, media_type=MEDIA_TYPES[form])


@router.get("/api/projects/{project_id}/reports", dependencies=[entry(Action.READ)])
async def list_reports(request: Request, project_id: str, page: PageNumber = 1, size: PageSize = 50) -> Response:
    """The newest first."""
    found, total = await services_of(request).store.reports.page(project_id, page=page, size=size)
    return JSONResponse(page_view([report_view(each) for each in found], total, page, size))


@router.post(
    "/api/projects/{project_id}/reports",
    status_code=202,
    dependencies=[entry(Action.EXPORT)],
    openapi_extra=json_body(ReportBody),
)
async def create_report(request: Request, project_id: str) -> Response:
    """Ask for a report on all conversations there are: it is made in the background. While one is made, it is that."""
    leaving_of(request).refuse_new()
    wanted = parse_body(ReportBody, await read_body(request))
    report, is_new = await services_of(request).reports.ask(project_id, is_published=wanted.is_published)
    headers = {"Location": f"/api/projects/{project_id}/reports/{report.id}"}
    return JSONResponse(report_view(report), 202 if is_new else 200, headers=headers)


@router.get("/api/projects/{project_id}/reports/subscribers", dependencies=[entry(Action.EXPORT)])
async def list_subscribers(request: Request, project_id: str, page: PageNumber = 1, size: PageSize = 50) -> Response:
    """Who wants to be told of reports, each with the token that ends it, for whoever writes to them."""
    services = services_of(request)
    found, total = await services.store.subscriptions.page(project_id, page=page, size=size)
    tokens = services.unsubscribe_tokens
    views = [subscription_view(each, tokens.make(project_id, each.id)) for each in found]
    return JSONResponse(page_view(views, total, page, size))


@router.get("/api/projects/{project_id}/reports/{report_id}.html", dependencies=[entry(Action.EXPORT)])
async def report_page(request: Request, project_id: str, report_id: str) -> Response:
    """The report as a page that needs nothing else and runs nothing."""
    return await report_file(request, await services_of(request).store.reports.get(project_id, report_id), "html")


@router.get("/api/projects/{project_id}/reports/{report_id}.pdf", dependencies=[entry(Action.EXPORT)])
async def report_pdf(request: Request, project_id: str, report_id: str) -> Response:
    """The report as PDF; its ``note`` says when letters are missing in it."""
    return await report_file(request, await services_of(request).store.reports.get(project_id, report_id), "pdf")


@router.get("/api/projects/{project_id}/reports/{report_id}", dependencies=[entry(Action.READ)])
async def get_report(request: Request, project_id: str, report_id: str) -> Response:
    """How far it is, and where its files are."""
    report = await services_of(request).store.reports.get(project_id, report_id)
    return JSONResponse(report_view(report), headers={"Cache-Control": "no-cache"})


@router.patch(
    "/api/projects/{project_id}/reports/{report_id}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(ChangeReport, required=True),
)
async def change_report(request: Request, project_id: str, report_id: str) -> Response:
    """Give it to participants, or take it back; they see it where the project's ``report_enabled`` is set."""
    wanted = parse_body(ChangeReport, await read_body(request))
    reports = services_of(request).store.reports
    return JSONResponse(report_view(await reports.publish(project_id, report_id, is_published=wanted.is_published)))


@router.delete("/api/projects/{project_id}/reports/{report_id}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_report(request: Request, project_id: str, report_id: str) -> Response:
    """For good; one that is being made is given up."""
    services = services_of(request)
    report = await services.store.reports.get(project_id, report_id)
    await services.reports.delete(report.id)
    return Response(status_code=204)
