"""How long sound waits for a packet that is missing: as long as such packets took of late, and 60 ms where none came.

Pure: no I/O, no clock of its own. What a network lost is waited for in vain, so the hold is short at first: 60 ms, or
until three newer packets wait. What was given up and comes after all was only late. Then the hold grows at once to a
quarter more than would have sufficed, 200 ms at most, and up to 40 newer packets may wait. It stays for as long as
packets come that the short hold would have given up, and comes down, in steps or at once, 10 s to 20 s after those that
needed it. No hole costs more than 200 ms.
"""

from __future__ import annotations

HOLD_S = 0.060
HOLD_PACKETS = 3
HOLD_MAX_S = 0.200
HOLD_MAX_PACKETS = 40
"""200 ms in packets of 5 ms."""
MARGIN = 1.25
MEMORY_S = 10.0
GIVEN_UP_MAX = 100


class Patience:
    """The hold of one timeline, in ``hold_s``, and how many packets may wait behind a hole, ``hold_packets``."""

    def __init__(self) -> None:
        self.hold_s = HOLD_S
        self.hold_packets = HOLD_PACKETS
        # Which packets were given up, and since when each had been waited for. A copy of a packet that was heard may
        # come late, too, and says nothing. An entry too old to count stays until others push it out.
        self._given_up: dict[int, float] = {}
        # The longest hold needed in this period of ``MEMORY_S`` and in the one before; 0 where the short one did.
        self._needed_s = 0.0
        self._needed_before_s = 0.0
        self._period_began_s = 0.0

    def gave_up(self, first: int, count: int, since_s: float) -> None:
        """So many packets from ``first`` on (16-bit sequence) are waited for no longer; they were ``since_s``."""
        for sequence in range(first + max(0, count - GIVEN_UP_MAX), first + count):
            self._given_up[sequence & 0xFFFF] = since_s
        while len(self._given_up) > GIVEN_UP_MAX:
            del self._given_up[next(iter(self._given_up))]

    def came_late(self, sequence: int, now_s: float) -> None:
        """A packet came behind what was delivered; counts once, if it was given up and the longest hold would do."""
        since_s = self._given_up.pop(sequence, None)
        if since_s is not None and now_s - since_s <= HOLD_MAX_S:
            self._need(now_s - since_s, now_s)

    def came_in_time(self, since_s: float, waiting: int, now_s: float) -> None:
        """A packet filled a hole behind which ``waiting`` packets had been held ``since_s``."""
        if waiting >= HOLD_PACKETS or now_s - since_s > HOLD_S:
            self._need(now_s - since_s, now_s)

    def forget(self, now_s: float) -> None:
        """Let go of what was needed too long ago. Due where packets are missing; nowhere else does it matter."""
        passed_s = now_s - self._period_began_s
        if passed_s < MEMORY_S:
            return
        if passed_s < 2 * MEMORY_S:
            self._needed_before_s = self._needed_s
            self._period_began_s += MEMORY_S
        else:
            self._needed_before_s = 0.0
            self._period_began_s = now_s
        self._needed_s = 0.0
        self._settle()

    def begin_anew(self) -> None:
        """Other packets bear the same numbers from now on. The network is what it was."""
        self._given_up.clear()

    def _need(self, waited_s: float, now_s: float) -> None:
        self.forget(now_s)
        hold_s = min(max(waited_s * MARGIN, HOLD_S), HOLD_MAX_S)
        if hold_s > self._needed_s:
            self._needed_s = hold_s
            self._settle()

    def _settle(self) -> None:
        needed_s = max(self._needed_s, self._needed_before_s)
        self.hold_s = needed_s or HOLD_S
        self.hold_packets = HOLD_MAX_PACKETS if needed_s else HOLD_PACKETS
