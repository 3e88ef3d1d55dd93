"""Keeps one inference process running: deadlines, memory limit, stack dump, kill, restart with back-off."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from asr.child import WORKER_COMMAND, spawning
from asr.link import ChildGone, Ending, OpenLink, WorkerLink
from asr.watch import Backoff, Heartbeat
from asr.wire import (
    Beside,
    Broken,
    EncoderLoading,
    GaveUp,
    Heard,
    Marker,
    Ping,
    Pong,
    Ran,
    Ready,
    Settled,
    VoicePrints,
    Working,
)
from asr.worker_settings import WorkerSettings

log = structlog.get_logger(__name__)

_LOADING_ENCODER = Working(sessions=(), voices=(("", 0),))  # at fault where a process is lost meanwhile
# Where what looks for changes is loaded with it: that is optional, and the first to be done without.
_LOADING_BOTH = _LOADING_ENCODER.model_copy(update={"changes": True})
MEMORY_PATIENCE_S = 5.0  # for the step under way, when the process has grown too large

SessionMessage = VoicePrints | Heard | Settled | Marker | GaveUp


class WorkerEvents(Protocol):
    """Who is told. All calls come on the loop; between ``on_ready`` and ``on_lost`` the child can be spoken to.

    ``working``: whose sound was being heard when the process was lost. ``on_pong`` comes about every second.
    """

    def on_ready(self, child: WorkerLink, ready: Ready) -> None: ...

    def on_message(self, message: SessionMessage) -> None: ...

    def on_pong(self, pong: Pong) -> None: ...

    def on_ran(self, ran: Ran) -> None: ...

    def on_lost(self, *, planned: bool, working: Working | None = None) -> None: ...


def _both(working: Working | None, beside: Beside | None) -> Working | None:
    if beside is None or not beside.voices:
        return working
    sessions = working.sessions if working is not None else ()
    return Working(sessions=sessions, voices=beside.voices, changes=beside.changes)


class Supervisor:
    """Runs the worker command until ``stop``: after every end it is started again, at once when it was asked to.

    With a ``link`` to a shared process it connects instead, and its deadlines end the connection: whose child that
    process is has a supervisor with the same ones.

    ``reason`` says why there is no process now, ``restarts`` counts the ends that nobody asked for.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        events: WorkerEvents,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        link: OpenLink | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._settings = settings
        self._events = events
        self._open = link or spawning(command)
        self._backoff = backoff or Backoff()
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()  # to reload or to stop: ends a run, and the wait for the next
        self._stopping = False
        self._ready_at_s: float | None = None
        self._working: Working | None = None  # the last that was heard of the process
        self._beside: Beside | None = None  # what it does beside that
        self._loading_encoder = self._has_segmentation = False
        self._between_steps = asyncio.Event()  # that is something else
        self.reason = ""
        self.restarts = 0
        self.pid: int | None = None
        self.resident_mb: float | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="asr-supervisor")

    async def stop(self) -> None:
        """End the process and wait for it. Idempotent."""
        self._stopping = True
        self._asked.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    def reload(self, settings: WorkerSettings | None = None) -> None:
        """Have the process end and another one started, with ``settings`` if given."""
        self._settings = settings or self._settings
        self._asked.set()

    def next_settings(self, settings: WorkerSettings) -> None:
        """Those of the next process, whenever that is."""
        self._settings = settings

    async def _run(self) -> None:
        while not self._stopping:
            self._asked.clear()
            try:
                planned = await self._life()
            except Exception:
                # Ours, not the worker's; but without the supervisor no word would ever come again.
                log.exception("supervisor failed")
                self.reason, planned = "internal error", False
            if planned:
                continue
            self.restarts += 1
            ready_for_s = 0.0 if self._ready_at_s is None else time.monotonic() - self._ready_at_s
            delay_s = self._backoff.after(ready_for_s)
            log.error("inference process lost", reason=self.reason, restart_in_s=delay_s, restarts=self.restarts)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), delay_s)

    async def _life(self) -> bool:
        """One process from start to end. Returns whether its end was asked for."""
        self._ready_at_s = self._working = self._beside = None
        self._loading_encoder = False
        self._between_steps.set()
        try:
            child = await self._open(self._settings, self._asked)
        except ChildGone as error:
            if self._asked.is_set():
                return True
            self.reason = str(error)
            self._events.on_lost(planned=False)
            return False
        self.pid = child.pid
        log.info("inference process reached" if child.is_shared else "inference process started", pid=child.pid)
        heartbeat = Heartbeat(self._settings.step_deadline_s, self._tick_s)
        reading = asyncio.create_task(self._read(child, heartbeat), name="asr-read")
        watching = asyncio.create_task(self._watch(child, heartbeat), name="asr-watch")
        asked = asyncio.create_task(self._asked.wait(), name="asr-asked")
        tasks: set[asyncio.Task[tuple[Ending, str]] | asyncio.Task[bool]] = {reading, watching, asked}
        ending = Ending.KILL
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                ending, self.reason = Ending.SHUTDOWN, "asked to restart"
            else:
                ending, self.reason = (watching if watching.done() else reading).result()
        finally:
            planned = asked.done()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            # One that is asked to leave is between two steps, or what it does there is not held against anybody.
            innocent = ending is Ending.SHUTDOWN
            self._events.on_lost(planned=planned, working=None if innocent else self._at_fault)
            self.pid = self.resident_mb = None
            how = await child.end(ending)
            log.info("inference process ended", pid=child.pid, how=how)
        self.reason = self.reason or how
        return planned

    @property
    def _at_fault(self) -> Working | None:
        if not self._loading_encoder:
            return _both(self._working, self._beside)
        return _LOADING_BOTH if self._has_segmentation else _LOADING_ENCODER

    async def _read(self, child: WorkerLink, heartbeat: Heartbeat) -> tuple[Ending, str]:
        """Pass on what it says until it leaves; how to end it, and why it left (empty when it did not say)."""
        reason = ""
        try:
            async for message in child.messages():
                if not isinstance(message, Broken | Beside):
                    # One thread hears and tells: whatever it tells after this, it has heard that sound.
                    is_doing = isinstance(message, Working) and (message.sessions or message.voices)
                    self._now_doing(message if isinstance(message, Working) and is_doing else None)
                match message:
                    case Ready() if self._asked.is_set():
                        pass  # of the process that is to go
                    case Ready():
                        self._ready_at_s = time.monotonic()
                        self.reason = ""
                        self._has_segmentation = message.segmentation is not None
                        self._events.on_ready(child, message)
                    case Pong():
                        heartbeat.answered(message.number)
                        self._events.on_pong(message)
                    case Broken():
                        reason = message.message
                    case EncoderLoading():
                        self._loading_encoder = not message.over
                    case Beside():
                        self._beside = message
                    case Working():
                        heartbeat.said_something()
                    case Ran():
                        heartbeat.said_something()
                        self._events.on_ran(message)
                    case _:
                        heartbeat.said_something()
                        self._events.on_message(message)
        except ChildGone as error:
            return Ending.KILL, str(error)
        return Ending.LEAVE, reason

    def _now_doing(self, working: Working | None) -> None:
        self._working = working
        if working is None:
            self._between_steps.set()
        else:
            self._between_steps.clear()

    async def _watch(self, child: WorkerLink, heartbeat: Heartbeat) -> tuple[Ending, str]:
        """Returns when the process has to be ended, how, and why."""
        started_at_s = time.monotonic()
        settings = self._settings
        while True:
            await asyncio.sleep(self._tick_s)
            self.resident_mb = resident_mb = child.resident_mb()
            if settings.memory_max_mb and resident_mb is not None and resident_mb > settings.memory_max_mb:
                limit_mb = settings.memory_max_mb
                reason = (
                    f"the inference process grew to {resident_mb:.0f} MB, its limit is {limit_mb} MB; "
                    "if its model needs more, raise engine_memory_max_mb"
                )
                return await self._after_this_step(), reason
            if self._ready_at_s is None:
                if time.monotonic() - started_at_s > settings.start_deadline_s:
                    return Ending.DUMP, f"the inference process was not ready within {settings.start_deadline_s:g} s"
                continue
            number = heartbeat.look(time.monotonic())
            if number is not None:
                child.write(Ping(number=number))
            if heartbeat.overdue:
                return Ending.DUMP, f"the inference process did not answer for {settings.step_deadline_s:g} s"

    async def _after_this_step(self) -> Ending:
        """A process that grew is asked to leave between two steps: no sound was at fault. One that grows and grows in a
        step is not waited for.
        """
        try:
            await asyncio.wait_for(self._between_steps.wait(), min(MEMORY_PATIENCE_S, self._settings.step_deadline_s))
        except TimeoutError:
            return Ending.DUMP
        return Ending.SHUTDOWN

    @property
    def _tick_s(self) -> float:
        return min(1.0, self._settings.step_deadline_s / 5)
