"""What is made of finished sound, of one track or mixed of several, and kept beside it: its waveform, and an MP3 when
somebody asks for one.

Each can be made again at any time, so nothing is lost when it is deleted, damaged or of a track that has grown since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from media.mp3 import write_mp3
from media.video import write_mp4
from media.wav import SoundReader
from media.waveform import Waveform, peaks
from server.admission import admit_sound
from server.locks import Locks
from server.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE = 2  # each decodes whole tracks: more would take the recogniser's time
_MIX = "mix-"


class Derived:
    """Makes each of them once, however many ask; a track that is still recorded has none yet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._locks = Locks()

    async def peaks(self, sound: SoundReader, path: Path, count: int) -> list[float]:
        """``count`` peaks of finished sound that lies at ``path``, or would (see ``mix_path``)."""
        kept = path.with_suffix(".peaks")
        async with self._locks.of(kept):
            length_samples = await asyncio.to_thread(sound.length_samples)
            waveform = await asyncio.to_thread(Waveform.load, kept, length_samples)
            if waveform is None:
                async with self._turns:
                    waveform = await asyncio.to_thread(Waveform.measure, sound)
                try:
                    await asyncio.to_thread(waveform.save, kept)
                except OSError as error:  # then it is measured again the next time
                    log.warning("waveform not kept", error=type(error).__name__)
                await asyncio.to_thread(_forget_older_mixes, kept)
        if waveform.can_tell(count):
            return await asyncio.to_thread(waveform.peaks, count)
        return await asyncio.to_thread(peaks, sound, count)

    async def mp3(self, sound: SoundReader, path: Path, made_of: Sequence[Path]) -> Path:
        """The MP3 of finished sound that lies at ``path``, or would, and is made of these recordings.

        Raises ``StoreUnavailable``, ``Overloaded``.
        """
        made = path.with_suffix(".mp3")
        async with self._locks.of(made):
            if not await asyncio.to_thread(_is_newer, made, made_of):
                admit_sound(self._settings)
                async with self._turns:
                    await asyncio.to_thread(write_mp3, sound, made)
                await asyncio.to_thread(_forget_older_mixes, made)
        return made

    async def film(self, pictures: Path, end_s: float | None) -> Path:
        """The MP4 of a file of pictures, the last one of which is shown until then. Raises as ``write_mp4``, and
        ``Overloaded``."""
        made = pictures.with_suffix(".mp4")
        async with self._locks.of(made):
            if not await asyncio.to_thread(_is_newer, made, [pictures]):
                admit_sound(self._settings)
                async with self._turns:
                    await asyncio.to_thread(write_mp4, pictures, made, end_s)
        return made


def mix_path(folder: Path, key: str) -> Path:
    """Where the mix that is known by this key would lie, among the transcript's recordings, if it were kept itself."""
    return folder / f"{_MIX}{key}"


def _forget_older_mixes(made: Path) -> None:
    """What a mix of fewer tracks left: nobody will ask for it again."""
    if made.name.startswith(_MIX):
        for other in made.parent.glob(f"{_MIX}*{made.suffix}"):
            if other != made:
                with suppress(OSError):
                    other.unlink()


def _is_newer(made: Path, than: Sequence[Path]) -> bool:
    with suppress(OSError):
        made_ns = made.stat().st_mtime_ns
        return all(made_ns >= each.stat().st_mtime_ns for each in than)
    return False
