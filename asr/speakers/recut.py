"""Windows of sound cut where voices change, so that none holds two of them. Pure.

change                  |
windows       [-----]   |            as they were cut before it was known
                 [------|-]
                    [---|----]
                        |[-----]
cut           [-----]   |            a step with the change in it becomes two
                  [-----|            the window of each is moved to its own side, or shortened
                        [-----]
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from asr.speakers.contract import SpeechWindow
from protocol.blocks import MS_SAMPLES

PART_LEAST_SAMPLES = 100 * MS_SAMPLES  # of a step; what is shorter goes with the other part
HEARD_LEAST_SAMPLES = 300 * MS_SAMPLES  # by less of it no voice is told


def cut(
    window: SpeechWindow, voiced: tuple[int, int], changes: Sequence[int], window_samples: int
) -> tuple[SpeechWindow, ...]:
    """``window`` itself where no voice changes in it; else one for each part of its step, in order.

    ``voiced``: where the voice around it begins and ends, as far as is known. ``changes``: in order.
    """
    start, end = voiced
    within = [at for at in changes if start + PART_LEAST_SAMPLES < at < end - PART_LEAST_SAMPLES]
    if not any(window.heard_from_samples < at < window.heard_to_samples for at in within):
        return (window,)
    first, last = window.start_samples, window.end_samples
    inside = [at for at in within if first + PART_LEAST_SAMPLES < at < last - PART_LEAST_SAMPLES]
    return tuple(
        _heard(part, (start, *within, end), window_samples)
        or replace(window, start_samples=part[0], end_samples=part[1])
        for part in pairwise((first, *inside, last))
    )


def _heard(part: tuple[int, int], bounds: Sequence[int], window_samples: int) -> SpeechWindow | None:
    """As much as there is around the middle of the part, on its side of every change; None where that is too little."""
    middle = (part[0] + part[1]) // 2
    after = min(max(1, bisect.bisect_right(bounds, middle)), len(bounds) - 1)
    first, last = bounds[after - 1], bounds[after]
    heard_to = min(last, max(middle + window_samples // 2, first + window_samples))
    heard_from = max(first, heard_to - window_samples)
    if heard_to - heard_from < HEARD_LEAST_SAMPLES:
        return None
    return SpeechWindow(*part, heard_from, heard_to)
