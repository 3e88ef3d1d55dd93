"""Which events of one transcript a listener was told, by their numbers: none missing, none twice. Pure."""

from __future__ import annotations

EVENTS_MAX = 1_000_000
"""Of one transcript; what comes later is not looked at."""


class Seqs:
    """Counts how often each number was told; a byte each."""

    def __init__(self) -> None:
        self.last = 0
        self.misplaced = 0  # told after a greater one
        self._told = bytearray()

    def take(self, seq: int) -> None:
        if not 0 < seq <= EVENTS_MAX:
            return
        if seq > len(self._told):
            self._told += bytes(seq - len(self._told))
        if self._told[seq - 1] < 255:
            self._told[seq - 1] += 1
        if seq < self.last:
            self.misplaced += 1
        self.last = max(self.last, seq)

    def missing(self, last_seq: int) -> int:
        """Of 1 to ``last_seq``, which are there: a transcript's numbers have no holes."""
        last_seq = min(last_seq, EVENTS_MAX)
        told = self._told[:last_seq]
        return last_seq - len(told) + told.count(0)

    @property
    def doubled(self) -> int:
        """Times a number was told that had been told before."""
        return sum(count - 1 for count in self._told if count > 1)
