"""The recorded sound of a track, for doors: a file by ranges, and its peaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from media.recording import Recording
from media.waveform import peaks
from protocol.blocks import seconds
from protocol.errors import NotFound
from server.services import Services
from server.settings import Settings
from server.store.records import Track

Form = Literal["wav", "ogg"]


@dataclass(frozen=True, slots=True)
class Sound:
    """A track's recording as long as it was when it was looked up; a live one goes on growing."""

    track: Track
    recording: Recording
    length_samples: int

    @property
    def duration_s(self) -> float:
        return seconds(self.length_samples)

    async def length_bytes(self, form: Form) -> int:
        """Of the whole in that form. Raises ``Conflict`` where the sound was not kept as one Ogg file."""
        length_of = self.recording.ogg_length_bytes if form == "ogg" else self.recording.wav_length_bytes
        return await asyncio.to_thread(length_of)

    def pieces(self, form: Form, start_byte: int, end_byte: int) -> Iterator[bytes]:
        """Bytes ``[start_byte, end_byte)`` in that form. Blocks: take each piece in a thread."""
        read = self.recording.ogg_bytes if form == "ogg" else self.recording.wav_bytes
        return read(start_byte, end_byte)

    async def peaks(self, count: int) -> list[float]:
        return await asyncio.to_thread(peaks, self.recording, count)


async def sound_of(services: Services, settings: Settings, transcript_id: str, track_id: str | None) -> Sound:
    """The sound of a track, or of the first one of the transcript that has any. Raises ``NotFound``."""
    tracks = await services.store.tracks_of(transcript_id)
    if not tracks:
        await services.store.get_transcript(transcript_id)
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


async def _sound(services: Services, track: Track) -> Sound:
    recording = services.hub.recording(track)
    return Sound(track, recording, await asyncio.to_thread(recording.length_samples))
