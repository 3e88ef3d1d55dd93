"""The sound of a track, for doors: as a file in one of its forms, and its peaks."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from media.containers import HEAD_BYTES, media_type_of, sniff
from media.mp3 import can_encode
from media.recording import Recording
from media.waveform import peaks
from protocol.blocks import seconds
from protocol.errors import AudioFormatError, Conflict, NotFound
from server.files import storage_error
from server.services import Services
from server.store.records import Track

Form = Literal["wav", "ogg", "mp3", "original"]

MEDIA_TYPES = {"wav": "audio/wav", "ogg": "audio/ogg", "mp3": "audio/mpeg"}
SETTLED_S = 2.0
"""A file that was changed longer ago than this was not changed twice in one second that anybody saw: its time is a
strong validator (RFC 9110, 8.8.2.2)."""

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class SoundFile:
    """Bytes that stay as they are for as long as the length does. ``modified_at``: None while it may still change."""

    form: Form
    media_type: str
    suffix: str
    length_bytes: int
    modified_at: int | None
    pieces: Callable[[int, int], Generator[bytes, None, None]]


@dataclass(frozen=True, slots=True)
class Sound:
    """A track's recording as long as it was when it was looked up; a live one goes on growing."""

    services: Services
    track: Track
    recording: Recording
    length_samples: int

    @property
    def duration_s(self) -> float:
        return seconds(self.length_samples)

    @property
    def is_finished(self) -> bool:
        return self.track.state != "open"

    @property
    def path(self) -> Path:
        return self.services.hub.recording_path(self.track)

    async def file(self, form: Form) -> SoundFile:
        """All of it in that form.

        Raises ``Conflict`` where there is no such form of it: MP3 while it is recorded, Ogg where the sound was not
        kept as that; and ``NotFound`` for the original of what was not uploaded.
        """
        match form:
            case "mp3":
                if not can_encode():
                    raise Conflict("this server has no MP3 encoder; ask for WAV")
                if not self.is_finished:
                    raise Conflict("this is still being recorded; ask for WAV")
                return await _plain_file(form, await self.services.derived.mp3(self.recording, self.path))
            case "original":
                return await _plain_file(form, self.path.with_suffix(".upload"))
            case "ogg" | "wav":
                is_ogg = form == "ogg"
                recording = self.recording
                length_of = recording.ogg_length_bytes if is_ogg else recording.wav_length_bytes
                length_bytes = await asyncio.to_thread(length_of)
                modified_at = await asyncio.to_thread(_modified_at, self.path) if self.is_finished else None
                read = recording.ogg_bytes if is_ogg else recording.wav_bytes
                return SoundFile(form, MEDIA_TYPES[form], form, length_bytes, modified_at, read)

    async def peaks(self, count: int) -> list[float]:
        if self.is_finished:
            return await self.services.derived.peaks(self.recording, self.path, count)
        return await asyncio.to_thread(peaks, self.recording, count)


async def sound_of(services: Services, transcript_id: str, track_id: str | None) -> Sound:
    """The sound of a track, or of the first one of the transcript that has any. Raises ``NotFound``."""
    if (await services.store.get_transcript(transcript_id)).audio_deleted:
        raise NotFound("Audio unavailable due to privacy settings")
    tracks = await services.store.tracks_of(transcript_id)
    if not tracks:
        raise NotFound("this transcript has no sound yet")
    # Only tracks of this transcript: an id of another one's is not found.
    if track_id is not None:
        tracks = [each for each in tracks if each.id == track_id]
    if not tracks:
        raise NotFound("this transcript has no such track")
    for track in tracks:
        if track.length_samples or track.state == "open":  # what has ended without sound need not be looked at
            sound = await _sound(services, track)
            if sound.length_samples:
                return sound
    return await _sound(services, tracks[0])


def mp3_or_wav(sound: Sound) -> Form:
    """What there is of it at once for whoever wants MP3."""
    return "mp3" if can_encode() and sound.is_finished else "wav"


async def forms_of(services: Services, tracks: Sequence[Track]) -> dict[str, list[Form]]:
    """By the id of each track, what its sound can be had as now. Cheap: a few bytes of each file are looked at."""
    return await asyncio.to_thread(
        lambda: {track.id: _forms(services.hub.recording_path(track), track) for track in tracks}
    )


def _forms(path: Path, track: Track) -> list[Form]:
    forms: list[Form] = ["wav"]
    if can_encode() and track.state != "open":
        forms.append("mp3")
    if Recording(path).looks_like_ogg():
        forms.append("ogg")
    if track.source == "file" and path.with_suffix(".upload").exists():
        forms.append("original")
    return forms


async def _sound(services: Services, track: Track) -> Sound:
    recording = services.hub.recording(track)
    return Sound(services, track, recording, await asyncio.to_thread(recording.length_samples))


async def _plain_file(form: Form, path: Path) -> SoundFile:
    return await asyncio.to_thread(_look_at, form, path)


def _look_at(form: Form, path: Path) -> SoundFile:
    try:
        with path.open("rb") as file:
            length_bytes = os.fstat(file.fileno()).st_size

            def read_at(offset_bytes: int) -> bytes:
                file.seek(offset_bytes)
                return file.read(HEAD_BYTES)

            # By what the bytes are: what a stranger called it is never told to a browser.
            media_type, suffix = media_type_of(sniff(read_at(0), read_at))
    except FileNotFoundError:
        raise NotFound("no file was uploaded for this track; ask for WAV") from None
    except AudioFormatError:
        media_type, suffix = "application/octet-stream", "bin"
    except OSError as error:
        raise storage_error(error) from error
    return SoundFile(
        form, media_type, suffix, length_bytes, _modified_at(path), lambda start, end: _read(path, start, end)
    )


def _modified_at(path: Path) -> int | None:
    """Whole seconds; None when that is too short ago to be sure."""
    try:
        modified_s = path.stat().st_mtime
    except OSError:
        return None
    return int(modified_s) if time.time() - modified_s > SETTLED_S else None


def _read(path: Path, start_byte: int, end_byte: int) -> Generator[bytes, None, None]:
    try:
        with path.open("rb") as file:
            file.seek(start_byte)
            while start_byte < end_byte and (piece := file.read(min(_PIECE_BYTES, end_byte - start_byte))):
                yield piece
                start_byte += len(piece)
    except OSError as error:
        raise storage_error(error) from error
