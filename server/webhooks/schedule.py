"""When a delivery that failed is tried again: exponential back-off with full jitter, for a day."""

from __future__ import annotations

FIRST_PAUSE_S = 5.0
LAST_PAUSE_S = 3600.0
LEAST_PAUSE_S = 1.0
TRIED_FOR_S = 86400.0
_DOUBLINGS_MAX = 16


def pause_max_s(attempts: int) -> float:
    """The longest pause after so many attempts."""
    return min(LAST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, _DOUBLINGS_MAX))


def again_at(
    now: float, *, attempts: int, created_at: float, jitter: float, retry_after_s: float | None = None
) -> float | None:
    """The time of the next attempt, after ``attempts`` of them; None: the day is over.

    ``jitter``: evenly from 0 to 1, so that many deliveries that failed together do not come back together.
    ``retry_after_s``: what the receiver asked for, which is heeded up to an hour.
    """
    pause_s = max(LEAST_PAUSE_S, jitter * pause_max_s(attempts), min(retry_after_s or 0.0, LAST_PAUSE_S))
    at = now + pause_s
    return at if at <= created_at + TRIED_FOR_S else None
