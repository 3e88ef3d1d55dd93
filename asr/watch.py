"""When to believe that the inference process is alive, and when to try again. Pure: time is an argument."""

from __future__ import annotations


class Heartbeat:
    """One ping is out at a time; any other sign of life ends the silence as well, because it may be long under way.

    Silence counts only while we look: if our own process slept, its sleep is not held against the other. ``now_s`` is
    monotonic.
    """

    def __init__(self, deadline_s: float, interval_s: float) -> None:
        self._deadline_s = deadline_s
        self._interval_s = interval_s
        self._number = 0
        self._answered = 0
        self._silent_s = 0.0
        self._looked_at_s: float | None = None

    def look(self, now_s: float) -> int | None:
        """To be called every interval: the number to ping with, or None while an answer is awaited."""
        if self._looked_at_s is not None and self._answered < self._number:
            self._silent_s += min(now_s - self._looked_at_s, 2 * self._interval_s)
        self._looked_at_s = now_s
        if self._answered < self._number:
            return None
        self._number += 1
        return self._number

    def answered(self, number: int) -> None:
        self._answered = max(self._answered, number)
        self._silent_s = 0.0

    def said_something(self) -> None:
        self._silent_s = 0.0

    @property
    def overdue(self) -> bool:
        return self._silent_s >= self._deadline_s


class Backoff:
    """Delays between restarts: doubling from ``first_s`` to ``cap_s``, and from the start again after health."""

    def __init__(self, first_s: float = 0.25, cap_s: float = 30.0, healthy_after_s: float = 30.0) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._healthy_after_s = healthy_after_s
        self._next_s = first_s

    def after(self, ready_for_s: float) -> float:
        """The delay after a run that was ready for so long (0: it never was)."""
        if ready_for_s >= self._healthy_after_s:
            self._next_s = self._first_s
        delay_s, self._next_s = self._next_s, min(self._cap_s, 2 * self._next_s)
        return delay_s
