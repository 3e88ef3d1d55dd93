"""Which worker hears a session. Pure.

A session stays where it is placed until that worker is lost. Then it goes to another that is ready, or waits. A suspect
(its sound was in the step that ended the worker) waits for its own worker instead: whatever else it ends is that one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol, TypeVar

WorkerState = Literal["starting", "ok", "degraded"]


class Place(Protocol):
    """What placing needs to know of a worker.

    ``strikes``: processes lost in a row, none of which was ready for long. ``suspects``: of the sessions placed there.
    ``crowding``: the share of its time that one more live session would make it busy.
    """

    @property
    def index(self) -> int: ...

    @property
    def state(self) -> WorkerState: ...

    @property
    def strikes(self) -> int: ...

    @property
    def suspects(self) -> int: ...

    @property
    def live(self) -> int: ...

    @property
    def files(self) -> int: ...

    @property
    def crowding(self) -> float: ...


P = TypeVar("P", bound=Place)

STRIKES_MAX = 1  # one loss may have been anything


def choose(places: Iterable[P], *, lane: str, state: WorkerState | None = "ok") -> P | None:
    """The least loaded place for a session of this lane among those in ``state`` (None: any); None when there is none.

    Trusted workers first: those that have no suspect, and that were not lost again and again. A speaker goes where
    there is most room, by the same measure that let him in; else, and for files, the fewest sessions of the same lane
    count, then of the other.
    """
    asked = [place for place in places if state is None or place.state == state]
    return min(asked, key=lambda place: _cost(place, lane), default=None)


def _cost(place: Place, lane: str) -> tuple[bool, float, int, int, float, int]:
    trusted = place.strikes <= STRIKES_MAX and not place.suspects
    crowding = round(place.crowding, 1)
    if lane == "file":
        return (not trusted, 0.0, place.files, place.live, crowding, place.index)
    return (not trusted, crowding, place.live, place.files, 0.0, place.index)


def home_of_new(places: Iterable[P], *, lane: str) -> P:
    """Where a new session goes: a ready worker; for a file one that still loads may do, so that files spread.

    When none is ready it waits, rather for one that loads than for one that was lost. ``places`` must not be empty.
    """
    places = list(places)
    coming = [place for place in places if place.state == "starting" and not place.strikes]
    ready = [place for place in places if place.state == "ok"]
    found = choose(ready + coming if lane == "file" and ready else ready or coming or places, lane=lane, state=None)
    assert found is not None
    return found


def may_leave(state: WorkerState, *, suspect: bool, failed_starts: int) -> bool:
    """Whether a session of a worker in this state is better heard by another now.

    While the worker loads for the first time or was asked to restart, its sessions wait. A suspect leaves only when its
    worker does not come up again.
    """
    return state == "degraded" and (not suspect or failed_starts > 0)
