"""How loaded one worker has been lately. Pure: time is an argument."""

from __future__ import annotations

import math

TIME_CONSTANT_S = 10.0  # a burst of two seconds counts for less than a fifth
GAP_MAX_S = 3.0  # while we looked away nobody knows; a worker says how it fares every second


class LoadAverage:
    """The busy share (0..1) and the number of live sessions, smoothed alike, so that one can be divided by the other.

    Sessions that just came count little as yet, like the work that they make.
    """

    def __init__(self, time_constant_s: float = TIME_CONSTANT_S) -> None:
        self._time_constant_s = time_constant_s
        self._at_s: float | None = None
        self.busy = 0.0
        self.live = 0.0

    def add(self, busy: float, live: int, now_s: float) -> None:
        """What a worker said at ``now_s`` (monotonic)."""
        gone_s = 1.0 if self._at_s is None else min(GAP_MAX_S, max(0.0, now_s - self._at_s))
        weight = 1.0 - math.exp(-gone_s / self._time_constant_s)
        self._at_s = now_s
        self.busy += weight * (busy - self.busy)
        self.live += weight * (live - self.live)
