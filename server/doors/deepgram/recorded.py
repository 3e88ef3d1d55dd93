"""``POST /v1/listen``: a recording in, its words in the answer. The request's id is that of the transcript."""

from __future__ import annotations

import time
from contextlib import suppress

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from protocol.blocks import seconds
from protocol.deepgram import ListenOptions, parse_query
from protocol.deepgram_results import Json, Model, Wording, metadata, whole
from protocol.errors import BadInput, EarshotError
from protocol.wire.stream import Encoding
from protocol.words import Segment
from server.auth import Action
from server.doors.access import entry, leaving_of, principal_of, services_of, settings_of
from server.doors.deepgram.errors import DeepgramRoute
from server.doors.v1.uploads import Upload, is_multipart, receive_upload
from server.live import SourceOptions
from server.recorded_tracks import heard, say_what_it_is, take
from server.services import Services
from server.store.records import VoicesAsked

router = APIRouter(route_class=DeepgramRoute)


@router.post("/v1/listen", dependencies=[entry(Action.CREATE)], include_in_schema=False)
async def listen_to_recording(request: Request) -> Response:
    """The body is the recording; an address of one is refused: nothing is fetched from elsewhere here."""
    leaving_of(request).refuse_new()
    options = parse_query(request.query_params.multi_items(), live=False)
    services, settings = services_of(request), settings_of(request)
    services.jobs.check_language(None, options.language)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        raise BadInput("send the recording itself: this server fetches none from other addresses")
    if is_multipart(request):
        raise BadInput("send the recording as the body, not as a form")
    created_s = time.time()
    upload = await receive_upload(request, settings, may_be_form=False)
    try:
        if options.encoding is not Encoding.CONTAINER:
            await say_what_it_is(upload.path, options.encoding, options.sample_rate, options.channels)
        transcript_id, channels = await _hear(services, upload, options, owner=principal_of(request).id)
    finally:
        upload.discard()
    body = await _body(services, transcript_id, channels, upload, options, created_s)
    return JSONResponse(body, headers={"dg-request-id": transcript_id})


async def _hear(
    services: Services, upload: Upload, options: ListenOptions, *, owner: str | None
) -> tuple[str, list[list[Segment]]]:
    """The transcript that was made, and what was said on each channel."""
    transcript = await services.store.create_transcript(
        name="Deepgram recording",
        language=options.language or services.settings.language,
        owner=owner,
        source_kind="file",
    )
    asked = SourceOptions(
        language=options.language, hotwords=options.hotwords, voices=VoicesAsked(options.diarize), let_in=True
    )
    try:
        tracks = await take(
            services,
            transcript.id,
            upload.path,
            filename=upload.filename or "recording",
            options=asked,
            apart=options.multichannel,
        )
        upload.is_ours = False
    except BaseException:
        with suppress(EarshotError):
            await services.removal.discard(transcript.id)
        raise
    return transcript.id, await heard(services, transcript.id, tracks)


async def _body(
    services: Services,
    transcript_id: str,
    channels: list[list[Segment]],
    upload: Upload,
    options: ListenOptions,
    created_s: float,
) -> Json:
    transcript = await services.store.get_transcript(transcript_id)
    status = services.asr.status
    told = metadata(
        request_id=transcript_id,
        sha256=upload.sha256,
        created_s=created_s,
        duration_s=seconds(transcript.duration_samples),
        channels=len(channels),
        model=Model(status.engine, status.model),
    )
    wording = Wording(punctuate=options.punctuate, diarize=options.diarize)
    return {"metadata": told, "results": whole(channels, wording, utterances=options.utterances)}
