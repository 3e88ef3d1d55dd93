"""The recogniser as the rest of the server sees it: sessions here, engines in supervised processes of their own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from asr.backlog import Backlog
from asr.child import WORKER_COMMAND
from asr.contract import SessionOptions
from asr.known_voices import KnownVoices
from asr.link import Sharing
from asr.listener import AsrListener
from asr.placement import WorkerState, choose, home_of_new, may_leave
from asr.reading_back import ReadBack
from asr.session import AsrSession
from asr.supervisor import SessionMessage
from asr.watch import Backoff
from asr.wire import GaveUp, Ran, Ready, Shared, Working
from asr.worker_settings import WorkerSettings
from asr.workers import ManagedWorker, WorkerStatus
from protocol.errors import EngineFailed

__all__ = ["AsrClient", "AsrListener", "AsrSession", "EngineStatus", "ReadBack", "WorkerSettings", "WorkerStatus"]

log = structlog.get_logger(__name__)

LOST_WITH_VOICES_MAX = 4  # processes, by whatever sessions; then it is the encoder
LOST_WITH_CHANGES_MAX = 2  # processes, before voices are told apart without looking for their changes
_CHANGES_ARE_LOST = f"looking for changes of voices ended {LOST_WITH_CHANGES_MAX} inference processes"
_ENCODER_IS_LOST = f"telling voices apart ended {LOST_WITH_VOICES_MAX} inference processes"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What /health and the metrics say of the recogniser. ``reason``: why this engine, or why there is none now.

    ``state`` is ``ok`` while at least one worker is ready, but ``degraded`` when those that are hear by another machine
    and that is away. ``gave_up`` counts utterances that could not be heard.
    ``lag_ms`` is that of the session furthest behind; ``backlog_samples`` what the workers themselves have not worked
    through; ``steps`` and ``step_s`` count since each worker's start. ``workers`` are ready, of ``workers_wanted``;
    ``pid`` is the first of ``pids``. ``encoder``: by which voices are told apart, None when they are not, for want of
    the reason in ``no_encoder``. ``segmentation``: by which changes of voices are looked for, or None, where something
    failed for the reason in ``no_segmentation``.
    """

    state: WorkerState
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
    workers: int = 0
    workers_wanted: int = 1
    pids: tuple[int, ...] = ()
    each: tuple[WorkerStatus, ...] = ()
    encoder: str | None = None
    no_encoder: str = ""
    segmentation: str | None = None
    no_segmentation: str = ""


class AsrClient:
    """Owns the inference processes and all sessions. ``stop`` must be awaited after ``start``.

    The first process says how many the engine is good for here; the others are started then, no more than
    ``settings.workers`` when that is not 0. ``on_ran`` is told of every step of every worker, with the worker's index.
    ``sharing``: of processes that are shared with others (``asr.sharing``), which are as many as it is told, and
    another's to start and to end. ``command`` is what is run instead of the real worker in tests.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        backoff: Backoff | None = None,
        sharing: Sharing | None = None,
        on_ran: Callable[[int, Ran], None] | None = None,
    ) -> None:
        self._settings = settings
        self._command = command
        self._backoff = backoff
        self._sharing = sharing
        self._on_ran = on_ran
        self._sessions: dict[str, AsrSession] = {}
        self._homes: dict[str, ManagedWorker] = {}  # the worker that each session is placed at
        self._generations = itertools.count(1)
        self._lost_with_voices = self._lost_with_changes = 0  # processes
        self._workers = [self._made(0)]
        self._retiring: set[asyncio.Task[None]] = set()
        self._restarts_before = 0  # of workers that are no more
        self._count_asked = True  # the first worker to come is to say how many there shall be
        self._is_ready = asyncio.Event()
        self._is_settled = asyncio.Event()
        self._gave_up = 0
        self._stopped = False

    def _made(self, index: int) -> ManagedWorker:
        return ManagedWorker(
            index,
            self._settings_of_next,
            self,
            lambda: next(self._generations),
            command=self._command,
            backoff=self._backoff,
            link=self._sharing.link if self._sharing is not None else None,
        )

    async def start(self) -> None:
        """Start the first process and return at once. Sessions may be opened before the model is loaded."""
        self._workers[0].start()

    async def stop(self) -> None:
        """Close all sessions and end the processes. Idempotent."""
        self._stopped = True
        self._is_ready.set()
        self._is_settled.set()
        for session in list(self._sessions.values()):
            await session.close()
        await asyncio.gather(*(worker.stop() for worker in self._workers), *self._retiring)

    async def wait_ready(self) -> None:
        """Return when an engine is loaded. Raises ``EngineFailed`` when the client is stopped before."""
        while self._state != "ok":
            if self._stopped:
                raise EngineFailed("the recogniser was stopped")
            await self._is_ready.wait()
        if self._stopped:
            raise EngineFailed("the recogniser was stopped")

    async def wait_settled(self) -> None:
        """Return when an engine is loaded, or could not be: ``status`` says which. Raises as ``wait_ready``."""
        await self._is_settled.wait()
        if self._stopped:
            raise EngineFailed("the recogniser was stopped")

    async def reload(self, settings: WorkerSettings | None = None) -> None:
        """Restart all processes to choose the engine anew, with ``settings`` if given; returns at once.

        Sessions go on: what is not settled is heard by the new engine. Shared processes keep their settings.
        """
        self.begin_anew(settings)

    def begin_anew(self, settings: WorkerSettings | None = None) -> None:
        """As ``reload``, from where nothing can be awaited."""
        self._lost_with_voices = self._lost_with_changes = 0
        if self._sharing is not None:
            self._sharing.reload()
            return
        self._settings = settings or self._settings
        self._count_asked = True
        for worker in self._workers:
            worker.reload(self._settings)
        self._note_state()

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        """Each worker, ready or not, by its index."""
        return tuple(worker.status for worker in self._workers)

    @property
    def sessions(self) -> tuple[AsrSession, ...]:
        """Those that are open, wherever they are heard."""
        return tuple(self._sessions.values())

    @property
    def _state(self) -> WorkerState:
        states = {worker.state for worker in self._workers}
        return "ok" if "ok" in states else "starting" if "starting" in states else "degraded"

    @property
    def status(self) -> EngineStatus:
        each, state = self.workers, self._state
        speaking = next((worker for worker in each if worker.state == "ok"), each[0])
        ready, reason = speaking.ready, speaking.reason
        away = [worker.pong.away if worker.pong else "" for worker in each if worker.state == "ok"]
        if away and all(away):
            state, reason = "degraded", away[0]
        pongs = [worker.pong for worker in each if worker.pong is not None]
        no_encoder = _ENCODER_IS_LOST if self._encoder_is_lost else ready.no_encoder if ready else ""
        no_encoder = no_encoder or (speaking.pong.no_encoder if speaking.pong else "")
        no_segmentation = _CHANGES_ARE_LOST if self._changes_are_lost else ready.no_segmentation if ready else ""
        no_segmentation = no_segmentation or (speaking.pong.no_segmentation if speaking.pong else "")
        pids = tuple(worker.pid for worker in each if worker.pid is not None)
        return EngineStatus(
            state=state,
            engine=ready.engine if ready else self._settings.engine,
            model=ready.model if ready else "",
            device=ready.device if ready else "",
            languages=ready.languages if ready else (),
            reason=reason if state == "degraded" or ready is None else ready.reason,
            notice=ready.notice if ready else "",
            restarts=self._restarts_before + sum(worker.restarts for worker in each),
            lag_ms=max((session.lag_ms for session in self._sessions.values()), default=0),
            sessions=len(self._sessions),
            backlog_samples=sum(pong.backlog_samples for pong in pongs),
            steps=sum(pong.steps for pong in pongs),
            step_s=sum(pong.step_s for pong in pongs),
            pid=pids[0] if pids else None,
            gave_up=self._gave_up,
            workers=sum(worker.state == "ok" for worker in each),
            workers_wanted=len(each),
            pids=pids,
            each=each,
            encoder=ready.encoder if ready and not no_encoder else None,
            no_encoder=no_encoder,
            segmentation=ready.segmentation if ready and not no_encoder and not no_segmentation else None,
            no_segmentation=no_segmentation,
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
        voices: KnownVoices | None = None,
    ) -> AsrSession:
        """A session whose next sound begins at ``start_samples``.

        ``read_back`` is called in a thread with (start, end) for sound that is no longer in memory. Sound from
        ``start_samples`` up to ``recorded_samples`` is in the recording already and need not be fed. ``voices`` of the
        track that are known, which the session keeps up to date. Raises ``EngineFailed`` when the client is stopped.
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
            voices=voices,
        )
        if self._encoder_is_lost:
            session.leave_voices()
        self._sessions[session.session_id] = session
        home = home_of_new(self._workers, lane=options.lane)
        self._place(session, home)
        if home.state == "degraded":
            # Not from within open: the caller does not hold the session yet.
            asyncio.get_running_loop().call_soon(self._tell_degraded)
        return session

    @property
    def _encoder_is_lost(self) -> bool:
        """Whether telling voices apart has cost too many processes, since the last ``reload``."""
        return self._lost_with_voices >= LOST_WITH_VOICES_MAX

    @property
    def _changes_are_lost(self) -> bool:
        return self._lost_with_changes >= LOST_WITH_CHANGES_MAX

    @property
    def _settings_of_next(self) -> WorkerSettings:
        return replace(self._settings, speaker_segmentation="off") if self._changes_are_lost else self._settings

    def _forget(self, session: AsrSession) -> None:
        self._sessions.pop(session.session_id, None)
        home = self._homes.pop(session.session_id, None)
        if home is not None:
            home.let_go(session)

    # Placing.

    def _place(self, session: AsrSession, home: ManagedWorker) -> None:
        before = self._homes.get(session.session_id)
        if before is not None:
            before.let_go(session)
            session.detach()
        self._homes[session.session_id] = home
        home.take(session)

    def _move_those_that_may(self) -> None:
        """Sessions whose worker is lost go to one that is ready."""
        for worker in self._workers:
            for session in list(worker.sessions.values()):
                if may_leave(worker.state, suspect=session.suspect, failed_starts=worker.failed_starts):
                    home = choose(self._workers, lane=session.lane)
                    if home is not None:
                        self._place(session, home)
        self._tell_degraded()

    def _tell_degraded(self) -> None:
        for worker in self._workers:
            if worker.state == "degraded":
                for session in list(worker.sessions.values()):
                    session.tell_engine_state("degraded")

    def _grow_or_shrink(self, wanted: int) -> None:
        """To ``wanted`` workers. Files that wait to begin are spread over those that now begin to load."""
        asked = 0 if self._sharing is not None else self._settings.workers
        if asked > wanted:
            log.warning("fewer inference processes than engine_workers asks for", asked=asked, good_for=wanted)
        if asked:
            wanted = min(wanted, asked)
        while len(self._workers) > max(1, wanted):
            self._retire(self._workers.pop())
        first = self._workers[0]
        files = [session for session in first.sessions.values() if session.lane == "file"]
        if len(self._workers) >= wanted:
            return
        for index in range(len(self._workers), wanted):
            worker = self._made(index)
            self._workers.append(worker)
            worker.start()
        for number, session in enumerate(files):
            self._place(session, self._workers[number % wanted])

    def _retire(self, worker: ManagedWorker) -> None:
        self._restarts_before += worker.status.restarts
        for session in list(worker.sessions.values()):
            self._place(session, home_of_new(self._workers, lane=session.lane))
        task = asyncio.create_task(worker.stop(), name=f"asr-retire-{worker.index}")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    def _note_state(self) -> None:
        _let(self._is_ready, self._state == "ok" or self._stopped)
        _let(self._is_settled, self._state != "starting" or self._stopped)

    # What the workers tell.

    def on_ready(self, worker: ManagedWorker, ready: Ready) -> None:
        log.info(
            "engine ready",
            worker=worker.index,
            engine=ready.engine,
            model=ready.model,
            device=ready.device,
            why=ready.reason,
            notice=ready.notice,
        )
        # Not when it only comes back: the others hold memory then, and it would not count them.
        if worker.index == 0 and (self._count_asked or self._sharing is not None) and not self._stopped:
            self._count_asked = False
            self._grow_or_shrink(ready.workers_max)
        if self._settings.shared_in:
            for each in self._workers:
                each.tell(Shared(processes=len(self._workers)))
        self._note_state()
        self._move_those_that_may()

    def on_message(self, message: SessionMessage) -> None:
        session = self._sessions.get(message.session_id)
        if session is not None:
            # In the lead of one that goes on it was counted before.
            self._gave_up += isinstance(message, GaveUp) and message.end_samples > session.settled_samples
            session.on_message(message)

    def on_ran(self, worker: ManagedWorker, ran: Ran) -> None:
        if self._on_ran is not None:
            self._on_ran(worker.index, ran)

    def on_lost(self, worker: ManagedWorker, working: Working | None) -> None:
        """Those in the step that ended it are suspects; where it told voices apart, only that may be left out."""
        if working and working.changes:
            self._on_lost_with_changes()
        elif working and working.voices:
            self._on_lost_with_voices(working)
        for session_id, generation, end_samples in working.sessions if working else ():
            if session_id in self._sessions:
                self._gave_up += self._sessions[session_id].lost_at(generation, end_samples)
        self._note_state()
        self._move_those_that_may()

    def _on_lost_with_voices(self, working: Working) -> None:
        for session_id, generation in working.voices:
            if session_id in self._sessions:
                self._sessions[session_id].lost_with_voices(generation)
        self._lost_with_voices += 1
        if self._encoder_is_lost:
            for session in self._sessions.values():
                session.leave_voices()

    def _on_lost_with_changes(self) -> None:
        """Processes that begin from now on do without, after some; of shared ones whoever starts them sees to it."""
        self._lost_with_changes += self._sharing is None
        if self._changes_are_lost:
            log.error("changes of voices are no longer looked for", lost=self._lost_with_changes)
            for worker in self._workers:
                worker.next_settings(self._settings_of_next)


def _let(event: asyncio.Event, is_so: bool) -> None:
    if is_so:
        event.set()
    else:
        event.clear()
