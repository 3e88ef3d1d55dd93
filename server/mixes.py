"""Which tracks of a transcript are heard together, and where in it each begins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.blocks import SAMPLE_RATE_HZ
from server.store.records import Track, covered_samples

AT_ONCE_MAX = 32
"""Tracks that sound at the same moment: these are read together, and anybody may ask who may read the transcript."""
TRACKS_MAX = 2000
"""One after the other, such as the chunks of a conversation: half a minute each, that is most of a day."""
SILENCE_MAX_S = 3600
"""Sound with a longer silence in it is no one conversation: hours of nothing would be made of two short notes."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Several finished tracks with sound, and how many samples after the transcript's beginning each begins.

    The beginning is that of its first track, as in its documents: times of subtitles are times of the mix.
    """

    tracks: tuple[Track, ...]
    starts_samples: tuple[int, ...]

    @property
    def length_samples(self) -> int:
        pairs = zip(self.tracks, self.starts_samples, strict=True)
        return max(start_samples + track.length_samples for track, start_samples in pairs)

    @property
    def key(self) -> str:
        """Another one when anything of it is."""
        pairs = zip(self.tracks, self.starts_samples, strict=True)
        parts = [f"{track.id} {start_samples} {track.length_samples}" for track, start_samples in pairs]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _at_once(tracks: Sequence[Track]) -> int:
    """How many sound at the same moment, at most."""
    ends = ((track.started_at + track.length_samples / SAMPLE_RATE_HZ, -1) for track in tracks)
    count = most = 0
    for _, change in sorted([*((track.started_at, 1) for track in tracks), *ends]):
        count += change
        most = max(most, count)
    return most


def mix_of(tracks: Sequence[Track]) -> Mix | None:
    """None while any is recorded, where no two have sound or too many have (in all, or at once), and where they lie too
    far apart."""
    sounding = tuple(track for track in tracks if track.length_samples)
    if not 2 <= len(sounding) <= TRACKS_MAX or any(track.state == "open" for track in tracks):
        return None
    if _at_once(sounding) > AT_ONCE_MAX:
        return None
    began_at = min(track.started_at for track in tracks)
    mix = Mix(sounding, tuple(round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in sounding))
    silence_samples = mix.length_samples - covered_samples((each.started_at, each.length_samples) for each in sounding)
    return mix if silence_samples <= SILENCE_MAX_S * SAMPLE_RATE_HZ else None
