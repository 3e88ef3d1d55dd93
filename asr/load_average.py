"""How loaded one worker has been lately, and would be with more sessions. Pure: time is an argument."""

from __future__ import annotations

import math
from typing import Protocol

from asr.wire import Pong, Ready

TIME_CONSTANT_S = 10.0  # a burst of two seconds counts for less than a fifth
GAP_MAX_S = 3.0  # while we looked away nobody knows; a worker says how it fares every second
# Interims are made less often under load. Up to once a second nobody minds; an engine is not asked to do worse.
COMFORTABLE_INTERIM_MS = 1000
# What a session costs is told by what those before it cost in the last minutes; and while there were none, guessed: ten
# or so that come at once are let in, and not thirty. Measured, a session on a core is 0.03 (Whisper tiny, batched) to
# 0.2 (pocketsphinx).
COST_TIME_CONSTANT_S = 300.0
COST_KNOWN_AFTER_S = 10.0  # with somebody there; a worker's busy share is of five seconds, and so comes late
GUESSED_COST = 0.08
GUESSED_COST_CUDA = 0.02
COST_LEAST = 0.005  # those before may have been silent


class Loaded(Protocol):
    """A worker, as far as its load goes. The averages and ``session_cost``: of a ``LoadAverage``."""

    @property
    def live(self) -> int: ...

    @property
    def busy_average(self) -> float: ...

    @property
    def live_average(self) -> float: ...

    @property
    def session_cost(self) -> float | None: ...

    @property
    def pong(self) -> Pong | None: ...

    @property
    def ready(self) -> Ready | None: ...


def busy_with_more(worker: Loaded, more: int = 1) -> float:
    """The share of its time that a worker would be busy with so many more live sessions.

    Those that it has had for some seconds cost what they were measured to. Those of whom the load says nothing as yet,
    and those that are to come, cost as much, or what sessions cost here before, whichever is more.

    An engine that hears an utterance again for each interim has less to do when it makes fewer of them: what counts is
    its load at one interim a second. Sound costs a streaming engine the same however often it is asked.
    """
    scale = 1.0
    if worker.pong is not None and worker.pong.interim_ms and worker.ready is not None and not worker.ready.streaming:
        scale = min(1.0, worker.pong.interim_ms / COMFORTABLE_INTERIM_MS)
    # Both averages are of the same seconds. Of less than one session nothing can be said.
    measured = max(1.0, worker.live_average)
    cost = scale * worker.busy_average / measured
    wanted = worker.live + more
    assumed = _guessed(worker) if worker.session_cost is None else max(COST_LEAST, scale * worker.session_cost)
    return cost * min(wanted, measured) + max(cost, assumed) * max(0.0, wanted - measured)


def _guessed(worker: Loaded) -> float:
    return GUESSED_COST_CUDA if worker.ready is not None and worker.ready.device == "cuda" else GUESSED_COST


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
        # Of the last minutes, older ones for less: seconds spent on live sessions, seconds that these lasted, added up,
        # and seconds in which there was one.
        self._spent_s = self._lasted_s = self._somebody_s = 0.0

    @property
    def busy(self) -> float:
        return max(0.0, self._busy)

    @property
    def session_cost(self) -> float | None:
        """The busy share for each live session lately; None while too little is known."""
        return max(0.0, self._spent_s) / self._lasted_s if self._somebody_s >= COST_KNOWN_AFTER_S else None

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
        passed_s = min(GAP_MAX_S, gone_s)
        if live:
            kept = math.exp(-passed_s / COST_TIME_CONSTANT_S)
            self._spent_s = kept * self._spent_s + passed_s * without_files
            self._lasted_s = kept * self._lasted_s + passed_s * live
            self._somebody_s = kept * self._somebody_s + passed_s
