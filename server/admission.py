"""Who may begin to speak: places, measured load, lag and disk, looked at before quality suffers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from asr.client import WorkerStatus
from asr.load_average import COMFORTABLE_INTERIM_MS, busy_with_more
from protocol.errors import Overloaded
from server.live import LiveSession
from server.settings import Settings

MEBIBYTE = 1 << 20
# Sessions that still wait for their finals take no place, but memory: so many times the places, and nobody else.
FINISHING_FACTOR = 2
# Participants of meetings for whom there is no place are recorded, and heard behind everybody. With those that have one
# they are so many times the places, for each takes memory (4 MB, by its backlog).
RECORDED_FACTOR = 4
# What was high a moment ago may be a burst; what was high for a minute will not be over in five seconds.
RETRY_LEAST_S, RETRY_MOST_S = 5.0, 60.0


class Admission:
    """Asked before each live session. ``clock`` is monotonic, in seconds."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._full_since_s = 0.0
        self._refused_at_s: float | None = None

    def admit_speaker(
        self, sessions: Collection[LiveSession], workers: Sequence[WorkerStatus], *, coming: int = 0
    ) -> None:
        """Raise ``Overloaded`` when one more live session would cost those that are there.

        ``coming``: sessions that were let in before and are neither in ``sessions`` nor at a worker yet.

        While no worker is ready, who comes is recorded and heard later, as long as those that wait are not far behind.
        Files wait their turn anyway.
        """
        settings = self._settings
        live = [session for session in sessions if session.is_live]
        speakers = [session for session in sessions if session.track.source != "file"]  # files wait by themselves
        places = settings.sessions_max - coming
        if len(live) >= places or len(speakers) >= FINISHING_FACTOR * settings.sessions_max - coming:
            raise _overloaded("all places are taken", 10, sessions=len(live) + coming)
        ready = [worker for worker in workers if worker.state == "ok"]
        if ready:
            self._admit_by_load(ready, coming)
        else:
            behind_ms = max((session.pipeline.lag_ms for session in live), default=0)
            if behind_ms > 1000 * settings.admission_lag_max_s:
                raise _overloaded("the recogniser is behind", self._refused(), lag_s=behind_ms / 1000)
        self._refused_at_s = None
        admit_sound(settings)

    def admit_recorded(self, sessions: Collection[LiveSession]) -> None:
        """Raise ``Overloaded`` when there is not even room for one more of a bot's participants to be recorded, and
        heard when there is time."""
        most = RECORDED_FACTOR * self._settings.sessions_max
        if sum(session.track.source == "bot" for session in sessions) >= most:
            raise _overloaded("all places are taken", 10, recorded=most)
        admit_sound(self._settings)

    def _admit_by_load(self, ready: Sequence[WorkerStatus], coming: int) -> None:
        """The worker that is nearest to having room says why it has none."""
        room = [room_at(worker, self._settings, coming + 1) for worker in ready]
        if sum(room) > coming:
            return
        full = [(worker, more + 1) for worker, more in zip(ready, room, strict=True)]
        obstacles = {obstacle(worker, self._settings, more) for worker, more in full}
        if "busy" in obstacles:
            busy = min(
                busy_with_more(worker, more)
                for worker, more in full
                if obstacle(worker, self._settings, more) == "busy"
            )
            raise _overloaded("the recogniser is busy", self._refused(), busy=round(busy, 2))
        if "stretched" in obstacles:
            interims_ms = (worker.pong.interim_ms for worker in ready if worker.pong is not None)
            why = "the recogniser is busy: it makes words in the making less often already"
            raise _overloaded(why, self._refused(), interim_ms=min(interims_ms))
        behind_ms = min(worker.lag_ms for worker in ready)
        raise _overloaded("the recogniser is behind", self._refused(), lag_s=behind_ms / 1000)

    def _refused(self) -> float:
        """How long to stay away: as long as the load has been too high by now."""
        now_s = self._clock()
        if self._refused_at_s is None or now_s - self._refused_at_s > RETRY_MOST_S:
            self._full_since_s = now_s  # nobody asked for so long that nobody knows
        self._refused_at_s = now_s
        return min(RETRY_MOST_S, max(RETRY_LEAST_S, now_s - self._full_since_s))


def obstacle(worker: WorkerStatus, settings: Settings, more: int = 1) -> Literal["behind", "busy", "stretched"] | None:
    """What keeps a ready worker from hearing so many more live sessions as well as those that it has; None: nothing.

    One that hears nobody live has room for one, however slow the machine is: files give way.
    """
    if worker.lag_ms > 1000 * settings.admission_lag_max_s:
        return "behind"
    if worker.live + more <= 1 or not settings.admission_busy_max:
        return None
    if worker.pong is not None and worker.pong.interim_ms > max(COMFORTABLE_INTERIM_MS, settings.interim_interval_ms):
        return "stretched"
    return None if busy_with_more(worker, more) <= settings.admission_busy_max else "busy"


def room_at(worker: WorkerStatus, settings: Settings, most: int) -> int:
    """How many more live sessions it can hear; ``most`` when it is so many, or more."""
    return next((more for more in range(most) if obstacle(worker, settings, more + 1) is not None), most)


def load_ratio(sessions: Collection[LiveSession], workers: Sequence[WorkerStatus], settings: Settings) -> float:
    """How full a node is, for whoever starts and stops nodes: 0, it is empty; 1, one more live session gets no place.

    Of places and recogniser, whichever is fuller; of several workers the one with the most room, for that is where the
    next session goes. The disk is not in it: another node has no more of it.
    """
    live = [session for session in sessions if session.is_live]
    speakers = sum(session.track.source != "file" for session in sessions)
    ready = [worker for worker in workers if worker.state == "ok"]
    if ready:
        heard = min(_load_of(worker, settings) for worker in ready)
    else:
        behind_ms = max((session.pipeline.lag_ms for session in live), default=0)
        heard = behind_ms / (1000 * settings.admission_lag_max_s)
    most = settings.sessions_max
    return min(1.0, max(len(live) / most, speakers / (FINISHING_FACTOR * most), heard))


def _load_of(worker: WorkerStatus, settings: Settings) -> float:
    if obstacle(worker, settings) is not None:
        return 1.0
    behind = worker.lag_ms / (1000 * settings.admission_lag_max_s)
    busy = busy_with_more(worker, 0) / settings.admission_busy_max if settings.admission_busy_max else 0.0
    return min(1.0, max(behind, busy))


def _overloaded(why: str, retry_after_s: float, **details: float) -> Overloaded:
    """Sockets have no header that says when to come back: the details say it as well."""
    details["retry_after_s"] = round(retry_after_s)
    return Overloaded(f"{why}; try again soon", details=details, retry_after_s=retry_after_s)


def admit_sound(settings: Settings) -> None:
    """Raise ``Overloaded`` when the disk is too full for anything new."""
    if shutil.disk_usage(settings.data_dir).free < settings.disk_reserve_mb * MEBIBYTE:
        raise Overloaded("the disk is nearly full; nothing new is recorded", retry_after_s=60)
