"""A transcript to take away: its record, its words in every form and its sound, in one archive."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from protocol.errors import NotFound
from server.archive import Entry, zip_pieces
from server.auth import Action
from server.doors.access import entry, services_of
from server.doors.errors import DOCUMENTED
from server.doors.v1.documents import Conversation, conversation_of
from server.doors.v1.transcripts import view_of
from server.download_names import content_disposition
from server.exports import ExportFormat
from server.services import Services
from server.sound import Form, SoundFile, forms_of, sound_of
from server.store.records import Track, Transcript
from server.track_names import track_names

router = APIRouter(tags=["transcripts"], responses=DOCUMENTED)

NAMES = {
    ExportFormat.TXT: "transcript.txt",
    ExportFormat.TIMESTAMPED: "transcript-timestamped.txt",
    ExportFormat.SRT: "transcript.srt",
    ExportFormat.VTT: "transcript.vtt",
    ExportFormat.JSON: "transcript.json",
}
# The first that there is: as it came, where it was kept so.
FORMS: tuple[Form, ...] = ("original", "ogg", "wav")


@router.get("/v1/transcripts/{transcript_id}/download/zip", dependencies=[entry(Action.READ)])
async def download_zip(request: Request, transcript_id: str) -> Response:
    """``metadata.json``, the transcript in every form, and the sound of each track in ``tracks/``."""
    services = services_of(request)
    transcript = await services.store.get_transcript(transcript_id)
    metadata = await view_of(request, transcript)
    conversation = await conversation_of(services, transcript)
    entries = [_metadata(metadata), *(_document(conversation, form) for form in NAMES)]
    entries += [each async for each in _sounds(services, transcript)]
    named = content_disposition("attachment", transcript.shown_title, "zip", transcript_id=transcript_id)
    pieces = zip_pieces(entries, at=time.time())
    return StreamingResponse(
        _read(pieces), headers={**named, "Cache-Control": "no-store"}, media_type="application/zip"
    )


def _metadata(view: dict[str, Any]) -> Entry:
    return _made("metadata.json", lambda: (json.dumps(view, ensure_ascii=False, indent=2) + "\n").encode())


def _document(conversation: Conversation, form: ExportFormat) -> Entry:
    return _made(NAMES[form], lambda: conversation.laid_out(form))


def _made(name: str, make: Callable[[], bytes]) -> Entry:
    """Made when its turn comes, so that one document is held at a time."""

    def pieces() -> Iterator[bytes]:
        yield make()

    return Entry(name, 0, is_packed=False, pieces=pieces)


async def _sounds(services: Services, transcript: Transcript) -> AsyncIterator[Entry]:
    if transcript.audio_deleted:
        return
    tracks = await services.store.tracks_of(transcript.id)
    forms = await forms_of(services, tracks)
    labels = await services.store.voices.labels_of(transcript.id)
    names = track_names(tracks, await services.store.participants_of(transcript.id), labels)
    for track in tracks:
        with suppress(NotFound):  # it was removed meanwhile
            file = await _sound(services, track, forms[track.id])
            if file is not None:
                yield _kept(f"tracks/{names[track.id]}.{file.suffix}", file)


async def _sound(services: Services, track: Track, forms: list[Form]) -> SoundFile | None:
    sound = await sound_of(services, track.transcript_id, track.id)
    if not sound.length_samples or not forms:
        return None
    return await sound.file(next(form for form in FORMS if form in forms))


def _kept(name: str, file: SoundFile) -> Entry:
    return Entry(name, file.length_bytes, is_packed=True, pieces=lambda: file.pieces(0, file.length_bytes))


async def _read(pieces: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """Each in a thread, when the one before was taken."""
    try:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
    finally:
        # One that a thread is still reading from closes when that is done.
        with suppress(ValueError):
            pieces.close()
