"""Questions about transcripts that are sent or named, answered at once or piece by piece."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import admit, entry, leaving_of, services_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.jobs.bodies import BODY_MAX_BYTES, ChatIn
from server.doors.jobs.long_bodies import being_read
from server.doors.jobs.reply_stream import ReplyStream
from server.doors.jobs.views import models_view, reply_view
from server.doors.v1.asked import json_body
from server.language_models.chat import Asked
from server.language_models.lines import Line
from server.language_models.prompt import Message
from server.language_models.summary_jobs import lines_wanted
from server.language_models.transcripts import stored_lines
from server.limits import read_body

router = APIRouter(tags=["chat"], responses=DOCUMENTED)


@router.get("/api/chat/models", dependencies=[entry(Action.LIST)])
async def list_chat_models(request: Request) -> Response:
    """The models that may be named, here and for summaries."""
    listed = await services_of(request).language_models.catalogue.listed()
    return JSONResponse(models_view(listed), headers={"Cache-Control": "no-cache"})


@router.post("/api/chat", dependencies=[entry(Action.ASK)], openapi_extra=json_body(ChatIn, required=True))
async def chat(request: Request) -> Response:
    """Ask about a transcript that is sent, or one of this server. The answer cites segments by their times.

    With ``stream`` it comes as ``text/event-stream``: pieces in ``delta``, and at the end the same as without; or an
    error.
    """
    leaving_of(request).refuse_new()
    models = services_of(request).language_models
    asked, is_stream = await _asked(request)
    if is_stream:
        return await ReplyStream.begun(models.chat.stream(asked))
    return JSONResponse(reply_view(await models.chat.reply(asked)))


async def _asked(request: Request) -> tuple[Asked, bool]:
    """What is kept while the answer is waited for, which is a fifth of what the body takes when it is read; and whether
    the answer comes piece by piece."""
    data = await read_body(request, BODY_MAX_BYTES)
    async with being_read(request, data):
        wanted = await asyncio.to_thread(parse_body, ChatIn, data)
        lines = await _lines(request, wanted)
    asked = Asked(
        lines,
        tuple(Message(each.role, each.content) for each in wanted.messages),
        await services_of(request).language_models.catalogue.resolve(wanted.model_name),
        wanted.max_tokens,
        wanted.temperature,
    )
    return asked, wanted.stream


async def _lines(request: Request, wanted: ChatIn) -> list[Line]:
    segments = await asyncio.to_thread(wanted.spoken)
    if wanted.transcript_id is not None:
        await admit(request, Action.READ, "transcript_id", wanted.transcript_id)
        return await stored_lines(services_of(request).store, wanted.transcript_id)
    return await asyncio.to_thread(lines_wanted, segments, wanted.full_text or "")
