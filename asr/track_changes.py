"""Where voices change and where two speak at once, in the utterances of one session that are not said yet. Pure.

    utterance  [---------------------------------------)     grows, until a pause
    chunks     [------------]                                each heard once it is whole
                        [------------]
                                   [------------]            the last ends with the utterance, as it seems in its pause

Of two chunks over each other each tells its own side of the middle: with sound around it the network is surer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from asr.speakers.segmentation import CHUNK_SAMPLES, Segmentation, Span
from protocol.blocks import SAMPLE_RATE_HZ

HOP_SAMPLES = 8 * SAMPLE_RATE_HZ
LEAST_SAMPLES = 3 * SAMPLE_RATE_HZ // 2  # who says less is hardly two


@dataclass(slots=True)
class _Heard:
    """Of one utterance: its whole chunks, and what was heard last of its end."""

    chunks: list[tuple[Span, Segmentation]] = field(default_factory=list)
    end: tuple[Span, Segmentation] | None = None

    def in_order(self) -> list[tuple[Span, Segmentation]]:
        newer = self.end is not None and (not self.chunks or self.end[0][1] > self.chunks[-1][0][1])
        return [*self.chunks, self.end] if newer and self.end is not None else self.chunks


class TrackChanges:
    """What is kept is of utterances not said yet."""

    def __init__(self) -> None:
        self._heard: dict[int, _Heard] = {}  # by where the utterance begins

    def due(self, start_samples: int, end_samples: int, *, ends: bool) -> Span | None:
        """What is to be heard next of the utterance, of which there is sound to ``end_samples``, where it ``ends``."""
        heard = self._heard.get(start_samples, _Heard())
        first = start_samples + len(heard.chunks) * HOP_SAMPLES
        if first + CHUNK_SAMPLES <= end_samples:
            return first, first + CHUNK_SAMPLES
        if not ends or end_samples - start_samples < LEAST_SAMPLES:
            return None
        through_samples = max((span[1] for span, _ in heard.in_order()), default=start_samples)
        if through_samples >= end_samples or (heard.end is not None and heard.end[0][1] == end_samples):
            return None
        return max(start_samples, end_samples - CHUNK_SAMPLES), end_samples

    def took(self, start_samples: int, span: Span, found: Segmentation) -> None:
        """``found`` in what was due of the utterance."""
        heard = self._heard.setdefault(start_samples, _Heard())
        if span == (start_samples + len(heard.chunks) * HOP_SAMPLES, span[0] + CHUNK_SAMPLES):
            heard.chunks.append((span, found))
        else:
            heard.end = span, found

    def told(self, start_samples: int) -> Segmentation:
        """All that is known of the utterance so far."""
        heard = self._heard.get(start_samples)
        if heard is None:
            return Segmentation()
        pieces = heard.in_order()
        middles = [(before[0][1] + after[0][0]) // 2 for before, after in pairwise(pieces)]
        bounds = [start_samples, *middles, pieces[-1][0][1]]
        changes: list[int] = []
        overlaps: list[Span] = []
        for (first, last), (_, found) in zip(pairwise(bounds), pieces, strict=True):
            changes += [at for at in found.changes if first <= at < last]
            overlaps += [(max(a, first), min(b, last)) for a, b in found.overlaps if a < last and b > first]
        return Segmentation(tuple(changes), _joined(overlaps))

    def all_told(self) -> Segmentation:
        """Of all utterances that are not said yet."""
        found = [self.told(start) for start in sorted(self._heard)]
        changes = tuple(at for each in found for at in each.changes)
        return Segmentation(changes, tuple(span for each in found for span in each.overlaps))

    def is_known(self, start_samples: int, end_samples: int) -> bool:
        """Whether all of the utterance was heard that is worth it."""
        return self.due(start_samples, end_samples, ends=True) is None

    def forget(self, end_samples: int) -> None:
        """Utterances that begin before were said."""
        self._heard = {start: heard for start, heard in self._heard.items() if start >= end_samples}


def _joined(overlaps: list[Span]) -> tuple[Span, ...]:
    """Those that touch where two chunks met are one."""
    joined: list[Span] = []
    for start, end in overlaps:
        if joined and joined[-1][1] >= start:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return tuple(joined)
