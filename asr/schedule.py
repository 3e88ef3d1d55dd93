"""What the model runs next. Pure: wishes and times in, a choice out.

Finals of live sessions first; then the most overdue interim; files fill what is left, except that one which has
waited ``FILE_PATIENCE_S`` goes before interims, so that a busy house starves nobody; guesses last. The device is never
idle while anything is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FILE_PATIENCE_S = 3.0
SLOWEST_INTERIM_S = 2.0


@dataclass(frozen=True, slots=True)
class Wish:
    """One step that a session wants. ``due_s``: monotonic time at which it was wanted.

    ``guess``: a final ahead of time, in the hope that the pause which began ends the utterance.
    """

    session_id: str
    final: bool
    live: bool
    due_s: float
    guess: bool = False


def choose(wishes: Sequence[Wish], now_s: float, batch_max: int) -> list[Wish]:
    """The next batch, at most ``batch_max`` wishes; interims that are not due yet are left out."""
    due = [wish for wish in wishes if wish.final or wish.due_s <= now_s]
    due.sort(key=lambda wish: (_rank(wish, now_s), wish.due_s))
    return due[:batch_max]


def next_due_s(wishes: Sequence[Wish]) -> float | None:
    """When the earliest wish falls due; None without any."""
    return min((wish.due_s for wish in wishes), default=None)


def _rank(wish: Wish, now_s: float) -> int:
    if wish.final:
        if wish.live:
            return 0
        return 1 if now_s - wish.due_s > FILE_PATIENCE_S else 3
    return 4 if wish.guess else 2


class Cadence:
    """How often a session gets an interim: as wanted, or more seldom while the machine cannot keep up."""

    def __init__(self, wanted_s: float) -> None:
        self._wanted_s = wanted_s
        self.interval_s = wanted_s

    @property
    def keeps_up(self) -> bool:
        return self.interval_s <= self._wanted_s

    def ran(self, late_s: float) -> None:
        """An interim began ``late_s`` after it was due."""
        if late_s > self._wanted_s:
            self.interval_s = min(self.interval_s * 1.5, max(SLOWEST_INTERIM_S, self._wanted_s))
        elif late_s < self._wanted_s / 4:
            self.interval_s = max(self.interval_s * 0.9, self._wanted_s)
