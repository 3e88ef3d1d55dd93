"""Webhooks of a project: set up, tried out, looked at, and told again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import Conflict
from server.auth import Action, authorize, may
from server.doors.access import entry, leaving_of, principal_of, resource_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.projects.webhook_bodies import CreateWebhook, WebhookBody
from server.doors.projects.webhook_views import delivery_view, webhook_view
from server.doors.v1.asked import PageNumber, PageSize, json_body
from server.doors.v1.views import page_view
from server.limits import read_body
from server.store.webhook_records import Outcome, Webhook
from server.webhooks.destinations import check_url
from server.webhooks.signing import new_secret

router = APIRouter(tags=["webhooks"], responses=DOCUMENTED)

PATH = "/api/projects/{project_id}/webhooks"


def _shown(request: Request, webhook: Webhook) -> dict[str, Any]:
    may_change = may(principal_of(request), Action.CHANGE, resource_of(request))
    health = services_of(request).webhooks.health_of(webhook)
    return webhook_view(webhook, health, may_change=may_change)


def _check(request: Request, url: str | None) -> None:
    """Whoever has events sent somewhere reads them there, and the address must be one that is sent to."""
    authorize(principal_of(request), Action.READ, resource_of(request))
    if url is not None:
        check_url(url, private=settings_of(request).webhooks_private)


@router.get(PATH, dependencies=[entry(Action.READ)])
async def list_webhooks(request: Request, project_id: str) -> Response:
    """Those of a project, and how they fare."""
    found = await services_of(request).store.webhooks.of_project(project_id)
    return JSONResponse({"items": [_shown(request, each) for each in found], "total": len(found)})


@router.post(
    PATH,
    status_code=201,
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(CreateWebhook, required=True),
)
async def create_webhook(request: Request, project_id: str) -> Response:
    """Have events sent to an address. The secret that they are signed with is shown this once."""
    leaving_of(request).refuse_new()
    wanted = parse_body(CreateWebhook, await read_body(request))
    _check(request, wanted.url)
    webhook = await services_of(request).store.webhooks.create(
        project_id,
        name=wanted.name,
        url=wanted.url,
        secret=wanted.secret or new_secret(),
        events=wanted.events,
        status=wanted.status,
        webhooks_max=settings_of(request).webhooks_max,
    )
    view = {**_shown(request, webhook), "secret": webhook.secret}
    return JSONResponse(view, 201, headers={"Location": f"/api/projects/{project_id}/webhooks/{webhook.id}"})


@router.get(f"{PATH}/{{webhook_id}}", dependencies=[entry(Action.READ)])
async def get_webhook(request: Request, project_id: str, webhook_id: str) -> Response:
    """A webhook, and how it fares."""
    return JSONResponse(_shown(request, await services_of(request).store.webhooks.get(project_id, webhook_id)))


@router.patch(
    f"{PATH}/{{webhook_id}}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(WebhookBody),
)
async def change_webhook(request: Request, project_id: str, webhook_id: str) -> Response:
    """Change what is given. A new secret is shown this once, and signs everything that is sent from then on."""
    wanted = parse_body(WebhookBody, await read_body(request))
    _check(request, wanted.url)
    values = wanted.columns
    if wanted.rotate_secret and wanted.secret is None:
        values["secret"] = new_secret()
    services = services_of(request)
    webhook = await services.store.webhooks.change(project_id, webhook_id, values)
    services.webhooks.wake()
    return JSONResponse({**_shown(request, webhook), "secret": webhook.secret if "secret" in values else None})


@router.delete(f"{PATH}/{{webhook_id}}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_webhook(request: Request, project_id: str, webhook_id: str) -> Response:
    """Nothing more is sent to it, and its deliveries are forgotten."""
    await services_of(request).store.webhooks.delete(project_id, webhook_id)
    return Response(status_code=204)


@router.post(f"{PATH}/{{webhook_id}}/test", dependencies=[entry(Action.CHANGE)])
async def test_webhook(request: Request, project_id: str, webhook_id: str) -> Response:
    """Send it a ``webhook.test`` now, once, and say how that went."""
    await read_body(request)
    services = services_of(request)
    attempt = await services.webhooks.test(await services.store.webhooks.get(project_id, webhook_id))
    view = {
        "success": attempt.outcome is Outcome.OK,
        "status_code": attempt.status_code,
        "message": attempt.words,
        "outcome": attempt.outcome,
        "took_ms": attempt.took_ms,
    }
    return JSONResponse(view)


@router.get(f"{PATH}/{{webhook_id}}/deliveries", dependencies=[entry(Action.READ)])
async def list_deliveries(
    request: Request, project_id: str, webhook_id: str, page: PageNumber = 1, size: PageSize = 50
) -> Response:
    """What it was told and will be told, the newest first."""
    store = services_of(request).store.webhooks
    await store.get(project_id, webhook_id)
    found, total = await store.page(webhook_id, page=page, size=size)
    return JSONResponse(page_view([delivery_view(each) for each in found], total, page, size))


@router.post(
    f"{PATH}/{{webhook_id}}/deliveries/{{delivery_id}}/replay",
    status_code=201,
    dependencies=[entry(Action.CHANGE)],
)
async def replay_delivery(request: Request, project_id: str, webhook_id: str, delivery_id: str) -> Response:
    """Tell it once more, with the same bytes and event id, as a delivery of its own; 409 while it is not published."""
    leaving_of(request).refuse_new()
    await read_body(request)
    services = services_of(request)
    if (await services.store.webhooks.get(project_id, webhook_id)).status != "published":
        raise Conflict("this webhook is switched off; publish it first")
    delivery = await services.store.webhooks.replay(webhook_id, delivery_id)
    services.webhooks.wake()
    return JSONResponse(delivery_view(delivery), 201)
