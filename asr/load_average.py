"""How loaded one worker has been lately, and would be with one session more. Pure: time is an argument."""

from __future__ import annotations

import math
from typing import Protocol

from asr.wire import Pong, Ready

TIME_CONSTANT_S = 10.0  # a burst of two seconds counts for less than a fifth
GAP_MAX_S = 3.0  # while we looked away nobody knows; a worker says how it fares every second
# Interims are made less often under load. Up to once a second nobody minds; an engine is not asked to do worse.
COMFORTABLE_INTERIM_MS = 1000


class Loaded(Protocol):
    """A worker, as far as its load goes. ``busy_average`` and ``live_average``: of a ``LoadAverage``."""

    @property
    def live(self) -> int: ...

    @property
    def busy_average(self) -> float: ...

    @property
    def live_average(self) -> float: ...

    @property
    def pong(self) -> Pong | None: ...

    @property
    def ready(self) -> Ready | None: ...


def busy_with_one_more(worker: Loaded) -> float:
    """The share of its time that a worker would be busy with one more live session like those that it has.

    An engine that hears an utterance again for each interim has less to do when it makes fewer of them: what counts is
    its load at one interim a second. Sound costs a streaming engine the same however often it is asked.
    """
    busy = worker.busy_average
    if worker.pong is not None and worker.pong.interim_ms and worker.ready is not None and not worker.ready.streaming:
        busy *= min(1.0, worker.pong.interim_ms / COMFORTABLE_INTERIM_MS)
    # Both averages are of the same seconds. Of less than one session nothing can be said.
    return busy / max(1.0, worker.live_average) * (worker.live + 1)


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
