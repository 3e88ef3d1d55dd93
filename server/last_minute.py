"""What the workers' engines did in the last minute, kept so that a person can look at it."""

from __future__ import annotations

import secrets
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import merge
from itertools import count, islice
from typing import Literal

from asr.wire import Ran

WINDOW_S = 60.0
STEPS_MAX = 4096  # per worker: 68 a second, and about 3 MB
NOTES_MAX = 64  # of each kind

What = Literal["lost", "ready", "guard"]


@dataclass(frozen=True, slots=True)
class Ended:
    """A step of an engine. ``number`` counts those of all workers from 1; ``at_s`` is when we heard of its end."""

    number: int
    worker: int
    at_s: float
    ran: Ran


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is no step. ``detail``: a name from our code."""

    worker: int
    at_s: float
    what: What
    detail: str = ""


class LastMinute:
    """A ring of steps for each worker, and one of notes for each kind of them.

    The policy: what is older than ``WINDOW_S`` goes when something new comes, and beyond ``STEPS_MAX`` of a worker or
    ``NOTES_MAX`` of a kind the oldest goes first; a busy worker pushes nothing out of another's ring, nor do guards
    that strike every second push out that a worker was lost. Adding costs the same however much is kept. ``clock`` is
    monotonic, in seconds; one thread uses all of it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._rings: dict[int, deque[Ended]] = {}
        self._notes: dict[What, deque[Note]] = {}
        self.last = 0  # the number of the newest step
        self.run = secrets.token_hex(4)  # whose numbers these are

    def ran(self, worker: int, ran: Ran) -> None:
        now_s = self._clock()
        ring = self._rings.setdefault(worker, deque(maxlen=STEPS_MAX))
        self.last = next(self._numbers)
        ring.append(Ended(self.last, worker, now_s, ran))
        while ring[0].at_s < now_s - WINDOW_S:
            ring.popleft()

    def note(self, worker: int, what: What, detail: str = "") -> None:
        self._notes.setdefault(what, deque(maxlen=NOTES_MAX)).append(Note(worker, self._clock(), what, detail))

    def now_s(self) -> float:
        return self._clock()

    def steps(self, *, after: int = 0, limit: int = STEPS_MAX) -> list[Ended]:
        """The first ``limit`` steps of the last minute above number ``after``, in order."""
        since_s = self._clock() - WINDOW_S
        parts = []
        for ring in self._rings.values():
            begin = max(
                bisect_right(ring, after, key=lambda ended: ended.number),
                bisect_left(ring, since_s, key=lambda ended: ended.at_s),
            )
            parts.append(islice(ring, begin, begin + limit))
        return list(islice(merge(*parts, key=lambda ended: ended.number), limit))

    def notes(self) -> list[Note]:
        """Of the last minute, in order of time."""
        since_s = self._clock() - WINDOW_S
        kept = merge(*self._notes.values(), key=lambda note: note.at_s)
        return [note for note in kept if note.at_s >= since_s]
