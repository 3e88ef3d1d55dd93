"""``/api/v1/bot/``: a bot that will stream to us is registered, and leaves."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import BadInput
from server.accounts import bot_tokens
from server.auth import Action
from server.bots.endpoint_channels import check_endpoint_url
from server.bots.signatures import new_secret
from server.doors.access import base_url_of, entry, leaving_of, principal_of, services_of, settings_of
from server.doors.bots.bodies import BotIn, EndpointIn
from server.doors.bots.paging import Asked, page
from server.doors.bots.views import bot_view
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.limits import read_body
from server.store.bot_store import Bot, NewBot
from server.store.endpoint_store import NewEndpoint

router = APIRouter(tags=["bots"], responses=DOCUMENTED)


@router.post("/api/v1/bot", status_code=201, dependencies=[entry(Action.CREATE)], openapi_extra=json_body(BotIn))
async def register_bot(request: Request) -> Response:
    """Register a bot that will stream to us. The answer has its recording, and the address that it streams to, which
    nobody is told again."""
    leaving_of(request).refuse_new()
    asked = parse_body(BotIn, await read_body(request))
    token = bot_tokens.new_token()
    endpoints = [
        _endpoint(each, private=settings_of(request).webhooks_private)
        for each in asked.recording_config.realtime_endpoints
    ]
    new = NewBot(
        name=asked.bot_name,
        meeting_url=asked.meeting_url,
        metadata=asked.metadata,
        language=asked.language,
        owner=principal_of(request).id,
        token_hash=bot_tokens.hashed(token),
        signing_secret=None if asked.signing_secret is None else asked.signing_secret.get_secret_value(),
        endpoints=tuple(endpoints),
    )
    bot = await services_of(request).store.bots.create(new, language=settings_of(request).language)
    base_url = base_url_of(request)
    socket = f"ws{base_url.removeprefix('http')}/api/v1/bot/{bot.id}/stream"
    address = {"websocket_url": f"{socket}?{urlencode({bot_tokens.PARAMETER: token})}"}
    headers = {"Location": f"/api/v1/bot/{bot.id}/"}
    secrets = [{"id": each.id, "secret": each.secret} for each in bot.endpoints]
    told_once = address | {"realtime_endpoints": secrets}
    return JSONResponse(view(request, bot) | told_once, status_code=201, headers=headers)


@router.get("/api/v1/bot", dependencies=[entry(Action.LIST)])
async def list_bots(request: Request, asked: Asked) -> Response:
    """One's own bots, the newest first."""
    return JSONResponse(await page(request, "/api/v1/bot/", asked, partial(view, request)))


@router.get("/api/v1/bot/{bot_id}", dependencies=[entry(Action.READ)])
async def get_bot(request: Request, bot_id: str) -> Response:
    """A bot, and its recording."""
    return JSONResponse(view(request, await services_of(request).store.bots.get(bot_id)))


@router.post("/api/v1/bot/{bot_id}/leave_call", dependencies=[entry(Action.CHANGE)])
async def leave_call(request: Request, bot_id: str) -> Response:
    """The meeting is over: nothing more of the bot is taken, and what was said is completed."""
    return JSONResponse(view(request, await services_of(request).attending.leave(bot_id)))


@router.post("/api/v1/bot/{bot_id}/pause_recording", dependencies=[entry(Action.CHANGE)])
async def pause_recording(request: Request, bot_id: str) -> Response:
    """Nothing that is said, shown or written is recorded until it goes on; who comes and goes still is."""
    return JSONResponse(view(request, await services_of(request).attending.pause(bot_id, paused=True)))


@router.post("/api/v1/bot/{bot_id}/resume_recording", dependencies=[entry(Action.CHANGE)])
async def resume_recording(request: Request, bot_id: str) -> Response:
    """The recording goes on; the pause is a silence in it."""
    return JSONResponse(view(request, await services_of(request).attending.pause(bot_id, paused=False)))


def _endpoint(asked: EndpointIn, *, private: bool) -> NewEndpoint:
    """Raises ``BadInput`` for an address that nothing is sent to."""
    check_endpoint_url(asked.url, private=private)
    is_socket = asked.url.lower().startswith("ws")
    if is_socket is not (asked.type == "websocket"):
        raise BadInput("the url of a webhook begins with https:// or http://, that of a websocket with wss:// or ws://")
    return NewEndpoint(asked.type, asked.url, tuple(dict.fromkeys(asked.events)), new_secret())


def view(request: Request, bot: Bot) -> dict[str, Any]:
    return bot_view(bot, services_of(request).download_urls, base_url_of(request))
