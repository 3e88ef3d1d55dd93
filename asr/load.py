"""How much of its time a worker needs for what is wanted. Pure: times are arguments."""

from __future__ import annotations

from collections import deque

WINDOW_S = 5.0
_BUCKET_S = 0.25


class BusyShare:
    """The share of the last five seconds that was spent. Keeps a figure per quarter of a second, no more."""

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._buckets: deque[tuple[int, float]] = deque()  # (number of the quarter, seconds spent in it)

    def spent(self, began_s: float, ended_s: float) -> None:
        """The worker was at it from ``began_s`` to ``ended_s``, perhaps with two things at once."""
        began_s = max(began_s, ended_s - WINDOW_S)
        while began_s < ended_s:
            number = int(began_s // _BUCKET_S)
            until_s = min(ended_s, (number + 1) * _BUCKET_S)
            if until_s <= began_s:  # rounding: at the very end of a quarter
                number, until_s = number + 1, min(ended_s, (number + 2) * _BUCKET_S)
            if self._buckets and self._buckets[-1][0] >= number:  # of two at once the later one told its time before
                self._buckets[-1] = (self._buckets[-1][0], self._buckets[-1][1] + until_s - began_s)
            else:
                self._buckets.append((number, until_s - began_s))
            began_s = until_s
        self._forget(ended_s)

    def share(self, now_s: float) -> float:
        """0 to 1, of the last ``WINDOW_S`` or of the time since the start, if that is shorter."""
        self._forget(now_s)
        window_s = min(WINDOW_S, now_s - self._since_s)
        return min(1.0, sum(seconds for _, seconds in self._buckets) / window_s) if window_s > 0 else 0.0

    def _forget(self, now_s: float) -> None:
        while self._buckets and (self._buckets[0][0] + 1) * _BUCKET_S <= now_s - WINDOW_S:
            self._buckets.popleft()
