"""A transcript as a document: plain text, JSON, SRT, WebVTT."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.segment_pages import segment_pages
from server.download_names import content_disposition
from server.exports import MEDIA_TYPES, ExportFormat, export
from server.services import Services

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)


@router.get("/v1/transcripts/{transcript_id}/export", dependencies=[entry(Action.READ)])
async def export_transcript(
    request: Request,
    transcript_id: str,
    form: Annotated[ExportFormat, Query(alias="format", description="Kind of document.")] = ExportFormat.TXT,
) -> Response:
    """All final segments; several tracks become one conversation."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    tracks = await services.store.tracks_of(transcript_id)
    began_at = min((track.started_at for track in tracks), default=0.0)
    offsets = {track.id: round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in tracks}
    segments = await _all_segments(services, transcript_id)
    # Hours of speech take more than a few milliseconds to lay out.
    text = await asyncio.to_thread(
        lambda: export(
            segments,
            form,
            name=transcript.name,
            duration_samples=transcript.duration_samples,
            track_offsets=offsets,
        ).encode("utf-8", "replace")
    )
    named = content_disposition("attachment", transcript.name, form.value, transcript_id=transcript_id)
    headers = {**named, "Cache-Control": "no-cache"}
    return Response(text, headers=headers, media_type=MEDIA_TYPES[form])


async def _all_segments(services: Services, transcript_id: str) -> list[Segment]:
    pages = segment_pages(services.store, transcript_id)
    return [stored.segment async for page in pages for stored in page]
