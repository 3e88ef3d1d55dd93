"""Clocks for driving the inference loop: one that runs on the loop's own processor time, and the one on the wall."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Clock(Protocol):
    """Seconds since the clock was made."""

    idle_s: float  # of them, waited

    def now_s(self) -> float: ...

    def wait_until(self, at_s: float) -> None: ...

    def aside(self) -> AbstractContextManager[None]:
        """A context whose work is the bench's own and takes no time."""


class ComputedClock:
    """Goes on by what the process computes, and jumps when there is nothing to do.

    ``spent_s``: the measure, ``time.process_time`` for a loop on one core: all of its threads, user and system, and
    nothing of what other processes take. Honest because the loop does one thing at a time: while it computes, nothing
    else of it would happen either. For a device that computes while the processor waits: ``time.perf_counter``.
    """

    def __init__(self, spent_s: Callable[[], float] = time.process_time) -> None:
        self._spent_s = spent_s
        self._zero_s = spent_s()
        self.idle_s = 0.0

    def now_s(self) -> float:
        return self._spent_s() - self._zero_s + self.idle_s

    def wait_until(self, at_s: float) -> None:
        self.idle_s += max(0.0, at_s - self.now_s())

    @contextmanager
    def aside(self) -> Iterator[None]:
        before_s = self._spent_s()
        yield
        self._zero_s += self._spent_s() - before_s


class WallClock:
    def __init__(self) -> None:
        self._zero_s = time.monotonic()
        self.idle_s = 0.0

    def now_s(self) -> float:
        return time.monotonic() - self._zero_s

    def wait_until(self, at_s: float) -> None:
        before_s = self.now_s()
        time.sleep(max(0.0, at_s - before_s))
        self.idle_s += self.now_s() - before_s

    @contextmanager
    def aside(self) -> Iterator[None]:
        yield
