"""When to connect again, and when to give up. Pure: time is an argument."""

from __future__ import annotations

import random

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
# A server that closes with one of these means it: going on as before would end the same way.
FINAL_CLOSE_CODES = frozenset({1008, 1009, 4000, 4001, 4003, 4004, 4009})


class Patience:
    """Waits that double, with jitter, until nothing has worked for ``give_up_s``."""

    def __init__(self, give_up_s: float, rng: random.Random | None = None) -> None:
        self._give_up_s = give_up_s
        self._rng = rng or random.Random()
        self._failing_since_s: float | None = None
        self._wait_s = FIRST_WAIT_S

    def worked(self) -> None:
        self._failing_since_s = None
        self._wait_s = FIRST_WAIT_S

    def failed(self, now_s: float) -> float | None:
        """How long to wait before the next try, or None: give up."""
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        if now_s - self._failing_since_s >= self._give_up_s:
            return None
        wait_s = self._wait_s * self._rng.uniform(0.7, 1.3)
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)
        return wait_s
