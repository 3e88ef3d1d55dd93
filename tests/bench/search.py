"""The largest number of sessions that a loop keeps up with: tried, not calculated. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

FINE = 16  # between two tries closer than a sixteenth, the larger is not looked for any closer


@dataclass
class Search:
    """Double until it fails, then halve the gap. How busy a try was says where to look; it never decides.

    ``passed`` and ``failed``: the largest number that passed and the smallest that failed (0 and None: none yet).
    """

    first: int = 2
    limit: int = 512
    passed: int = 0
    failed: int | None = None
    _guess: int | None = field(default=None, repr=False)

    def next(self) -> int | None:
        """What to try; None when it is found."""
        if self.failed is None:
            if self.passed >= self.limit:
                return None
            return min(self.limit, max(self.passed + 1, self._guess or 2 * self.passed or self.first))
        if self.failed - self.passed <= max(1, self.passed // FINE):
            return None
        if self._guess is not None and self.passed < self._guess < self.failed:
            return self._guess
        return (self.passed + self.failed) // 2

    def tried(self, count: int, *, passed: bool, busy: float) -> None:
        """``busy``: the share of time for which the processor worked."""
        if passed:
            self.passed = max(self.passed, count)
        elif self.failed is None or count < self.failed:
            self.failed = count
        if self.failed is not None and self.passed >= self.failed:
            self.passed = self.failed - 1  # it failed with fewer: luck does not count
        self._guess = int(count / busy) if passed and busy > 0.02 else None


def largest(attempt: Callable[[int], tuple[bool, float]], *, first: int = 2, limit: int = 512) -> int:
    """``attempt(count)`` says whether that many passed, and how busy the processor was. 0: not even one."""
    search = Search(first, limit)
    while (count := search.next()) is not None:
        passed, busy = attempt(count)
        search.tried(count, passed=passed, busy=busy)
    return search.passed
