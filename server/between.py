"""A stretch of a transcript's time, and what of a segment lies in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import NotFound, ValidationFailed
from protocol.words import Segment, Word
from server.store.records import Track


class Between:
    """As the transcript's tracks count time; to the millisecond, as readers are told times."""

    def __init__(self, from_s: float, to_s: float, tracks: Sequence[Track], only: str | None) -> None:
        if to_s < from_s:
            details = {"field": "timestamp_to"}
            raise ValidationFailed("timestamp_to must not be before timestamp_from", details=details)
        self._from_s, self._to_s = round(from_s, 3), round(to_s, 3)
        began_at = min((track.started_at for track in tracks), default=0.0)
        self._offsets_s = {track.id: track.started_at - began_at for track in tracks}
        self._tracks = {track.id for track in tracks if only in (None, track.id, track.name)}
        if only is not None and not self._tracks:
            raise NotFound("no such track", details={"track": only[:64]})

    def touches(self, segment: Segment) -> bool:
        if segment.track not in self._tracks and segment.track in self._offsets_s:
            return False
        return self._at_s(segment, segment.start_samples) <= self._to_s and (
            self._from_s <= self._at_s(segment, segment.end_samples)
        )

    def holds(self, segment: Segment, word: Word) -> bool:
        return self._from_s <= self._at_s(segment, word.start_samples) <= self._to_s

    def covers(self, segment: Segment) -> bool:
        return self._shared_s(segment) >= self._length_s(segment)

    def holds_half(self, segment: Segment) -> bool:
        return self._shared_s(segment) * 2 >= self._length_s(segment)

    def _shared_s(self, segment: Segment) -> float:
        start_s, end_s = self._at_s(segment, segment.start_samples), self._at_s(segment, segment.end_samples)
        return min(end_s, self._to_s) - max(start_s, self._from_s)

    def _length_s(self, segment: Segment) -> float:
        return self._at_s(segment, segment.end_samples) - self._at_s(segment, segment.start_samples)

    def _at_s(self, segment: Segment, samples: int) -> float:
        return round(self._offsets_s.get(segment.track, 0.0) + samples / SAMPLE_RATE_HZ, 3)
