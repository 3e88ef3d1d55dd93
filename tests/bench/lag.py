"""How far words lag behind speech, and how many of the wanted updates were told. Pure: times are arguments.

An update is wanted every ``cadence_s`` while somebody speaks. The oldest piece of speech that no words told cover yet
is wanted told ``cadence_s`` after it came; what an update is later than that is its lag. So a loop that is never behind
has a lag of nothing, and one that skips an update has a lag of a whole cadence.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.bench.figures import percentile

SPURT_GAP_S = 0.6  # a pause that ends an utterance: after it the cadence begins anew


class _Piece(NamedTuple):
    end_samples: int
    came_s: float
    spurt: int


@dataclass
class _Spurt:
    seconds: float = 0.0
    updates: int = 0


@dataclass
class Lags:
    """Of one session, from ``from_s`` on. ``lags_s``: one per update; ``ages_s``: of each piece of speech when told."""

    cadence_s: float
    piece_s: float
    from_s: float
    lags_s: list[float] = field(default_factory=list)
    ages_s: list[float] = field(default_factory=list)
    _waiting: deque[_Piece] = field(default_factory=deque)
    _spurts: list[_Spurt] = field(default_factory=list)
    _last_s: float = float("-inf")

    def came(self, end_samples: int, now_s: float) -> None:
        """A piece of speech that ends at ``end_samples`` of the track came in."""
        if now_s - self._last_s > SPURT_GAP_S:
            self._spurts.append(_Spurt())
        self._last_s = now_s
        if now_s >= self.from_s:
            self._spurts[-1].seconds += self.piece_s
        self._waiting.append(_Piece(end_samples, now_s, len(self._spurts) - 1))

    def told(self, through_samples: int, now_s: float) -> None:
        """Words that cover all speech before ``through_samples`` were told."""
        covered = []
        while self._waiting and self._waiting[0].end_samples <= through_samples:
            covered.append(self._waiting.popleft())
        if not covered or now_s < self.from_s:
            return
        self.lags_s.append(max(0.0, now_s - covered[0].came_s - self.cadence_s))
        self.ages_s += [now_s - piece.came_s for piece in covered if piece.came_s >= self.from_s]
        self._spurts[covered[-1].spurt].updates += 1

    def settled(self, samples: int) -> None:
        """All before ``samples`` is through; what was not told of it was no speech to the loop's voice activity."""
        while self._waiting and self._waiting[0].end_samples <= samples:
            self._waiting.popleft()

    def behind_s(self, now_s: float) -> float:
        """How long the oldest speech has waited that no words told cover."""
        return now_s - self._waiting[0].came_s if self._waiting else 0.0

    def close(self, now_s: float) -> None:
        """The measure is over: what still waits counts if it is late, as late as it is by now."""
        if self.behind_s(now_s) > self.cadence_s:
            self.lags_s.append(self.behind_s(now_s) - self.cadence_s)
            return
        for piece in self._waiting:
            if piece.came_s >= self.from_s:
                self._spurts[piece.spurt].seconds -= self.piece_s

    @property
    def wanted(self) -> int:
        """Updates that were wanted: one per cadence of each spurt of speech."""
        return sum(self._wanted(spurt) for spurt in self._spurts)

    @property
    def missed(self) -> int:
        return sum(max(0, self._wanted(spurt) - spurt.updates) for spurt in self._spurts)

    def _wanted(self, spurt: _Spurt) -> int:
        return int(spurt.seconds / self.cadence_s + 1e-6)


@dataclass(frozen=True)
class Kept:
    """What the users of a run saw. ``coalesced``: the share of wanted updates that were told with the next one."""

    lag_p50_ms: float
    lag_p95_ms: float
    speech_to_words_p50_ms: float
    speech_to_words_p95_ms: float
    coalesced: float
    updates: int

    LAG_MAX_MS = 1000.0
    COALESCED_MAX = 0.05

    @property
    def up(self) -> bool:
        """Whether the loop kept up."""
        return self.updates > 0 and self.lag_p95_ms <= self.LAG_MAX_MS and self.coalesced <= self.COALESCED_MAX


def kept(all_lags: list[Lags]) -> Kept:
    """Of all sessions together."""
    lags = [lag_s * 1000 for lags in all_lags for lag_s in lags.lags_s]
    ages = [age_s * 1000 for lags in all_lags for age_s in lags.ages_s]
    wanted = sum(lags.wanted for lags in all_lags)
    return Kept(
        lag_p50_ms=percentile(lags, 50),
        lag_p95_ms=percentile(lags, 95),
        speech_to_words_p50_ms=percentile(ages, 50),
        speech_to_words_p95_ms=percentile(ages, 95),
        coalesced=sum(lags.missed for lags in all_lags) / wanted if wanted else 0.0,
        updates=len(lags),
    )
