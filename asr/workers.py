"""One of several inference processes behind the client: its supervisor, and the sessions that are placed there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import BaseModel

from asr.link import OpenLink, WorkerLink
from asr.load_average import LoadAverage, busy_with_more
from asr.placement import WorkerState
from asr.session import AsrSession
from asr.supervisor import SessionMessage, Supervisor
from asr.watch import Backoff
from asr.wire import Pong, Ran, Ready, Working
from asr.worker_settings import WorkerSettings

HEALTHY_AFTER_S = 30.0  # a process that was ready for so long was a good one


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What one worker is and does, for the metrics and for admission.

    ``sessions`` are placed there (``live`` and ``files`` of them by lane), heard or waiting for it. ``lag_ms`` is of
    the live one furthest behind. ``busy_average`` (without files) and ``live_average`` are smoothed over some ten
    seconds, ``session_cost`` is of minutes (``asr.load_average``). ``pong``: the latest of the present process, which
    comes about every second.
    """

    index: int
    pid: int | None
    state: WorkerState
    reason: str
    sessions: int
    live: int
    files: int
    restarts: int
    resident_mb: float | None
    lag_ms: int
    busy_average: float
    live_average: float
    pong: Pong | None
    ready: Ready | None
    session_cost: float | None = None


class WorkerOwner(Protocol):
    """The client: told after the worker has changed its own state."""

    def on_ready(self, worker: ManagedWorker, ready: Ready) -> None: ...

    def on_message(self, message: SessionMessage) -> None: ...

    def on_ran(self, worker: ManagedWorker, ran: Ran) -> None: ...

    def on_lost(self, worker: ManagedWorker, working: Working | None) -> None: ...


class ManagedWorker:
    """Made by the client, with which it shares the loop's thread; ``stop`` must be awaited after ``start``."""

    def __init__(
        self,
        index: int,
        settings: WorkerSettings,
        owner: WorkerOwner,
        next_generation: Callable[[], int],
        *,
        command: Sequence[str],
        backoff: Backoff | None,
        link: OpenLink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.index = index
        self._owner = owner
        self._next_generation = next_generation
        self._clock = clock
        self._supervisor = Supervisor(
            replace(settings, index=index), self, command=command, link=link, backoff=copy(backoff) if backoff else None
        )
        self._is_shared = link is not None
        self._others_live = 0  # sessions of other servers there
        self.sessions: dict[str, AsrSession] = {}
        self.state: WorkerState = "starting"
        self.ready: Ready | None = None  # of the latest process that was ready
        self.failed_starts = 0  # in a row
        self._strikes = 0
        self._ready_at_s: float | None = None
        self._child: WorkerLink | None = None
        self.pong: Pong | None = None
        self._load = LoadAverage()

    def start(self) -> None:
        self._supervisor.start()

    async def stop(self) -> None:
        await self._supervisor.stop()

    def reload(self, settings: WorkerSettings) -> None:
        """Have another process started; until it is ready the sessions wait here."""
        self._lose("starting")
        self._strikes = self.failed_starts = 0
        self._supervisor.reload(replace(settings, index=self.index))

    def next_settings(self, settings: WorkerSettings) -> None:
        """Those of the next process; the present one goes on."""
        self._supervisor.next_settings(replace(settings, index=self.index))

    # What placing looks at (``asr.placement.Place``).

    @property
    def strikes(self) -> int:
        """Processes lost in a row, none of which was ready for long; a present one that is has made up for them."""
        healthy = self.state == "ok" and self._ready_for_s >= HEALTHY_AFTER_S
        return 0 if healthy else self._strikes

    @property
    def suspects(self) -> int:
        return sum(session.suspect for session in self.sessions.values())

    @property
    def live(self) -> int:
        """Those of other servers with which the process is shared count: they take its time."""
        return len(self.sessions) - self.files + self._others_live

    @property
    def files(self) -> int:
        return sum(session.lane == "file" for session in self.sessions.values())

    @property
    def crowding(self) -> float:
        return busy_with_more(self)

    @property
    def busy_average(self) -> float:
        return self._load.busy

    @property
    def live_average(self) -> float:
        return self._load.live

    @property
    def session_cost(self) -> float | None:
        return self._load.session_cost

    @property
    def reason(self) -> str:
        return self._supervisor.reason

    @property
    def status(self) -> WorkerStatus:
        lags_ms = (session.lag_ms for session in self.sessions.values() if session.lane != "file")
        return WorkerStatus(
            index=self.index,
            pid=self._supervisor.pid,
            state=self.state,
            reason=self._supervisor.reason,
            sessions=len(self.sessions),
            live=self.live,
            files=self.files,
            restarts=self._supervisor.restarts,
            resident_mb=self._supervisor.resident_mb,
            lag_ms=max(lags_ms, default=0),
            busy_average=self.busy_average,
            live_average=self.live_average,
            pong=self.pong,
            ready=self.ready,
            session_cost=self.session_cost,
        )

    def tell(self, message: BaseModel) -> None:
        """The process, if there is one."""
        if self._child is not None:
            self._child.write(message)

    # Its sessions.

    def take(self, session: AsrSession) -> None:
        """The session is placed here from now on; it is heard at once when there is a process."""
        self.sessions[session.session_id] = session
        if self._child is not None:
            self._attach(session, self._child)

    def let_go(self, session: AsrSession) -> None:
        self.sessions.pop(session.session_id, None)

    def _attach(self, session: AsrSession, child: WorkerLink) -> None:
        session.attach(child, self._next_generation())
        session.tell_engine_state("degraded" if self.pong is not None and self.pong.away else "ok")

    def _lose(self, state: WorkerState) -> None:
        self._child, self.pong, self._load, self.state = None, None, LoadAverage(), state
        self._others_live = 0
        for session in self.sessions.values():
            session.detach()

    @property
    def _ready_for_s(self) -> float:
        return 0.0 if self._ready_at_s is None else self._clock() - self._ready_at_s

    # What the supervisor tells.

    def on_ready(self, child: WorkerLink, ready: Ready) -> None:
        self._child, self.ready, self.state, self.failed_starts = child, ready, "ok", 0
        self._ready_at_s = self._clock()
        for session in list(self.sessions.values()):
            self._attach(session, child)
        self._owner.on_ready(self, ready)

    def on_message(self, message: SessionMessage) -> None:
        self._owner.on_message(message)

    def on_pong(self, pong: Pong) -> None:
        was_away = self.pong is not None and self.pong.away != ""
        self.pong = pong
        if was_away != bool(pong.away):
            for session in self.sessions.values():
                session.tell_engine_state("degraded" if pong.away else "ok")
        own = len(self.sessions) - self.files
        self._others_live = max(0, pong.live - own) if self._is_shared else 0
        self._load.add(pong.busy, self.live, self._clock())

    def on_ran(self, ran: Ran) -> None:
        if ran.kind == "file":
            self._load.spent_on_files(ran.run_ms / 1000)
        self._owner.on_ran(self, ran)

    def on_lost(self, *, planned: bool, working: Working | None = None) -> None:
        if not planned:
            self._strikes = 1 if self._ready_for_s >= HEALTHY_AFTER_S else self._strikes + 1
            self.failed_starts += self._child is None
        self._ready_at_s = None
        self._lose("starting" if planned else "degraded")
        self._owner.on_lost(self, working)
