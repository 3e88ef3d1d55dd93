"""How much each speaks: ``/v1/transcripts/{id}/speaker/figures``, computed from the words whenever it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from protocol.blocks import SAMPLE_RATE_HZ
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.documents import conversation_of, json_bytes
from server.speaker_figures import SpeakerFigures, figures_of
from server.speakers import number_of

router = APIRouter(tags=["participants"], responses=DOCUMENTED)

SEGMENTS_MAX = 50_000  # what comes after them is not counted


def figures_view(found: Sequence[SpeakerFigures]) -> dict[str, Any]:
    speakers = [
        {
            "speaker": each.name,
            "speaker_label": each.label,
            "speaker_number": number_of(each.label),
            "talk_time": _s(each.talk_samples),
            "share": round(each.share, 4),
            "turns": each.turns,
            "longest_turn": _s(each.longest_turn_samples),
            "words": each.words,
            "words_per_minute": None if each.words_per_minute is None else round(each.words_per_minute, 1),
            "interruptions": each.interruptions,
            "interrupted": each.interrupted,
        }
        for each in found
    ]
    return {"talk_time": _s(sum(each.talk_samples for each in found)), "speakers": speakers}


def _s(samples: int) -> float:
    return round(samples / SAMPLE_RATE_HZ, 3)


@router.get("/v1/transcripts/{transcript_id}/speaker/figures", dependencies=[entry(Action.READ)])
async def speaker_figures(request: Request, transcript_id: str) -> Response:
    """How much each speaks, in the order in which they first did. Interruptions are null where they cannot be seen."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    said = await conversation_of(services, transcript, segments_max=SEGMENTS_MAX)
    body = await asyncio.to_thread(lambda: json_bytes(figures_view(figures_of(said.segments, said.offsets))))
    return Response(body, media_type="application/json")
