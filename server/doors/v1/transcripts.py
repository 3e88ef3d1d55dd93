"""Transcripts: list, create, read, change, and their segments."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response

from protocol.errors import Conflict, EarshotError, IllegalMove, PreconditionFailed, ValidationFailed
from protocol.states import UNFINISHED, TranscriptState
from server.accounts.resource import Kind
from server.auth import Action
from server.doors.access import admit, entry, leaving_of, may_change, principal_of, services_of, settings_of
from server.doors.errors import DOCUMENTED, parse_body
from server.doors.v1.asked import PAGE_SIZE_MAX, MadeFrom, MadeTo, PageNumber, epoch_s, json_body
from server.doors.v1.documents import TranscriptFormat, conversation_of, json_bytes
from server.doors.v1.transcript_bodies import (
    NAME_MAX_CHARS,
    ChangeTranscript,
    CreateTranscript,
    StatusWord,
    states_of,
)
from server.doors.v1.uploads import is_multipart, receive_upload
from server.doors.v1.views import mix_view, page_view, segment_view, transcript_view
from server.doors.v1.voices import FIELDS as VOICE_FIELDS
from server.limits import read_body
from server.segment_pages import segment_pages
from server.sound import forms_of, forms_of_mix, kept_mix
from server.store.listing import Order, Wanted
from server.store.records import StoredSegment, Transcript, TranscriptKind

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)

SEGMENTS_PAGE_MAX = 1000
CHANGE_SEQ_MAX = 2**63 - 1
PARTICIPANTS_BODY_MAX_BYTES = 256 * 1024

Text = Annotated[str, Query(max_length=NAME_MAX_CHARS, description="A part of the name or the title.")]
KindOf = Annotated[TranscriptKind | None, Query(description="What it was made of.")]


async def show(request: Request, transcript_id: str) -> dict[str, Any]:
    return await view_of(request, await services_of(request).store.get_transcript(transcript_id))


async def view_of(request: Request, transcript: Transcript) -> dict[str, Any]:
    """As far as it is for who asks."""
    services = services_of(request)
    tracks = await services.store.tracks_of(transcript.id)
    participants = await services.store.participants_of(transcript.id)
    formats = {} if transcript.audio_deleted else await forms_of(services, tracks)
    mix = None if transcript.audio_deleted else await kept_mix(services, tracks)
    return transcript_view(
        transcript,
        services.asr.status.engine,
        participants,
        may_change=may_change(request, Kind.TRANSCRIPT, transcript.owner),
        tracks=tracks,
        formats=formats,
        mix=None if mix is None else mix_view(mix, forms_of_mix()),
    )


def etag_of(view: dict[str, Any]) -> dict[str, str]:
    """Of what can be changed; ``If-Match`` compares it. What is still being heard changes the rest."""
    return {"ETag": f'"{view["change_seq"]}"'}


@router.get("/v1/transcripts", dependencies=[entry(Action.LIST)])
async def list_transcripts(
    request: Request,
    page: PageNumber = 1,
    size: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="Transcripts on a page.")] = 50,
    search: Text = "",
    search_term: Text = "",
    status: Annotated[list[StatusWord] | None, Query(max_length=10, description="One of these.")] = None,
    source_kind: KindOf = None,
    source: KindOf = None,
    room_id: Annotated[str | None, Query(max_length=36, description="The room it is of.")] = None,
    created_from: MadeFrom = None,
    created_to: MadeTo = None,
    change_seq_from: Annotated[
        int | None, Query(ge=0, le=CHANGE_SEQ_MAX, description="Only what changed after this change_seq, in its order.")
    ] = None,
    sort_by: Annotated[
        Literal["created_at", "change_seq"] | None, Query(description="The newest first, or as changed.")
    ] = None,
    include_deleted: Annotated[bool, Query(description="Also what is in the bin.")] = False,
) -> Response:
    """One's own and what is shared with everybody who is signed in.

    To keep a copy, ask with ``include_deleted=true`` and ``change_seq_from`` from 0 on, each time with the greatest
    ``change_seq`` of the answer before: no change is missed, and what was destroyed is told, too.
    """
    if created_from is not None and created_to is not None and created_from > created_to:
        raise ValidationFailed("from must not be after to")
    is_sync = change_seq_from is not None
    wanted = Wanted(
        search=search or search_term,
        states=tuple(set().union(*map(states_of, status))) if status else None,
        source_kinds=tuple(each for each in (source, source_kind) if each is not None),
        room_id=room_id,
        created_from=epoch_s(created_from),
        created_to=epoch_s(created_to),
        changed_after=change_seq_from,
        deleted=("destroyed" if is_sync else "with") if include_deleted else "without",
        viewer=principal_of(request).viewer,
    )
    order: Order = sort_by or ("change_seq" if is_sync else "created_at")
    services = services_of(request)
    found, total = await services.store.list_transcripts(wanted, page=page, size=size, order=order)
    participants = await services.store.participants_of_all([each.id for each in found if not each.is_withheld])
    engine = services.asr.status.engine

    def render(transcript: Transcript) -> bytes:
        its_own = may_change(request, Kind.TRANSCRIPT, transcript.owner)
        return json_bytes(transcript_view(transcript, engine, participants.get(transcript.id, ()), may_change=its_own))

    items = await asyncio.to_thread(lambda: [render(each) for each in found])
    return _page_of(items, total, page, size)


@router.post(
    "/v1/transcripts",
    status_code=201,
    dependencies=[entry(Action.CREATE)],
    openapi_extra=json_body(CreateTranscript, file=True, fields=VOICE_FIELDS),
)
async def create_transcript(request: Request) -> Response:
    """Make a transcript to stream into, or, with a multipart ``file``, one of that recording."""
    leaving_of(request).refuse_new()
    services, settings = services_of(request), settings_of(request)
    upload = None
    if is_multipart(request):
        upload = await receive_upload(request, settings)
        fields = {name: value for name, value in upload.fields.items() if value}
    try:
        if upload is None:
            wanted = parse_body(CreateTranscript, await read_body(request))
        else:
            wanted = parse_fields(CreateTranscript, fields)
        if wanted.room_id is not None:
            await admit(request, Action.CHANGE, "room_id", wanted.room_id)
        transcript = await services.store.create_transcript(
            name=wanted.name or (upload.filename[:NAME_MAX_CHARS] if upload else ""),
            title=wanted.title or "",
            language=wanted.wanted_language or settings.language,
            owner=principal_of(request).id,
            source_kind=wanted.source_kind or ("file" if upload else "live"),
            share_mode=wanted.share_mode or "private",
            room_id=wanted.room_id,
        )
        if upload is not None:
            try:
                await upload.hand_over(services, transcript.id)
            except EarshotError:
                # The answer is an error without an id: nobody could ever find it.
                await services.removal.discard(transcript.id)
                raise
    finally:
        if upload is not None:
            upload.discard()
    body = await show(request, transcript.id)
    return JSONResponse(body, 201, headers={"Location": f"/v1/transcripts/{transcript.id}", **etag_of(body)})


def parse_fields(model: type[CreateTranscript], fields: dict[str, str]) -> CreateTranscript:
    """Text fields of a form as ``model``."""
    return parse_body(model, json.dumps(fields).encode())


@router.get("/v1/transcripts/{transcript_id}", dependencies=[entry(Action.READ)])
async def get_transcript(
    request: Request,
    transcript_id: str,
    transcript_format: Annotated[
        TranscriptFormat | None, Query(description="Adds the words, as the field transcript, in this form.")
    ] = None,
) -> Response:
    """All that is known of it, and, where ``transcript_format`` asks for them, its words: as a list of who said what
    (``json``) or as the text of a document."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    view = await view_of(request, transcript)
    if transcript_format is None:
        return JSONResponse(view, headers=etag_of(view))
    words = await (await conversation_of(services, transcript)).embedded(transcript_format)
    fields = json_bytes({**view, "transcript_format": transcript_format.value})
    body = fields[:-1] + b',"transcript":' + words + b"}"
    return Response(body, headers=etag_of(view), media_type="application/json")


@router.patch(
    "/v1/transcripts/{transcript_id}",
    dependencies=[entry(Action.CHANGE)],
    openapi_extra=json_body(ChangeTranscript),
)
async def change_transcript(
    request: Request,
    transcript_id: str,
    if_match: Annotated[str | None, Header(description="The ETag of what is to be changed: 412 for another.")] = None,
) -> Response:
    """Change what is known of it; pause, go on or end; replace its participants; take its sound away.

    What cannot be done is found before anything is done, and all that is stored is stored at once. What is recorded is
    paused, resumed or ended after that.
    """
    services = services_of(request)
    wanted = parse_body(ChangeTranscript, await read_body(request, PARTICIPANTS_BODY_MAX_BYTES))
    transcript = await services.store.get_transcript(transcript_id)
    expected = _expected(if_match, transcript)
    move = _move_of(wanted, transcript)
    takes_sound = _takes_sound(wanted, transcript)
    people = None if wanted.participants is None else [each.values() for each in wanted.participants]
    async with AsyncExitStack() as around:
        if takes_sound:
            await around.enter_async_context(services.removal.deleting_sound(transcript_id))
        if people is not None:
            await around.enter_async_context(services.speakers.renaming(transcript_id))
        await services.store.update_transcript(
            transcript_id, **wanted.values, people=people, removes_audio=takes_sound, expected_change_seq=expected
        )
        if takes_sound:  # first of all: what else is still to be done may fail
            await services.removal.remove_files(transcript_id)
    match move:
        case TranscriptState.PAUSED:
            await services.hub.pause(transcript_id)
        case TranscriptState.RECORDING:
            await services.hub.unpause(transcript_id)
        case TranscriptState.ENDED:
            await services.hub.end(transcript_id)
    view = await show(request, transcript_id)
    return JSONResponse(view, headers=etag_of(view))


def _expected(if_match: str | None, transcript: Transcript) -> int | None:
    """The version that a change is of. Raises ``PreconditionFailed`` when it is not the present one."""
    if if_match is None or if_match.strip() == "*":
        return None
    # RFC 9110, 13.1.1: weak ones never match.
    if f'"{transcript.change_seq}"' not in [each.strip() for each in if_match.split(",")]:
        raise PreconditionFailed(
            "the transcript has changed meanwhile; read it again", details={"change_seq": transcript.change_seq}
        )
    return transcript.change_seq


_MOVES = {
    "pause": TranscriptState.PAUSED,
    "paused": TranscriptState.PAUSED,
    "resume": TranscriptState.RECORDING,
    "recording": TranscriptState.RECORDING,
    "processing": TranscriptState.RECORDING,
    "end": TranscriptState.ENDED,
    "ended": TranscriptState.ENDED,
    "completed": TranscriptState.ENDED,
}
_FROM = {
    TranscriptState.PAUSED: {TranscriptState.RECORDING},
    TranscriptState.RECORDING: {TranscriptState.PAUSED},
    TranscriptState.ENDED: {TranscriptState.RECORDING, TranscriptState.PAUSED},
}


def _move_of(wanted: ChangeTranscript, transcript: Transcript) -> TranscriptState | None:
    """Where it is to go, None when it is there. Raises ``IllegalMove`` where a client cannot send it from here."""
    if wanted.status is None:
        return None
    there = _MOVES.get(wanted.status)
    if there is transcript.state:
        return None
    if there is None or transcript.state not in _FROM[there]:
        raise IllegalMove(
            "this cannot be asked for now: what is recorded can be paused, resumed and completed",
            details={"state": transcript.state.value, "asked": wanted.status},
        )
    return there


def _takes_sound(wanted: ChangeTranscript, transcript: Transcript) -> bool:
    if wanted.audio_deleted is None or wanted.audio_deleted == transcript.audio_deleted:
        return False
    if not wanted.audio_deleted:
        raise Conflict("the sound was removed for good; it cannot come back")
    if transcript.state in UNFINISHED:
        raise Conflict(
            "its sound is still being recorded or heard; end that, and ask again",
            details={"state": transcript.state.value},
        )
    return True


@router.get("/v1/transcripts/{transcript_id}/segments", dependencies=[entry(Action.READ)])
async def list_segments(
    request: Request,
    transcript_id: str,
    page: PageNumber = 1,
    size: Annotated[int, Query(ge=1, le=SEGMENTS_PAGE_MAX, description="Segments on a page.")] = 100,
    after: Annotated[
        str | None, Query(max_length=64, description="Only those behind this segment_id; instead of page.")
    ] = None,
) -> Response:
    """The final segments in the order of time, each in its newest revision. One that was taken back is none.

    Pages by number move up when segments before them are taken back; those ``after`` a segment do not.
    """
    if after is not None and page != 1:
        raise ValidationFailed("ask for page or for after")
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    items: list[bytes] = []
    async for found in segment_pages(services.store, transcript_id, offset=(page - 1) * size, limit=size, after=after):
        items += await asyncio.to_thread(_rendered, found)
    return _page_of(items, transcript.segments, page, size)


def _page_of(items: list[bytes], total: int, page: int, size: int) -> Response:
    """Put together as text: a thousand items take longer to render than the event loop may be held."""
    frame = json_bytes(page_view([], total, page, size))
    body = frame.replace(b'"items":[]', b'"items":[' + b",".join(items) + b"]", 1)
    return Response(body, media_type="application/json")


def _rendered(found: list[StoredSegment]) -> list[bytes]:
    return [json_bytes(segment_view(each)) for each in found]
