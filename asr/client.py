"""The recogniser as the rest of the server sees it: sessions here, the engine in a supervised process of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from asr.backlog import Backlog
from asr.child import WORKER_COMMAND, Child
from asr.contract import SessionOptions
from asr.session import AsrListener, AsrSession, ReadBack
from asr.supervisor import SessionMessage, Supervisor
from asr.watch import Backoff
from asr.wire import GaveUp, Ready, Working
from asr.worker_settings import WorkerSettings
from protocol.errors import EngineFailed

__all__ = ["AsrClient", "AsrListener", "AsrSession", "EngineStatus", "ReadBack", "WorkerSettings"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What /health and the metrics say of the recogniser. ``reason``: why this engine, or why there is none now.

    ``gave_up`` counts utterances that could not be heard.
    ``lag_ms`` is that of the session furthest behind; ``backlog_samples`` what the worker itself has not worked
    through; ``steps`` and ``step_s`` count since the worker's start.
    """

    state: Literal["starting", "ok", "degraded"]
    engine: str
    model: str
    device: str
    languages: tuple[str, ...]
    reason: str
    notice: str
    restarts: int
    lag_ms: int
    sessions: int
    backlog_samples: int
    steps: int
    step_s: float
    pid: int | None
    gave_up: int = 0


class AsrClient:
    """Owns the inference process and all sessions. ``stop`` must be awaited after ``start``.

    ``command`` is what is run instead of the real worker in tests.
    """

    def __init__(
        self, settings: WorkerSettings, *, command: Sequence[str] = WORKER_COMMAND, backoff: Backoff | None = None
    ) -> None:
        self._settings = settings
        self._supervisor = Supervisor(settings, self, command=command, backoff=backoff)
        self._sessions: dict[str, AsrSession] = {}
        self._generations = itertools.count(1)
        self._state: Literal["starting", "ok", "degraded"] = "starting"
        self._ready: Ready | None = None  # of the latest process that was ready
        self._child: Child | None = None
        self._is_ready = asyncio.Event()
        self._gave_up = 0
        self._stopped = False

    async def start(self) -> None:
        """Start the process and return at once. Sessions may be opened before the model is loaded."""
        self._supervisor.start()

    async def stop(self) -> None:
        """Close all sessions and end the process. Idempotent."""
        self._stopped = True
        self._is_ready.set()
        for session in list(self._sessions.values()):
            await session.close()
        await self._supervisor.stop()

    async def wait_ready(self) -> None:
        """Return when an engine is loaded. Raises ``EngineFailed`` when the client is stopped before."""
        while self._state != "ok":
            if self._stopped:
                raise EngineFailed("the recogniser was stopped")
            await self._is_ready.wait()
        if self._stopped:
            raise EngineFailed("the recogniser was stopped")

    async def reload(self, settings: WorkerSettings | None = None) -> None:
        """Restart the process to choose its engine anew, with ``settings`` if given; returns at once.

        Sessions go on: what is not settled is heard by the new engine.
        """
        self._settings = settings or self._settings
        self._lose("starting")
        self._supervisor.reload(settings)

    @property
    def status(self) -> EngineStatus:
        ready, figures = self._ready, self._supervisor.figures
        reason = self._supervisor.reason if self._state == "degraded" or ready is None else ready.reason
        return EngineStatus(
            state=self._state,
            engine=ready.engine if ready else self._settings.engine,
            model=ready.model if ready else "",
            device=ready.device if ready else "",
            languages=ready.languages if ready else (),
            reason=reason,
            notice=ready.notice if ready else "",
            restarts=self._supervisor.restarts,
            lag_ms=max((session.lag_ms for session in self._sessions.values()), default=0),
            sessions=len(self._sessions),
            backlog_samples=figures.backlog_samples if figures else 0,
            steps=figures.steps if figures else 0,
            step_s=figures.step_s if figures else 0.0,
            pid=self._supervisor.pid,
            gave_up=self._gave_up,
        )

    def open(
        self,
        *,
        track: str,
        start_samples: int,
        options: SessionOptions,
        listener: AsrListener,
        read_back: ReadBack,
        recorded_samples: int | None = None,
    ) -> AsrSession:
        """A session whose next sound begins at ``start_samples``.

        ``read_back`` is called in a thread with (start, end) for sound that is no longer in memory. Sound from
        ``start_samples`` up to ``recorded_samples`` is in the recording already and need not be fed. Raises
        ``EngineFailed`` when the client is stopped.
        """
        if self._stopped:
            raise EngineFailed("the recogniser was stopped")
        session = AsrSession(
            track=track,
            backlog=Backlog(start_samples, recorded_samples=recorded_samples),
            options=options,
            listener=listener,
            read_back=read_back,
            on_close=self._forget,
        )
        self._sessions[session.session_id] = session
        if self._child is not None:
            session.attach(self._child, next(self._generations))
        elif self._state == "degraded":
            # Not from within open: the caller does not hold the session yet.
            asyncio.get_running_loop().call_soon(self._tell_if_degraded, session)
        return session

    def _tell_if_degraded(self, session: AsrSession) -> None:
        if self._state == "degraded":
            session.tell_engine_state("degraded")

    def _forget(self, session: AsrSession) -> None:
        self._sessions.pop(session.session_id, None)

    # What the supervisor tells.

    def on_ready(self, child: Child, ready: Ready) -> None:
        log.info("engine ready", engine=ready.engine, model=ready.model, device=ready.device, why=ready.reason)
        self._child, self._ready, self._state = child, ready, "ok"
        self._is_ready.set()
        for session in list(self._sessions.values()):
            session.attach(child, next(self._generations))
            session.tell_engine_state("ok")

    def on_message(self, message: SessionMessage) -> None:
        self._gave_up += isinstance(message, GaveUp)
        session = self._sessions.get(message.session_id)
        if session is not None:
            session.on_message(message)

    def on_lost(self, *, planned: bool, working: Working | None = None) -> None:
        for session_id, generation, end_samples in working.sessions if working else ():
            session = self._sessions.get(session_id)
            self._gave_up += session is not None and session.lost_at(generation, end_samples)
        self._lose("starting" if planned else "degraded")

    def _lose(self, state: Literal["starting", "degraded"]) -> None:
        self._child, self._state = None, state
        if not self._stopped:
            self._is_ready.clear()
        for session in list(self._sessions.values()):
            session.detach()
            if state == "degraded":
                session.tell_engine_state("degraded")
