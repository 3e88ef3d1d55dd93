"""Documents and sound of a meeting at signed addresses: whoever holds one needs no account."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import NotFound
from server.auth import Action
from server.bots.documents import OF_PARTS, Address, Document, MeetingRecord, began_at_of
from server.bots.films import film_of
from server.bots.meeting_tracks import name_of
from server.bots.part_ends import PartEnds
from server.doors.access import base_url_of, entry, services_of
from server.doors.byte_ranges import Servable, serve_bytes
from server.doors.errors import DOCUMENTED
from server.download_names import content_disposition
from server.services import Services
from server.sound import Sound, SoundFile, mp3_or_wav, sound_of
from server.store.bot_store import Bot
from server.store.meeting_part_store import MeetingPart

router = APIRouter(tags=["bots"], responses=DOCUMENTED)

Token = Annotated[str, Query(max_length=256, description="As the recording's address has it.")]
MADE: dict[Document, Callable[[MeetingRecord, Address], object]] = {
    "participants": lambda record, _: record.participants_document(),
    "participant_events": lambda record, _: record.participant_events_document(),
    "speaker_timeline": lambda record, _: record.speaker_timeline_document(),
    "transcript": lambda record, _: record.transcript_document(),
    "provider_data": lambda record, _: record.provider_data_document(),
    "audio_separate": MeetingRecord.audio_separate_document,
    "video_separate": MeetingRecord.video_separate_document,
}
assert set(MADE) == set(get_args(Document))


@router.head("/api/v1/download/audio_mixed", dependencies=[entry(Action.DOWNLOAD)], include_in_schema=False)
@router.get("/api/v1/download/audio_mixed", dependencies=[entry(Action.DOWNLOAD)])
async def download_audio_mixed(request: Request, token: Token) -> Response:
    """The sound of everybody together: MP3, or WAV where this server has no encoder."""
    services = services_of(request)
    bot = await services.store.bots.of_recording(services.download_urls.id_of("audio_mixed", token))
    return await _give(request, await sound_of(services, bot.transcript.id, None), "room")


@router.head("/api/v1/download/audio_part", dependencies=[entry(Action.DOWNLOAD)], include_in_schema=False)
@router.get("/api/v1/download/audio_part", dependencies=[entry(Action.DOWNLOAD)])
async def download_audio_part(request: Request, token: Token) -> Response:
    """One stretch of a participant's sound, as audio_mixed."""
    services = services_of(request)
    bot, part = await _part(services, services.download_urls.id_of("audio_part", token))
    tracks = await services.store.tracks_of(part.transcript_id)
    track = next((each for each in tracks if each.name == name_of(part.participant_id)), None)
    if track is None:
        raise NotFound("there is no sound of this part")
    sound = await sound_of(services, part.transcript_id, track.id)
    begins_s = began_at_of(bot) - track.started_at  # of the recording, on the track
    start_samples, end_samples = (
        max(0, round((begins_s + at_s) * SAMPLE_RATE_HZ)) for at_s in (part.start_s, part.end_s or part.start_s)
    )
    excerpt = sound.excerpt(start_samples, end_samples)
    return await _give(request, excerpt, str(part.participant_id))


@router.head("/api/v1/download/video_part", dependencies=[entry(Action.DOWNLOAD)], include_in_schema=False)
@router.get("/api/v1/download/video_part", dependencies=[entry(Action.DOWNLOAD)])
async def download_video_part(request: Request, token: Token) -> Response:
    """One stretch of a participant's camera or screen: MP4 with H.264."""
    services = services_of(request)
    _, part = await _part(services, services.download_urls.id_of("video_part", token))
    if part.kind == "audio":
        raise NotFound("there is no video of this part")
    file = await film_of(services, part)
    disposition = content_disposition(
        "inline", f"{part.participant_id}-{part.kind}", file.suffix, transcript_id=part.transcript_id
    )
    return _ranged(request, file, part.id, disposition)


@router.get("/api/v1/download/{document}", dependencies=[entry(Action.DOWNLOAD)])
async def download_document(request: Request, document: Document, token: Token) -> Response:
    """A document of a meeting. One whose address was altered or has expired is 403: ask for the recording again."""
    services = services_of(request)
    urls, base_url = services.download_urls, base_url_of(request)
    bot = await services.store.bots.of_recording(urls.id_of(document, token))

    def address(part: MeetingPart) -> str:
        return base_url + urls.url("audio_part" if part.kind == "audio" else "video_part", part.id)

    turns: asyncio.Semaphore = request.app.state.export_turns  # each takes the memory that a long meeting takes
    async with turns:
        began_at, parts = began_at_of(bot), list[MeetingPart]()
        if document in OF_PARTS:
            parts = await _ends(services).parts_of(bot.transcript.id, began_at)
        record = await MeetingRecord.read(services.store, bot.transcript.id, began_at, parts, {document})
        # In ASCII: what came in messages of others may hold half letters.
        made = await asyncio.to_thread(lambda: json.dumps(MADE[document](record, address)).encode())
    return Response(made, media_type="application/json", headers={"Cache-Control": "private"})


def _ends(services: Services) -> PartEnds:
    return PartEnds(services.store, services.hub)


async def _part(services: Services, part_id: str) -> tuple[Bot, MeetingPart]:
    """Whose it is, and it with its end. Raises ``NotFound``."""
    part = await services.store.meeting_parts.get(part_id)
    bot = await services.store.bots.of_recording(part.transcript_id)
    return bot, await _ends(services).ended(part, began_at_of(bot))


async def _give(request: Request, sound: Sound, name: str) -> Response:
    file = await sound.file(mp3_or_wav(sound))
    disposition = content_disposition("inline", name, file.suffix, transcript_id=sound.transcript_id)
    return _ranged(request, file, sound.key, disposition)


def _ranged(request: Request, file: SoundFile, key: str, disposition: dict[str, str]) -> Response:
    version = f"{key} {file.form} {file.length_bytes}"
    return serve_bytes(
        request,
        Servable(
            length_bytes=file.length_bytes,
            media_type=file.media_type,
            etag=f'"{hashlib.sha256(version.encode()).hexdigest()[:32]}"',
            read=file.pieces,
            modified_at=file.modified_at,
            headers=disposition,
        ),
    )
