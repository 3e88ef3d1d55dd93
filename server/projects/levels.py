"""How loud it is where participants record, as their pages tell: looked at, and gone a moment later."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

CONVERSATIONS_MAX = 10_000  # those told of last
FRESH_S = 6.0  # pages tell every second or two
FLOOR_DBFS = -100.0


class Levels:
    """Of conversations at this node. ``clock`` gives seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: OrderedDict[str, tuple[float, float]] = OrderedDict()  # when, and what

    def note(self, conversation_id: str, level_dbfs: float) -> None:
        """The peak of the last moment, in dB below full scale: 0 is the loudest there is."""
        self._told[conversation_id] = self._clock(), min(0.0, max(FLOOR_DBFS, level_dbfs))
        self._told.move_to_end(conversation_id)
        if len(self._told) > CONVERSATIONS_MAX:
            self._told.popitem(last=False)

    def of(self, conversation_id: str) -> float | None:
        """None where nobody has told it in the last seconds."""
        at, level_dbfs = self._told.get(conversation_id, (-math.inf, 0.0))
        return level_dbfs if self._clock() - at < FRESH_S else None
