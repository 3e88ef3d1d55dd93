"""What is made of a finished track's sound and kept beside it: its waveform, and an MP3 when somebody asks for one.

Each can be made again at any time, so nothing is lost when it is deleted, damaged or of a track that has grown since.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import structlog

from media.mp3 import write_mp3
from media.recording import Recording
from media.waveform import Waveform, peaks
from server.admission import admit_sound
from server.locks import Locks
from server.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE = 2  # each decodes a whole track: more would take the recogniser's time


class Derived:
    """Makes each of them once, however many ask; a track that is still recorded has none yet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._locks = Locks()

    async def peaks(self, recording: Recording, path: Path, count: int) -> list[float]:
        """``count`` peaks of a finished recording that lies at ``path``."""
        kept = path.with_suffix(".peaks")
        async with self._locks.of(kept):
            length_samples = await asyncio.to_thread(recording.length_samples)
            waveform = await asyncio.to_thread(Waveform.load, kept, length_samples)
            if waveform is None:
                async with self._turns:
                    waveform = await asyncio.to_thread(Waveform.measure, recording)
                try:
                    await asyncio.to_thread(waveform.save, kept)
                except OSError as error:  # then it is measured again the next time
                    log.warning("waveform not kept", error=type(error).__name__)
        if waveform.can_tell(count):
            return await asyncio.to_thread(waveform.peaks, count)
        return await asyncio.to_thread(peaks, recording, count)

    async def mp3(self, recording: Recording, path: Path) -> Path:
        """The MP3 of a finished recording that lies at ``path``. Raises ``StoreUnavailable``, ``Overloaded``."""
        made = path.with_suffix(".mp3")
        async with self._locks.of(made):
            if not await asyncio.to_thread(_is_newer, made, path):
                admit_sound(self._settings)
                async with self._turns:
                    await asyncio.to_thread(write_mp3, recording, made)
        return made


def _is_newer(made: Path, of: Path) -> bool:
    with suppress(OSError):
        return made.stat().st_mtime_ns >= of.stat().st_mtime_ns
    return False
