"""Where each transcript stands, and telling it: every move of a transcript's state goes through here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import structlog

from asr.client import AsrClient
from protocol.errors import EarshotError, IllegalMove, NotFound
from protocol.events import StatusChanged
from protocol.states import SessionState, TranscriptState
from server.journal import Journal
from server.live import LiveSession
from server.store.store import Store

log = structlog.get_logger(__name__)

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
    """Moves transcripts between their states and tells readers, in the journal, one after the other."""

    def __init__(self, store: Store, journal: Journal, asr: AsrClient, sessions: Mapping[str, LiveSession]) -> None:
        self._store = store
        self._journal = journal
        self._asr = asr
        self._sessions = sessions
        self._engine_state: dict[str, EngineState] = {}  # of transcripts with sessions; ok when absent
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self, transcript_id: str) -> None:
        self._engine_state.pop(transcript_id, None)

    async def now(self, transcript_id: str) -> StatusChanged:
        """The present status, for whoever asks."""
        transcript = await self._store.get_transcript(transcript_id, including_deleted=True)
        return self._status(transcript.state, transcript_id)

    async def move(self, transcript_id: str, state: TranscriptState, *, audio: AudioState | None = None) -> None:
        """Move and tell; nothing when it stands there already. Raises ``IllegalMove``, ``NotFound``."""
        transcript = await self._store.get_transcript(transcript_id, including_deleted=True)
        if transcript.state is state:
            return
        await self._store.set_state(transcript_id, state)
        await self._journal.append(transcript_id, self._status(state, transcript_id, audio=audio))

    async def try_move(self, transcript_id: str, state: TranscriptState, *, audio: AudioState | None = None) -> None:
        """Move if that is possible now."""
        try:
            await self.move(transcript_id, state, audio=audio)
        except IllegalMove as error:
            log.debug("state not moved", transcript=transcript_id, **error.details)
        except NotFound:
            pass  # deleted meanwhile

    async def tell_progress(self, transcript_id: str, progress: float, message: str) -> None:
        """How much of a file is through, 0..100. Raises ``NotFound`` when the transcript was deleted."""
        transcript = await self._store.get_transcript(transcript_id, including_deleted=True)
        status = self._status(transcript.state, transcript_id, audio="none")
        update = {"progress": min(100.0, max(0.0, progress)), "message": message}
        await self._journal.append(transcript_id, status.model_copy(update=update))

    def audio_changed(self, session: LiveSession) -> None:
        if session.state in (SessionState.STALLED, SessionState.RESUMING, SessionState.LIVE):
            self._tell_soon(session.transcript_id)

    def engine_changed(self, transcript_id: str, state: EngineState) -> None:
        if self._engine_state.get(transcript_id, "ok") != state:
            self._engine_state[transcript_id] = state
            self._tell_soon(transcript_id)

    def _tell_soon(self, transcript_id: str) -> None:
        task = asyncio.create_task(self._tell(transcript_id), name=f"status {transcript_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, transcript_id: str) -> None:
        with logged(transcript_id):
            transcript = await self._store.get_transcript(transcript_id, including_deleted=True)
            await self._journal.append(transcript_id, self._status(transcript.state, transcript_id))

    def _status(self, state: TranscriptState, transcript_id: str, *, audio: AudioState | None = None) -> StatusChanged:
        return StatusChanged(
            state=state,
            progress=100.0 if state is TranscriptState.ENDED else 0.0,
            message=MESSAGES[state],
            engine=self._asr.status.model or None,
            engine_state=self._engine_state.get(transcript_id, "ok"),
            audio=audio or audio_of(s for s in self._sessions.values() if s.transcript_id == transcript_id),
        )


def audio_of(sessions: Iterable[LiveSession]) -> AudioState:
    """What readers are told of a transcript's sound."""
    open_ones = [session for session in sessions if session.state is not SessionState.CLOSED]
    if any(session.paused for session in open_ones):
        return "paused"
    if any(session.state is SessionState.LIVE for session in open_ones):
        return "live"
    return "stalled" if open_ones else "none"


@contextmanager
def logged(transcript_id: str) -> Iterator[None]:
    """For what is told besides: when it cannot be told, the log says so and the work goes on."""
    try:
        yield
    except NotFound:
        pass  # deleted meanwhile
    except EarshotError as error:
        log.warning("could not be told", transcript=transcript_id, code=error.code)
