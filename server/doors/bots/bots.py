"""``/api/v1/bot/``: a bot that will stream to us is registered, and leaves."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.accounts import bot_tokens
from server.auth import Action
from server.doors.access import base_url_of, entry, leaving_of, principal_of, services_of, settings_of
from server.doors.bots.bodies import PAGE_BOTS, BotIn, CursorText, cursor_of, cursor_text
from server.doors.bots.views import bot_view, page_view
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import json_body
from server.limits import read_body
from server.store.bot_store import Bot, NewBot

router = APIRouter(tags=["bots"], responses=DOCUMENTED)


@router.post("/api/v1/bot", status_code=201, dependencies=[entry(Action.CREATE)], openapi_extra=json_body(BotIn))
async def register_bot(request: Request) -> Response:
    """Register a bot that will stream to us. The answer has its recording, and the address that it streams to, which
    nobody is told again."""
    leaving_of(request).refuse_new()
    asked = parse_body(BotIn, await read_body(request))
    token = bot_tokens.new_token()
    new = NewBot(
        name=asked.bot_name,
        meeting_url=asked.meeting_url,
        metadata=asked.metadata,
        language=asked.language,
        owner=principal_of(request).id,
        token_hash=bot_tokens.hashed(token),
    )
    bot = await services_of(request).store.bots.create(new, language=settings_of(request).language)
    base_url = base_url_of(request)
    socket = f"ws{base_url.removeprefix('http')}/api/v1/bot/{bot.id}/stream"
    address = {"websocket_url": f"{socket}?{urlencode({bot_tokens.PARAMETER: token})}"}
    headers = {"Location": f"/api/v1/bot/{bot.id}/"}
    return JSONResponse(view(request, bot) | address, status_code=201, headers=headers)


@router.get("/api/v1/bot", dependencies=[entry(Action.LIST)])
async def list_bots(request: Request, cursor: CursorText = None) -> Response:
    """One's own bots, the newest first."""
    found = await newest(request, cursor)
    return JSONResponse(page_view([view(request, bot) for bot in found], next_url(request, "/api/v1/bot/", found)))


@router.get("/api/v1/bot/{bot_id}", dependencies=[entry(Action.READ)])
async def get_bot(request: Request, bot_id: str) -> Response:
    """A bot, and its recording."""
    return JSONResponse(view(request, await services_of(request).store.bots.get(bot_id)))


@router.post("/api/v1/bot/{bot_id}/leave_call", dependencies=[entry(Action.CHANGE)])
async def leave_call(request: Request, bot_id: str) -> Response:
    """The meeting is over: nothing more of the bot is taken, and what was said is completed."""
    return JSONResponse(view(request, await services_of(request).attending.leave(bot_id)))


def view(request: Request, bot: Bot) -> dict[str, object]:
    return bot_view(bot, services_of(request).download_urls, base_url_of(request))


async def newest(request: Request, cursor: str | None) -> list[Bot]:
    """One more than a page has, if there is one more."""
    viewer = principal_of(request).viewer
    return await services_of(request).store.bots.newest(viewer, limit=PAGE_BOTS, before=cursor_of(cursor))


def next_url(request: Request, path: str, found: list[Bot]) -> str | None:
    """Of a page that is not full there is no next one."""
    if len(found) < PAGE_BOTS:
        return None
    return f"{base_url_of(request)}{path}?{urlencode({'cursor': cursor_text(found[-1].cursor)})}"
