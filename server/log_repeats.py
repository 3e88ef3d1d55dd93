"""A warning that says the same again and again, as while a database is away, is written now and then, and counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

EVERY_S = 30.0
REMEMBERED_MAX = 200
# Fields that make no other warning of it: how it stood at the moment is said of the one that is written.
_OF_THE_MOMENT = frozenset({"timestamp", "request_id", "waiting"})


@dataclass(slots=True)
class _Said:
    written_at_s: float
    times: int = 0  # since then, and not written


class LogRepeats:
    """A processor for structlog: of warnings with the same fields one each ``EVERY_S``, with ``times``, if more than
    once: how often it was said since the one before, itself included. Errors, and what is said of an exception, are
    all written."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[tuple[tuple[str, str], ...], _Said] = {}
        self._lock = threading.Lock()  # threads log, too

    def __call__(self, logger: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if method != "warning" or line.get("exc_info"):
            return line
        key = tuple((name, str(value)) for name, value in sorted(line.items()) if name not in _OF_THE_MOMENT)
        with self._lock:
            times = self._times(key)
        if times is None:
            raise structlog.DropEvent
        if times > 1:
            line["times"] = times
        return line

    def _times(self, key: tuple[tuple[str, str], ...]) -> int | None:
        """None: it is not to be written now."""
        now_s = self._clock()
        said = self._said.get(key)
        if said is None:
            if len(self._said) >= REMEMBERED_MAX:
                del self._said[next(iter(self._said))]
            self._said[key] = _Said(now_s)
            return 1
        said.times += 1
        if now_s - said.written_at_s < EVERY_S:
            return None
        times, said.times, said.written_at_s = said.times, 0, now_s
        return times
