"""How loaded one worker has been lately. Pure: time is an argument."""

from __future__ import annotations

import math

TIME_CONSTANT_S = 10.0  # a burst of two seconds counts for less than a fifth
GAP_MAX_S = 3.0  # while we looked away nobody knows; a worker says how it fares every second


class LoadAverage:
    """The busy share (0..1) and the number of live sessions, smoothed alike, so that one can be divided by the other.

    Sessions that just came count little as yet, like the work that they make. Files fill whatever time is left and give
    way: what was spent on them is taken off.
    """

    def __init__(self, time_constant_s: float = TIME_CONSTANT_S) -> None:
        self._time_constant_s = time_constant_s
        self._at_s: float | None = None
        self._file_s = 0.0
        self._busy = 0.0
        self.live = 0.0

    @property
    def busy(self) -> float:
        return max(0.0, self._busy)

    def spent_on_files(self, seconds: float) -> None:
        """Of the time that the next ``add`` speaks of."""
        self._file_s += seconds

    def add(self, busy: float, live: int, now_s: float) -> None:
        """What a worker said at ``now_s`` (monotonic)."""
        gone_s = 1.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        if gone_s <= 0.0:
            return
        weight = 1.0 - math.exp(-min(GAP_MAX_S, gone_s) / self._time_constant_s)
        # Below 0 for a moment, when the worker looks further back than the last answer; on average it is right.
        without_files = busy - min(1.0, self._file_s / gone_s)
        self._at_s, self._file_s = now_s, 0.0
        self._busy += weight * (without_files - self._busy)
        self.live += weight * (live - self.live)
