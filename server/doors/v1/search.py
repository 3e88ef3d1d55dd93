"""``/v1/transcripts/search``: transcripts found by their words, with the places where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from protocol.blocks import SAMPLE_RATE_HZ, seconds
from protocol.errors import BadInput
from protocol.wire.v1 import STATUS_OF_STATE
from server.auth import Action
from server.doors.access import entry, principal_of, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.asked import MadeFrom, MadeTo, epoch_s
from server.doors.v1.views import iso
from server.snippets import Snippet, snippet
from server.store.listing import Wanted
from server.store.records import TranscriptKind
from server.store.search import Hit, Passage
from server.store.search_words import Term, parse_query

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)

QUERY_MAX_CHARS = 1000
RESULTS_MAX = 100
OFFSET_MAX = 1_000_000


def hit_view(hit: Hit, terms: Sequence[Term]) -> dict[str, Any]:
    transcript = hit.transcript
    snippets = [_snippet_view(hit, passage, snippet(passage.text, terms)) for passage in hit.passages]
    return {
        "id": transcript.id,
        "title": transcript.shown_title,
        "name": transcript.name,
        "user_id": transcript.owner,
        "room_id": transcript.room_id,
        "room_name": transcript.room_name,
        "source_kind": transcript.source_kind,
        "created_at": iso(transcript.created_at),
        "deleted_at": None if transcript.deleted_at is None else iso(transcript.deleted_at),
        "status": STATUS_OF_STATE[transcript.state],
        "rank": hit.rank,
        "duration": round(seconds(transcript.duration_samples), 3),
        "search_snippets": [each["text"] for each in snippets],
        "snippets": snippets,
        "total_match_count": hit.matches,
        "change_seq": transcript.change_seq,
    }


def _snippet_view(hit: Hit, passage: Passage, found: Snippet) -> dict[str, Any]:
    view: dict[str, Any] = {
        "text": found.text,
        "matches": [list(match) for match in found.matches],
        "kind": passage.kind,
        "segment_id": None,
        "speaker": None,
        "track": None,
        "start": None,
        "time": None,
    }
    segment = passage.segment
    if segment is not None:
        start_samples = segment.start_samples
        # The word that stands where the match does: those before it make up as much of the text.
        written = 0
        for word in segment.words:
            start_samples = word.start_samples
            at = passage.text.find(word.text.strip(), written)
            written = written if at < 0 else at + len(word.text.strip())
            if written > found.at:
                break
        view |= {
            "segment_id": segment.segment_id,
            "speaker": segment.speaker,
            "track": segment.track,
            "start": round(start_samples / SAMPLE_RATE_HZ, 3),
            "time": round(passage.track_started_at - hit.began_at + start_samples / SAMPLE_RATE_HZ, 3),
        }
    return view


@router.get("/v1/transcripts/search", dependencies=[entry(Action.LIST)])
async def search_transcripts(
    request: Request,
    q: Annotated[
        str,
        Query(
            max_length=QUERY_MAX_CHARS,
            description='Words that must all be there, "phrases in quotes", the last word as far as it is typed; '
            "empty: everything, the newest first.",
        ),
    ],
    limit: Annotated[int, Query(ge=1, le=RESULTS_MAX, description="Most results in the answer.")] = 20,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX, description="Results to leave out at the beginning.")] = 0,
    room_id: Annotated[str | None, Query(max_length=64, description="Only what was said in this room.")] = None,
    source_kind: Annotated[TranscriptKind | None, Query(description="Only what came in this way.")] = None,
    created_from: MadeFrom = None,
    created_to: MadeTo = None,
    include_deleted: Annotated[bool, Query(description="Also what is in your bin.")] = False,
) -> Response:
    """Those with most places first; each with up to three of them."""
    from_s, to_s = epoch_s(created_from), epoch_s(created_to)
    if from_s is not None and to_s is not None and from_s > to_s:
        raise BadInput("from must not be after to")
    wanted = Wanted(
        room_id=room_id or None,
        source_kinds=() if source_kind is None else (source_kind,),
        created_from=from_s,
        created_to=to_s,
        deleted="with" if include_deleted else "without",
        viewer=principal_of(request).viewer,
    )
    terms = parse_query(q) if q.strip() else None
    hits, total = await services_of(request).store.search(terms, wanted, limit=limit, offset=offset)
    results = await asyncio.to_thread(lambda: [hit_view(hit, terms or ()) for hit in hits])
    return JSONResponse({"results": results, "total": total, "query": q, "limit": limit, "offset": offset})
