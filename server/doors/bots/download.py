"""Documents of a meeting at signed addresses: whoever holds one needs no account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.bots.documents import MeetingRecord
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED

router = APIRouter(tags=["bots"], responses=DOCUMENTED)

Document = Literal["participants", "participant_events", "speaker_timeline", "transcript"]
MADE: dict[str, Callable[[MeetingRecord], list[dict[str, Any]]]] = {
    "participants": MeetingRecord.participants_document,
    "participant_events": MeetingRecord.participant_events_document,
    "speaker_timeline": MeetingRecord.speaker_timeline_document,
    "transcript": MeetingRecord.transcript_document,
}
assert set(MADE) == set(get_args(Document))


@router.get("/api/v1/download/{document}", dependencies=[entry(Action.DOWNLOAD)])
async def download_document(
    request: Request,
    document: Document,
    token: Annotated[str, Query(max_length=256, description="As the recording's address has it.")],
) -> Response:
    """A document of a meeting. One whose address was altered or has expired is 403: ask for the recording again."""
    services = services_of(request)
    bot = await services.store.bots.of_recording(services.download_urls.recording_of(document, token))
    began_at = bot.created_at if bot.began is None else bot.began.at
    turns: asyncio.Semaphore = request.app.state.export_turns  # each takes the memory that a long meeting takes
    async with turns:
        record = await MeetingRecord.read(services.store, bot.transcript.id, began_at)
        made = await asyncio.to_thread(lambda: JSONResponse(MADE[document](record)))
    made.headers["Cache-Control"] = "private"
    return made
