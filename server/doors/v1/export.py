"""A transcript as a document: plain text, JSON, SRT, WebVTT."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.documents import TranscriptFormat, conversation_of
from server.download_names import content_disposition, part_stem
from server.exports import MEDIA_TYPES, ExportFormat

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)


@router.get("/v1/transcripts/{transcript_id}/export", dependencies=[entry(Action.READ)])
async def export_transcript(
    request: Request,
    transcript_id: str,
    wanted: Annotated[TranscriptFormat, Query(alias="format", description="Kind of document.")] = TranscriptFormat.TXT,
) -> Response:
    """All final segments; several tracks become one conversation."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    text = await (await conversation_of(services, transcript)).document(wanted.form)
    name = transcript.shown_title
    if wanted.form is ExportFormat.TIMESTAMPED:
        name = part_stem(name, "timestamped", transcript_id)  # else the plain text's
    named = content_disposition("attachment", name, wanted.form.suffix, transcript_id=transcript_id)
    headers = {**named, "Cache-Control": "no-cache"}
    return Response(text, headers=headers, media_type=MEDIA_TYPES[wanted.form])
