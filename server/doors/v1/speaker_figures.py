"""How much each speaks: ``/v1/transcripts/{id}/speaker/figures``, computed from the words whenever it is asked for."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from protocol.blocks import seconds
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.documents import conversation_of, json_bytes
from server.speaker_figures import figures_of, overlap_samples, speakers_data

router = APIRouter(tags=["participants"], responses=DOCUMENTED)

SEGMENTS_MAX = 50_000  # what comes after them is not counted


@router.get("/v1/transcripts/{transcript_id}/speaker/figures", dependencies=[entry(Action.READ)])
async def speaker_figures(request: Request, transcript_id: str) -> Response:
    """How much each speaks, in the order in which they first did. Interruptions are null where they cannot be seen."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    said = await conversation_of(services, transcript, segments_max=SEGMENTS_MAX)

    def made() -> bytes:
        found = figures_of(said.segments, said.offsets)
        talk_s = round(seconds(sum(each.talk_samples for each in found)), 3)
        overlap_s = round(seconds(overlap_samples(said.segments)), 3)
        return json_bytes({"talk_time": talk_s, "overlap_s": overlap_s, "speakers": speakers_data(found)})

    body = await asyncio.to_thread(made)
    return Response(body, media_type="application/json")
