"""Diarization error rate: how much of the time that people spoke is missed, invented, or given to somebody else.

NIST's definition (Rich Transcription 2009 evaluation plan): overlapping speech counts once per speaker, names are
matched so that most time agrees. Counted in frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRAMES_PER_S = 100

Spoken = tuple[float, float, str]  # start_s, end_s, who


@dataclass(frozen=True)
class DiarizationError:
    """In seconds of speakers; ``spoken_s`` is what they are shares of."""

    spoken_s: float = 0.0
    missed_s: float = 0.0
    invented_s: float = 0.0
    confused_s: float = 0.0

    def __add__(self, other: DiarizationError) -> DiarizationError:
        return DiarizationError(
            self.spoken_s + other.spoken_s,
            self.missed_s + other.missed_s,
            self.invented_s + other.invented_s,
            self.confused_s + other.confused_s,
        )

    @property
    def rate(self) -> float:
        return (self.missed_s + self.invented_s + self.confused_s) / max(self.spoken_s, 1e-9)

    @property
    def confusion(self) -> float:
        return self.confused_s / max(self.spoken_s, 1e-9)


def diarization_error(reference: Sequence[Spoken], told: Sequence[Spoken], collar_s: float) -> DiarizationError:
    """``collar_s`` around each boundary of the reference is not judged."""
    count = int(max((end for _, end, _ in [*reference, *told]), default=0.0) * FRAMES_PER_S) + 1
    judged = np.ones(count, bool)
    collar = round(collar_s * FRAMES_PER_S)
    for start_s, end_s, _ in reference:
        for edge in (round(start_s * FRAMES_PER_S), round(end_s * FRAMES_PER_S)):
            judged[max(0, edge - collar) : edge + collar] = False
    a, b = _frames(reference, count)[:, judged], _frames(told, count)[:, judged]
    there, said = a.sum(axis=0), b.sum(axis=0)
    agreed = _most_in_common(a.astype(np.int64) @ b.T.astype(np.int64))
    return DiarizationError(
        spoken_s=float(there.sum()) / FRAMES_PER_S,
        missed_s=float(np.maximum(there - said, 0).sum()) / FRAMES_PER_S,
        invented_s=float(np.maximum(said - there, 0).sum()) / FRAMES_PER_S,
        confused_s=float(np.minimum(there, said).sum() - agreed) / FRAMES_PER_S,
    )


def _frames(spoken: Iterable[Spoken], count: int) -> npt.NDArray[np.int8]:
    spoken = list(spoken)
    who = sorted({name for _, _, name in spoken})
    frames = np.zeros((len(who), count), np.int8)
    for start_s, end_s, name in spoken:
        frames[who.index(name), round(start_s * FRAMES_PER_S) : round(end_s * FRAMES_PER_S)] = 1
    return frames


def _most_in_common(common: npt.NDArray[np.int64]) -> int:
    """The largest sum of a one-to-one matching, over all subsets of the fewer side (at most a dozen or so)."""
    if common.shape[0] > common.shape[1]:
        common = common.T
    best = np.full(1 << common.shape[0], -1, np.int64)
    best[0] = 0
    for column in common.T:
        after = best.copy()
        for i, gain in enumerate(column):
            free = np.flatnonzero((np.arange(len(best)) & (1 << i) == 0) & (best >= 0))
            after[free | 1 << i] = np.maximum(after[free | 1 << i], best[free] + gain)
        best = after
    return int(best.max(initial=0))
