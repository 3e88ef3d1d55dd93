"""Taking transcripts away: into the bin, back from it, for good; and their sound alone, for privacy."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.transcripts import etag_of, show

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)


@router.delete("/v1/transcripts/{transcript_id}", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_transcript(request: Request, transcript_id: str) -> Response:
    """Into the bin: nobody sees it there but its owner, who can restore it. What is live on it ends."""
    await services_of(request).removal.delete(transcript_id)
    return Response(status_code=204)


@router.post("/v1/transcripts/{transcript_id}/restore", dependencies=[entry(Action.RESTORE)])
async def restore_transcript(request: Request, transcript_id: str) -> Response:
    """Out of the bin; a file that was not heard to its end goes on."""
    services = services_of(request)
    await services.removal.restore(transcript_id)
    view = await show(request, transcript_id)
    return JSONResponse(view, headers=etag_of(view))


@router.delete("/v1/transcripts/{transcript_id}/destroy", status_code=204, dependencies=[entry(Action.DESTROY)])
async def destroy_transcript(request: Request, transcript_id: str) -> Response:
    """For good, from the bin: its words, its events and its sound."""
    await services_of(request).removal.destroy(transcript_id)
    return Response(status_code=204)


@router.delete("/v1/transcripts/{transcript_id}/audio", status_code=204, dependencies=[entry(Action.DELETE)])
async def delete_audio(request: Request, transcript_id: str) -> Response:
    """The sound of all its tracks, for good; the words and their times stay."""
    await services_of(request).removal.delete_sound(transcript_id)
    return Response(status_code=204)
