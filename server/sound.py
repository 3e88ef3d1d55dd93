"""The recorded sound of a track, for doors: a WAV by ranges, and its peaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from media.recording import Recording
from media.waveform import peaks
from protocol.blocks import seconds
from protocol.errors import NotFound
from server.services import Services
from server.settings import Settings
from server.store.records import Track


@dataclass(frozen=True, slots=True)
class Sound:
    """A track's recording as long as it was when it was looked up; a live one goes on growing."""

    track: Track
    recording: Recording
    length_samples: int
    wav_length_bytes: int

    @property
    def duration_s(self) -> float:
        return seconds(self.length_samples)

    def wav_bytes(self, start_byte: int, end_byte: int) -> Iterator[bytes]:
        """Bytes ``[start_byte, end_byte)`` of the WAV. Blocks: take each piece in a thread."""
        return self.recording.wav_bytes(start_byte, end_byte)

    async def peaks(self, count: int) -> list[float]:
        return await asyncio.to_thread(peaks, self.recording, count)


async def sound_of(services: Services, settings: Settings, transcript_id: str, track_id: str | None) -> Sound:
    """The sound of a track, or of the transcript's first one. Raises ``NotFound``."""
    tracks = await services.store.tracks_of(transcript_id)
    if not tracks:
        await services.store.get_transcript(transcript_id)
        raise NotFound("this transcript has no sound yet")
    # Only tracks of this transcript: an id of another one's is not found.
    track = next((each for each in tracks if track_id is None or each.id == track_id), None)
    if track is None:
        raise NotFound("this transcript has no such track")
    recording = Recording(services.hub.recording_path(track))
    length_samples = await asyncio.to_thread(recording.length_samples)
    return Sound(track, recording, length_samples, await asyncio.to_thread(recording.wav_length_bytes))
