"""Who may begin to speak: places, measured load, lag and disk, looked at before quality suffers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Sequence

from asr.client import WorkerStatus
from asr.load_average import COMFORTABLE_INTERIM_MS, busy_with_one_more
from protocol.errors import Overloaded
from server.live import LiveSession
from server.settings import Settings

MEBIBYTE = 1 << 20
# Sessions that still wait for their finals take no place, but memory: so many times the places, and nobody else.
FINISHING_FACTOR = 2
# What was high a moment ago may be a burst; what was high for a minute will not be over in five seconds.
RETRY_LEAST_S, RETRY_MOST_S = 5.0, 60.0


class Admission:
    """Asked before each live session. ``clock`` is monotonic, in seconds."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._full_since_s = 0.0
        self._refused_at_s: float | None = None

    def admit_speaker(self, sessions: Collection[LiveSession], workers: Sequence[WorkerStatus]) -> None:
        """Raise ``Overloaded`` when one more live session would cost those that are there.

        While no worker is ready, who comes is recorded and heard later, as long as those that wait are not far behind.
        Files wait their turn anyway.
        """
        settings = self._settings
        live = [session for session in sessions if session.is_live]
        if len(live) >= settings.sessions_max or len(sessions) >= FINISHING_FACTOR * settings.sessions_max:
            raise _overloaded("all places are taken", 10, sessions=len(live))
        ready = [worker for worker in workers if worker.state == "ok"]
        if ready:
            full = not any(has_room(worker, settings) for worker in ready)
            behind_ms = min(worker.lag_ms for worker in ready)
        else:
            behind_ms = max((session.pipeline.lag_ms for session in live), default=0)
            full = behind_ms > 1000 * settings.admission_lag_max_s
        if full and behind_ms > 1000 * settings.admission_lag_max_s:
            raise _overloaded("the recogniser is behind", self._refused(), lag_s=behind_ms / 1000)
        if full:
            busy = min(busy_with_one_more(worker) for worker in ready)
            raise _overloaded("the recogniser is busy", self._refused(), busy=round(busy, 2))
        self._refused_at_s = None
        admit_sound(settings)

    def _refused(self) -> float:
        """How long to stay away: as long as the load has been too high by now."""
        now_s = self._clock()
        if self._refused_at_s is None or now_s - self._refused_at_s > RETRY_MOST_S:
            self._full_since_s = now_s  # nobody asked for so long that nobody knows
        self._refused_at_s = now_s
        return min(RETRY_MOST_S, max(RETRY_LEAST_S, now_s - self._full_since_s))


def has_room(worker: WorkerStatus, settings: Settings) -> bool:
    """Whether a ready worker can hear one more live session as well as those that it has.

    One that hears nobody live has room for one, however slow the machine is: files give way.
    """
    if worker.lag_ms > 1000 * settings.admission_lag_max_s:
        return False
    if worker.live == 0 or not settings.admission_busy_max:
        return True
    if worker.pong is not None and worker.pong.interim_ms > max(COMFORTABLE_INTERIM_MS, settings.interim_interval_ms):
        return False
    return busy_with_one_more(worker) <= settings.admission_busy_max


def _overloaded(why: str, retry_after_s: float, **details: float) -> Overloaded:
    """Sockets have no header that says when to come back: the details say it as well."""
    details["retry_after_s"] = round(retry_after_s)
    return Overloaded(f"{why}; try again soon", details=details, retry_after_s=retry_after_s)


def admit_sound(settings: Settings) -> None:
    """Raise ``Overloaded`` when the disk is too full for anything new."""
    if shutil.disk_usage(settings.data_dir).free < settings.disk_reserve_mb * MEBIBYTE:
        raise Overloaded("the disk is nearly full; nothing new is recorded", retry_after_s=60)
