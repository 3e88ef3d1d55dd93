"""What the model runs next. Pure: wishes and times in, a choice out.

The device is never idle while anything is wanted. A batch is of one kind, since engines hear finals with other settings
than interims. Finals of live sessions go first, then interims, the most overdue first; files fill what is left. After a
batch of finals a kind that waited longer than its patience has one turn, so that neither endless finals of a few nor
files without end starve anybody; nor do interims starve files. Guesses are for a device with nothing else to do.
What may end the process is heard alone: then it is known what did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

Kind = Literal["final", "interim", "file", "guess"]

FILE_PATIENCE_S = 3.0
INTERIM_PATIENCE_S = 2.0
STRETCHED_S = (0.5, 1.0, 2.0)  # what interims come down to while the machine cannot keep up
SLOWEST_INTERIM_S = STRETCHED_S[-1]
CALM_S = 3.0  # so long no interim is late before they come more often again
CALM_MAX_S = 30.0  # and at most so long after that went wrong again and again

_PATIENCE_S: dict[Kind, float] = {"interim": INTERIM_PATIENCE_S, "file": FILE_PATIENCE_S}
_RANKS: tuple[Kind, ...] = ("final", "interim", "file")


@dataclass(frozen=True, slots=True)
class Wish:
    """One step that a session wants; of interims a session has one, and what it will hear is the newest sound.

    ``due_s``: monotonic time at which it was wanted. ``final``: of an utterance that ended. ``guess``: a final ahead of
    time, in the hope that the pause which began ends the utterance. ``sound_samples``: of a final, the utterance's.
    ``alone``: in no batch with others.
    """

    session_id: str
    final: bool
    live: bool
    due_s: float
    guess: bool = False
    sound_samples: int = 0
    alone: bool = False

    @property
    def kind(self) -> Kind:
        if self.guess:
            return "guess"
        if not self.final:
            return "interim"
        return "final" if self.live else "file"


def choose(
    wishes: Iterable[Wish],
    now_s: float,
    batch_max: int,
    before: Sequence[Kind] = (),
    *,
    sound_max_samples: int | None = None,
) -> list[Wish]:
    """The next batch, at most ``batch_max`` wishes of one kind; interims that are not due yet are left out.

    No more than ``sound_max_samples`` of finals, unless a single one is longer. ``before``: the kinds of the two
    batches before this one. A batch of guesses is a single one: it shall not be long.
    """
    due: dict[Kind, list[Wish]] = {}
    for wish in wishes:
        if wish.final or wish.due_s <= now_s:
            due.setdefault(wish.kind, []).append(wish)
    if not due:
        return []
    if due.keys() == {"guess"}:
        return [min(due["guess"], key=lambda wish: wish.due_s)]
    due.pop("guess", None)
    oldest_s = {kind: min(wish.due_s for wish in those) for kind, those in due.items()}
    kind = _kind(oldest_s, now_s, before)
    chosen = sorted(due[kind], key=lambda wish: wish.due_s)
    if chosen[0].alone:
        return chosen[:1]
    chosen = [wish for wish in chosen if not wish.alone][:batch_max]
    if sound_max_samples is None:
        return chosen
    sound = accumulate(wish.sound_samples for wish in chosen)
    fitting = sum(samples <= sound_max_samples for samples in sound)
    return chosen[: max(1, fitting)]


def _kind(oldest_s: dict[Kind, float], now_s: float, before: Sequence[Kind]) -> Kind:
    if before[-1:] == ("final",) or "final" not in oldest_s:
        had_a_turn = next((kind for kind in reversed(before) if kind != "final"), None)
        starving = [kind for kind in oldest_s if now_s - oldest_s[kind] > _PATIENCE_S.get(kind, float("inf"))]
        starving.sort(key=lambda kind: (kind == had_a_turn, oldest_s[kind]))
        if starving and (starving[0] != had_a_turn or before[-1] == "final"):
            return starving[0]
    return next(kind for kind in _RANKS if kind in oldest_s)


def next_due_s(wishes: Iterable[Wish]) -> float | None:
    """When the earliest wish falls due; None without any. Guesses never do: they are made when there is time."""
    return min((wish.due_s for wish in wishes if not wish.guess), default=None)


class Cadence:
    """How often a session gets an interim: as wanted, or more seldom while the machine cannot keep up.

    One step slower when an interim was late although the step before had time to help; one step faster after
    ``CALM_S`` without a late one, and each time that this was too early, only after twice as long.
    """

    def __init__(self, wanted_s: float) -> None:
        self._steps = (wanted_s, *(step_s for step_s in STRETCHED_S if step_s > wanted_s))
        self._at = 0
        self._calm_s = CALM_S
        self._changed_s = float("-inf")
        self._late_s = float("-inf")  # when one was last late
        self._tried = False  # the last change was to a faster step

    @property
    def wanted_s(self) -> float:
        return self._steps[0]

    @property
    def interval_s(self) -> float:
        return self._steps[self._at]

    @property
    def keeps_up(self) -> bool:
        return self._at == 0

    def ran(self, late_s: float, now_s: float) -> None:
        """An interim or a final of somebody live began at ``now_s``, ``late_s`` after it was due."""
        if late_s <= self.wanted_s:
            self.calm(now_s)
            return
        self._late_s = now_s
        if now_s - self._changed_s >= self.interval_s and self._at + 1 < len(self._steps):
            if self._tried:
                self._calm_s = min(2 * self._calm_s, CALM_MAX_S)
            self._step(+1, now_s)

    def calm(self, now_s: float) -> None:
        """Nothing is late at ``now_s``."""
        while self._at and now_s - max(self._late_s, self._changed_s) >= self._calm_s:
            self._step(-1, max(self._late_s, self._changed_s) + self._calm_s)
        if not self._at and now_s - self._changed_s >= 2 * self._calm_s:
            self._calm_s = CALM_S

    def _step(self, by: int, now_s: float) -> None:
        self._at += by
        self._changed_s = now_s
        self._tried = by < 0
