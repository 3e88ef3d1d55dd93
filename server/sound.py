"""The sound of a track, or of all of them mixed, for doors: as a file in one of its forms, and its peaks."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from media.containers import HEAD_BYTES, media_type_of, sniff
from media.mixdown import Mixdown, Part
from media.mp3 import can_encode
from media.recording import Recording
from media.wav import Excerpt, SoundReader
from media.waveform import peaks
from protocol.blocks import seconds
from protocol.errors import AudioFormatError, Conflict, NotFound
from server.derived import mix_path
from server.download_names import part_stem
from server.files import storage_error
from server.hub import Hub
from server.mixes import Mix, mix_of
from server.services import Services
from server.store.records import Track
from server.track_names import track_names

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
    """A track's recording as long as it was when it was looked up, a live one goes on growing; or the mix of several.

    ``track``: None for a mix. ``key`` names what this is sound of, ``path`` is where what is made of it is kept, and
    ``made_of`` are the files of the recordings.
    """

    services: Services
    transcript_id: str
    track: Track | None
    key: str
    reader: SoundReader
    length_samples: int
    path: Path
    made_of: tuple[Path, ...]

    @property
    def duration_s(self) -> float:
        return seconds(self.length_samples)

    @property
    def is_finished(self) -> bool:
        return self.track is None or self.track.state != "open"

    async def file(self, form: Form) -> SoundFile:
        """All of it in that form.

        Raises ``Conflict`` where there is no such form of it: MP3 while it is recorded, Ogg where the sound was not
        kept as that, or is a mix; and ``NotFound`` for the original of what was not uploaded.
        """
        match form:
            case "mp3":
                if not can_encode():
                    raise Conflict("this server has no MP3 encoder; ask for WAV")
                if not self.is_finished:
                    raise Conflict("this is still being recorded; ask for WAV")
                made = await self.services.derived.mp3(self.reader, self.path, self.made_of)
                return await plain_file(form, made)
            case "original":
                if self.track is not None:
                    await self.services.hub.sound.has_upload(self.track)
                return await plain_file(form, self.path.with_suffix(".upload"))
            case "ogg":
                recording = self.reader
                if not isinstance(recording, Recording):
                    raise Conflict("several tracks are mixed as WAV or MP3; ask for one of these, or name a track")
                length_bytes = await asyncio.to_thread(recording.ogg_length_bytes)
                return await self._read_file(form, length_bytes, recording.ogg_bytes)
            case "wav":
                length_bytes = await asyncio.to_thread(self.reader.wav_length_bytes)
                return await self._read_file(form, length_bytes, self.reader.wav_bytes)

    async def _read_file(
        self, form: Form, length_bytes: int, read: Callable[[int, int], Generator[bytes, None, None]]
    ) -> SoundFile:
        modified_at = await asyncio.to_thread(_last_modified_at, self.made_of) if self.is_finished else None
        return SoundFile(form, MEDIA_TYPES[form], form, length_bytes, modified_at, read)

    def excerpt(self, start_samples: int, end_samples: int) -> Sound:
        """A stretch of it, clipped to what there is. What is made of that is kept beside what is made of the whole."""
        end_samples = min(end_samples, self.length_samples)
        key = f"{self.key}-{start_samples}-{end_samples}"
        return replace(
            self,
            key=key,
            reader=Excerpt(self.reader, start_samples, end_samples),
            length_samples=max(0, end_samples - start_samples),
            path=self.path.with_name(key),
        )

    async def name(self) -> str:
        """What a file of it is to be called: as the transcript, and one of several tracks as whose it is besides."""
        store = self.services.store
        title = (await store.get_transcript(self.transcript_id)).shown_title
        tracks = await store.tracks_of(self.transcript_id)
        if self.track is None or len(tracks) == 1:
            return title
        labels = await store.voices.labels_of(self.transcript_id)
        names = track_names(tracks, await store.participants_of(self.transcript_id), labels)
        return part_stem(title, names.get(self.track.id, ""), self.transcript_id)

    async def peaks(self, count: int) -> list[float]:
        if self.is_finished:
            return await self.services.derived.peaks(self.reader, self.path, count)
        return await asyncio.to_thread(peaks, self.reader, count)


async def sound_of(services: Services, transcript_id: str, track_id: str | None, *, mixed: bool = True) -> Sound:
    """The sound of a track; without one of all of them mixed, or where they are not, of the first that has any.

    ``mixed`` False: never of more than one. Raises ``NotFound``.
    """
    if (await services.store.get_transcript(transcript_id)).audio_deleted:
        raise NotFound("Audio unavailable due to privacy settings")
    tracks = await services.store.tracks_of(transcript_id)
    if not tracks:
        raise NotFound("this transcript has no sound yet")
    if track_id is None and mixed and (mix := await kept_mix(services, tracks)) is not None:
        return await _mixed_sound(services, transcript_id, mix)
    # Only tracks of this transcript: an id of another one's is not found.
    if track_id is not None:
        tracks = [each for each in tracks if each.id == track_id]
    if not tracks:
        raise NotFound("this transcript has no such track")
    for track in tracks:
        if track.length_samples or track.state == "open":  # what has ended without sound need not be looked at
            with suppress(NotFound):  # then another may be there
                sound = await _sound(services, track)
                if sound.length_samples:
                    return sound
    return await _sound(services, tracks[0])


def mp3_or_wav(sound: Sound) -> Form:
    """What there is of it at once for whoever wants MP3."""
    return "mp3" if can_encode() and sound.is_finished else "wav"


async def kept_mix(services: Services, tracks: Sequence[Track]) -> Mix | None:
    """``mix_of`` those whose recordings are there: one that is lost takes nobody's sound but its own away."""
    return await asyncio.to_thread(lambda: mix_of([_as_kept(services.hub, track) for track in tracks]))


def _as_kept(hub: Hub, track: Track) -> Track:
    is_kept = hub.sound.is_far(track) or hub.recording_path(track).exists()
    return track if is_kept else replace(track, length_samples=0)


def forms_of_mix() -> list[Form]:
    return ["wav", "mp3"] if can_encode() else ["wav"]


async def forms_of(services: Services, tracks: Sequence[Track]) -> dict[str, list[Form]]:
    """By the id of each track, what its sound can be had as now. Cheap: a few bytes of each file are looked at."""
    return await asyncio.to_thread(lambda: {track.id: _forms(services.hub, track) for track in tracks})


def _forms(hub: Hub, track: Track) -> list[Form]:
    path = hub.recording_path(track)
    is_far = hub.sound.is_far(track) and track.length_samples > 0
    if not is_far and not path.exists():
        return []
    forms: list[Form] = ["wav"]
    if can_encode() and track.state != "open":
        forms.append("mp3")
    if Recording(path).looks_like_ogg():  # of one that is far it is not known before somebody has heard it here
        forms.append("ogg")
    if track.source == "file" and (is_far or path.with_suffix(".upload").exists()):
        forms.append("original")
    return forms


async def _sound(services: Services, track: Track) -> Sound:
    await services.hub.sound.fetch(track)
    recording = services.hub.recording(track)
    length_samples = await asyncio.to_thread(recording.length_samples)
    path = services.hub.recording_path(track)
    return Sound(services, track.transcript_id, track, track.id, recording, length_samples, path, (path,))


async def _mixed_sound(services: Services, transcript_id: str, mix: Mix) -> Sound:
    for track in mix.tracks:
        await services.hub.sound.fetch(track)
    parts = [
        Part(services.hub.recording(track), start_samples, track.length_samples)
        for track, start_samples in zip(mix.tracks, mix.starts_samples, strict=True)
    ]
    for part in parts:  # what is not there is found out before anything is given
        await asyncio.to_thread(part.recording.length_samples)
    paths = tuple(services.hub.recording_path(track) for track in mix.tracks)
    path = mix_path(paths[0].parent, mix.key)
    return Sound(services, transcript_id, None, mix.key, Mixdown(parts), mix.length_samples, path, paths)


async def plain_file(form: Form, path: Path) -> SoundFile:
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


def _last_modified_at(paths: Sequence[Path]) -> int | None:
    """Of the one that was changed last; None when that is not sure of all."""
    known = [at for path in paths if (at := _modified_at(path)) is not None]
    return max(known) if len(known) == len(paths) else None


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
