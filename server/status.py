"""Where each transcript stands, and telling it: every move of a transcript's state goes through here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import structlog

from asr.client import AsrClient
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EarshotError, HeldElsewhere, IllegalMove, NotFound
from protocol.events import Failed, StatusChanged
from protocol.states import UNFINISHED, SessionState, TranscriptState
from server.journal import Journal
from server.live import LiveSession
from server.store.store import Store

log = structlog.get_logger(__name__)

# Of long work, so that what is stored of a file is bounded however long it is, and readers are not flooded.
PROGRESS_STEP_PERCENT = 5.0
PROGRESS_INTERVAL_S = 1.0

AudioState = Literal["live", "stalled", "paused", "none"]
EngineState = Literal["ok", "degraded"]

MESSAGES: dict[TranscriptState, str] = {
    TranscriptState.IDLE: "Waiting for sound",
    TranscriptState.RECORDING: "Listening",
    TranscriptState.PAUSED: "Paused",
    TranscriptState.PROCESSING: "Working through the rest of the sound",
    TranscriptState.ENDED: "Complete",
    TranscriptState.FAILED: "Failed; the sound is kept",
}


class StatusTeller:
    """Moves transcripts that this node holds between their states and tells readers, in the journal, one after the
    other."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        asr: AsrClient,
        sessions: Mapping[str, LiveSession],
        *,
        node_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._node_id = node_id
        self._journal = journal
        self._asr = asr
        self._sessions = sessions
        self._engine_state: dict[str, EngineState] = {}  # of transcripts with sessions; ok when absent
        # Of transcripts with sessions: the most that was ever told of what is worked through, and when a step was.
        self._told_percent: dict[str, float] = {}
        self._told_at_s: dict[str, float] = {}
        self._untold: dict[str, TranscriptState] = {}  # moves that were made, or may have been: the answer was lost
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self, transcript_id: str) -> None:
        self._engine_state.pop(transcript_id, None)
        self._told_percent.pop(transcript_id, None)
        self._told_at_s.pop(transcript_id, None)
        self._untold.pop(transcript_id, None)

    async def now(self, transcript_id: str) -> StatusChanged:
        """The present status, for whoever asks. Where nothing of it is here, what was told last, perhaps elsewhere."""
        state = await self._store.state_of(transcript_id)
        if state in UNFINISHED and not self._of(transcript_id):
            told = await self._store.watch.last_status(transcript_id)
            if told is not None and told.state is state:
                return told
        return self._status(state, transcript_id)

    async def move(self, transcript_id: str, state: TranscriptState, *, audio: AudioState | None = None) -> None:
        """Move and tell; nothing when it stands there already. Raises ``IllegalMove``, ``NotFound``,
        ``HeldElsewhere``."""
        if await self._store.state_of(transcript_id) is not state:
            self._untold[transcript_id] = state
            try:
                await self._store.set_state(transcript_id, state, holder=self._node_id())
            except (IllegalMove, NotFound, HeldElsewhere):
                self._untold.pop(transcript_id)
                raise
        elif self._untold.get(transcript_id) is not state:
            return
        if state is TranscriptState.RECORDING:
            self._told_percent.pop(transcript_id, None)  # what is worked through after this is another piece of work
        told = self._journal.give(transcript_id, [self._status(state, transcript_id, audio=audio)], held=True)
        self._untold.pop(transcript_id, None)
        with suppress(TimeoutError):  # it will be told
            await self._journal.outcome(told)

    async def try_move(self, transcript_id: str, state: TranscriptState, *, audio: AudioState | None = None) -> None:
        """Move if that is possible now."""
        try:
            await self.move(transcript_id, state, audio=audio)
        except IllegalMove as error:
            log.debug("state not moved", transcript=transcript_id, **error.details)
        except (NotFound, HeldElsewhere):
            pass  # deleted meanwhile, or another node goes on with it

    async def tell_failed(self, transcript_id: str, error: EarshotError) -> None:
        with logged(transcript_id):
            failed = Failed(code=error.code, message=error.message, recoverable=error.retryable)
            await self._journal.append(transcript_id, failed)

    def is_progress_due(self, transcript_id: str) -> bool:
        """Whether so much more is worked through that readers should know: in steps, and at most one a second."""
        percent = _percent(self._work_of(transcript_id)) or 0.0
        if percent < min(self._told_percent.get(transcript_id, 0.0) + PROGRESS_STEP_PERCENT, 99.9):
            return False
        return time.monotonic() - self._told_at_s.get(transcript_id, -PROGRESS_INTERVAL_S) >= PROGRESS_INTERVAL_S

    async def tell_progress(self, transcript_id: str) -> None:
        """Tell how far the work is. Raises ``NotFound`` when the transcript was deleted."""
        state = await self._store.state_of(transcript_id)
        if state not in (TranscriptState.PROCESSING, TranscriptState.RECORDING):
            return  # it has come to its end, or waits
        status = self._status(state, transcript_id)
        self._told_at_s[transcript_id], self._told_percent[transcript_id] = time.monotonic(), status.progress
        await self._journal.append(transcript_id, status, held=True)

    async def recall_progress(self, transcript_id: str) -> None:
        """After a restart: what was told of a piece of work is not taken back."""
        told = await self._store.watch.last_status(transcript_id)
        if told is not None and told.state is TranscriptState.PROCESSING:
            self._told_percent[transcript_id] = told.progress

    def audio_changed(self, session: LiveSession) -> None:
        if session.state in (SessionState.STALLED, SessionState.RESUMING, SessionState.LIVE):
            self._tell_soon(session.transcript_id)

    def engine_changed(self, transcript_id: str, state: EngineState) -> None:
        if self._engine_state.get(transcript_id, "ok") != state:
            self._engine_state[transcript_id] = state
            self._tell_soon(transcript_id)

    def _tell_soon(self, transcript_id: str) -> None:
        task = asyncio.create_task(self.tell(transcript_id), name=f"status {transcript_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def tell(self, transcript_id: str) -> None:
        """Where it stands now."""
        with logged(transcript_id):
            state = await self._store.state_of(transcript_id)
            await self._journal.append(transcript_id, self._status(state, transcript_id), held=True)

    def _status(self, state: TranscriptState, transcript_id: str, *, audio: AudioState | None = None) -> StatusChanged:
        work = self._work_of(transcript_id)
        return StatusChanged(
            state=state,
            progress=self._progress(state, transcript_id, work),
            message=_work_text(work) if state is TranscriptState.PROCESSING and work else MESSAGES[state],
            engine=self._asr.status.model or None,
            engine_state=self._engine_state.get(transcript_id, "ok"),
            audio=audio or audio_of(self._of(transcript_id)),
        )

    def _progress(self, state: TranscriptState, transcript_id: str, work: Work | None) -> float:
        """Never less than what was told of the same work: another file may come, and a restart hears a little again."""
        if state is TranscriptState.ENDED:
            return 100.0
        if state in (TranscriptState.IDLE, TranscriptState.PAUSED) or (
            state is TranscriptState.RECORDING and work is None
        ):
            return 0.0  # nobody knows how long it will be
        # All of it is only when the last final is told.
        return min(99.9, max(_percent(work) or 0.0, self._told_percent.get(transcript_id, 0.0)))

    def _work_of(self, transcript_id: str) -> Work | None:
        """What is worked through: files, and the rest of what was recorded live; None when there is nothing."""
        sessions = self._of(transcript_id)
        is_recording = any(session.is_live for session in sessions)
        sessions = [session for session in sessions if session.track.source == "file" or not is_recording]
        if not any(session.pipeline.length_samples for session in sessions):
            return None
        known = [session.expected_samples for session in sessions]
        done_samples = sum(session.pipeline.settled_samples for session in sessions)
        return Work(done_samples, None if None in known else sum(filter(None, known)))

    def _of(self, transcript_id: str) -> list[LiveSession]:
        return [session for session in self._sessions.values() if session.transcript_id == transcript_id]


@dataclass(frozen=True, slots=True)
class Work:
    """So much of a transcript's sound is worked through, of so much in all, if that is known."""

    done_samples: int
    total_samples: int | None


def _percent(work: Work | None) -> float | None:
    return 100.0 * work.done_samples / work.total_samples if work is not None and work.total_samples else None


def _work_text(work: Work) -> str:
    done = _clock(work.done_samples)
    if work.total_samples is None:
        return f"Processing {done}"
    return f"Processing {_clock(min(work.done_samples, work.total_samples))} of {_clock(work.total_samples)}"


def _clock(samples: int) -> str:
    minutes, seconds = divmod(samples // SAMPLE_RATE_HZ, 60)
    return f"{minutes}:{seconds:02}"


def audio_of(sessions: Iterable[LiveSession]) -> AudioState:
    """What readers are told of a transcript's sound: of what comes live; a file comes as fast as it is heard."""
    live = [session for session in sessions if session.is_live]
    if live and all(session.paused for session in live):
        return "paused"
    if any(session.state is SessionState.LIVE and not session.paused for session in live):
        return "live"
    return "stalled" if live else "none"


@contextmanager
def logged(transcript_id: str) -> Iterator[None]:
    """For what is told besides: when it cannot be told, the log says so and the work goes on."""
    try:
        yield
    except NotFound:
        pass  # deleted meanwhile
    except EarshotError as error:
        log.warning("could not be told", transcript=transcript_id, code=error.code)
