"""All live sessions of this node: who may begin, who is there, what a transcript's state is, and how all of it ends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from asr.client import AsrClient
from media.recording import Recording
from protocol.errors import Conflict, Draining, EarshotError, HeldElsewhere, IllegalMove, NotFound, StoreUnavailable
from protocol.events import StatusChanged
from protocol.states import SessionState, TranscriptState
from server import endings, heard_as
from server.admission import admit_sound
from server.journal import Journal
from server.left_open import LeftOpen
from server.live import LiveSession, SourceOptions
from server.locks import Locks
from server.metrics import Metrics
from server.nodes.holding import Holding
from server.nodes.kept_sound import KeptSound
from server.pipeline import TrackPipeline
from server.places import Places
from server.recognition import of_nobody
from server.recorders import admit_recorder, new_track
from server.resume import ResumeTokens
from server.rounds import repeat
from server.session_options import session_options
from server.settings import Settings
from server.status import StatusTeller, logged
from server.store.changes import check_takes_sound
from server.store.records import Track, Transcript
from server.store.store import Store
from server.track_prints import TrackPrints
from server.voices import Voices

log = structlog.get_logger(__name__)


class Hub:
    """The node's live sessions.

    Moves transcripts between their states and tells it in their journals: recording while a session is there,
    processing while finals are still due, ended after the last.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        journal: Journal,
        asr: AsrClient,
        sound: KeptSound,
        tokens: ResumeTokens,
        metrics: Metrics,
        holding: Holding,
    ) -> None:
        self._settings = settings
        self._store = store
        self._journal = journal
        self._asr = asr
        self.sound = sound
        self._tokens = tokens
        self._metrics = metrics
        self._holding = holding
        self._sessions: dict[str, LiveSession] = {}
        self._settling: set[asyncio.Task[None]] = set()  # that finish, and are no sessions any more
        self.places = Places(settings, self._sessions, asr)
        self.voices = Voices(store)
        self._locks = Locks()  # attaching, pausing and ending happen one after the other for each transcript
        self.node_id: Callable[[], str] = lambda: holding.node_id
        self._status = StatusTeller(store, journal, asr, self._sessions, node_id=self.node_id)
        self._left_open = LeftOpen(holding, self._locks, self._status)
        self._rounds: list[asyncio.Task[None]] = []
        # Whose bots are here, and what sends one away: more is to come of these, also while nobody speaks.
        self.kept_open: dict[str, Callable[[EarshotError], None]] = {}
        self.is_leaving: Callable[[], bool] = lambda: holding.is_leaving
        self.before_end: Callable[[str], Awaitable[None]] | None = None  # never raises, and takes only so long
        self.recognised: Callable[[Track, int, str], None] = lambda track, number, voice_id: None

    @property
    def sessions(self) -> Mapping[str, LiveSession]:
        return self._sessions

    def start(self) -> None:
        watching = endings.watch(self._sessions, self._settings)
        of_idle = partial(endings.let_go_of_idle, self._holding, self._locks, self._sessions)
        letting_go = repeat(of_idle, every_s=endings.IDLE_S, name="letting go")
        rounds = ("check sessions", watching), ("letting go", letting_go)
        self._rounds = [asyncio.create_task(each, name=name) for name, each in rounds]

    async def drain(self, deadline_s: float) -> bool:
        """Refuse new sessions, finish those there are; whether all finals came in time. Sources are told last."""
        self._holding.is_leaving = True
        return await endings.drain(list(self._sessions.values()), deadline_s)

    async def stop(self) -> None:
        """Let go of everything. What has no finals yet gets them at the next start."""
        self._holding.is_leaving = True
        for task in self._rounds:
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)
        await endings.release(list(self._sessions.values()))
        self._sessions.clear()
        await endings.settled(set(self._settling))
        await self._status.stop()

    # Sessions.

    async def attach(
        self, transcript_id: str, options: SourceOptions, *, resume_token: str | None = None
    ) -> LiveSession:
        """A session for a new source, or the one that ``resume_token`` continues; call its ``attach`` next.

        Raises ``NotFound``, ``Replaced``, ``Conflict`` (another records this already, or it is locked), ``Overloaded``,
        ``Draining``, ``StoreUnavailable``, or ``HeldElsewhere``: another node has it.
        """
        if self.is_leaving() and not options.let_in:
            raise Draining("the server is about to stop; connect again", retry_after_s=5)
        self._journal.check_store()
        transcript = await self._store.get_transcript(transcript_id)
        check_takes_sound(transcript)
        track_id = None if resume_token is None else self._tokens.track_of(transcript_id, resume_token)
        while True:
            if track_id is not None:
                await self._let_finish(transcript_id, track_id)
            async with self._locks.of(transcript_id):
                session = next((s for s in self.sessions_of(transcript_id) if s.track.id == track_id), None)
                if session is None:
                    async with self._holding.beginning(transcript_id):
                        await admit_recorder(self._store, self._live_of(transcript_id), options, track_id)
                        return await self._begin(transcript, track_id, options)
                if session.state is not SessionState.CLOSED:
                    await heard_as.go_on(session, options, self._asr, self._store)
                    return session
            # It was closed while the lock was waited for: look again.

    async def _begin(self, transcript: Transcript, track_id: str | None, options: SourceOptions) -> LiveSession:
        if options.source == "file":
            admit_sound(self._settings)
            session = await self._opened(transcript, track_id, options)
        else:
            with self.places.admitted(options) as admitted:
                session = await self._opened(transcript, track_id, admitted)
        try:
            await self._tell_begun(session)
        except BaseException:
            session.finish_soon()
            raise
        return session

    async def _opened(self, transcript: Transcript, track_id: str | None, options: SourceOptions) -> LiveSession:
        track, me = None, self.node_id()
        if track_id is not None:
            # Open again, so that a crash from here on is recovered from. One whose source never came is gone.
            with suppress(NotFound):
                track = await self._store.update_track(track_id, state="open", held_by=me)
        if track is not None:
            track, options = await heard_as.again(self._store, track, transcript, options)
        else:
            reserve = partial(self.voices.reserve, transcript.id)
            track_id, apart = None, self._settings.diarize
            track = await new_track(self._store, transcript.id, options, tells_apart=apart, reserve=reserve, held_by=me)
        # A peer that may never connect is no load before it does.
        session = await self._open(track, options, listen=track_id is not None or options.source != "webrtc")
        if track_id is None:
            session.recorder_place = options.place
        return session

    async def _tell_begun(self, session: LiveSession) -> None:
        transcript = await self._store.get_transcript(session.transcript_id)
        if transcript.state is TranscriptState.PAUSED:
            session.paused = session.is_live  # the whole transcript is
        elif session.is_live:
            await self._status.move(transcript.id, TranscriptState.RECORDING, audio="live")
        elif not self._live_of(transcript.id):
            await self._status.move(transcript.id, TranscriptState.PROCESSING, audio="none")

    async def recover(self, track: Track) -> LiveSession:
        """One without a source, for a track whose end was never heard; or raises ``Conflict``: its source is back."""
        async with self._locks.of(track.transcript_id):
            await self._holding.hold(track.transcript_id)
            if any(session.track.id == track.id for session in self.sessions_of(track.transcript_id)):
                raise Conflict("its source is back")
            track = await self._store.get_track(track.id)  # it may have been there meanwhile
            transcript = await self._store.get_transcript(track.transcript_id)
            session = await self._open(track, await heard_as.recalled(self._store, track, transcript))
            session.gives_way = self._holding.was_left(transcript.id)
            await self._status.recall_progress(transcript.id)
            session.paused = session.is_live and transcript.state is TranscriptState.PAUSED
            return session

    async def _let_finish(self, transcript_id: str, track_id: str) -> None:
        """A session of the track that is just finishing must let go of its recorder before there is another."""
        while closed := [
            session
            for session in self.sessions_of(transcript_id)
            if session.track.id == track_id and session.state is SessionState.CLOSED
        ]:
            await asyncio.wait([session.finish_soon() for session in closed])
            for session in closed:
                self._sessions.pop(session.session_id, None)

    async def _open(self, track: Track, options: SourceOptions, *, listen: bool = True) -> LiveSession:
        path = self.recording_path(track)
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await self.voices.learn(track.transcript_id)
        encoder, unowned = self._asr.status.encoder, of_nobody(self._settings)
        load = partial(TrackPrints.load, self._store, track, encoder=encoder, of_nobody=unowned)
        prints = await load() if track.diarize else None
        recorder = await self.sound.open(track, held_by=self.node_id())
        pipeline = TrackPipeline(
            track,
            recorder,
            Recording(path),
            self._journal,
            self._metrics,
            voices=self.voices,
            prints=prints,
            redacts=await self._store.conversations.redacts(track.transcript_id),
            on_engine_state=lambda state: self._status.engine_changed(track.transcript_id, state),
            on_recognised=lambda *heard: self.recognised(*heard),
        )
        session = LiveSession(
            pipeline,
            self._tokens.make(track.transcript_id, track.id),
            finish=self._finish,
            on_audio_state=self._status.audio_changed,
            resume_grace_s=self._settings.resume_grace_s,
            # A file comes as fast as it is heard, and who is muted in a meeting sends nothing: they do not stall.
            stalled_after_s=math.inf if options.source in ("file", "bot") else self._settings.stalled_after_s,
            comes_back=options.comes_back and self.sound.is_for_all,
        )
        self._sessions[session.session_id] = session
        pipeline.start(self._asr, session_options(self._settings, track, options), listen=listen)
        return session

    def recording_path(self, track: Track) -> Path:
        return self.sound.recordings.path_of(track)

    def recording(self, track: Track) -> Recording:
        """A track's sound, for readers, who see to it that it is here: ``sound.fetch``."""
        return self.sound.recordings.of(track)

    # How a session ends.

    async def _finish(self, session: LiveSession, finals: bool) -> None:
        transcript_id, track = session.transcript_id, session.track
        finals = finals and not (session.leaves_open and await self._left_open.leaves(session))
        if finals:
            with logged(transcript_id):
                async with self._locks.of(transcript_id):
                    if not self._live_of(transcript_id):
                        await self._status.try_move(transcript_id, TranscriptState.PROCESSING, audio="none")
        try:
            await session.pipeline.finish(finals=finals)
            if finals and session.is_empty:
                await endings.patiently(lambda: self.forget_track(track))
            elif session.is_left_open:
                session.pipeline.take_back()
            elif finals:
                length_samples, mine = session.pipeline.length_samples, self._holding.node_id
                done = partial(self._store.update_track, track.id, held_by=mine)
                await endings.patiently(lambda: done(length_samples=length_samples, state="finished"))
        except (NotFound, HeldElsewhere):
            pass  # deleted meanwhile, or another node goes on with it
        except EarshotError as error:
            log.error("session did not finish well", session=session.session_id, code=error.code)
            session.failure = error
            await self._status.tell_failed(transcript_id, error)
        # An engine that could hear nothing at all has failed, whatever it was that ended.
        failed = session.failure is not None or (session.pipeline.given_up > 0 and not session.pipeline.segments)
        self._sessions.pop(session.session_id, None)
        if finals or session.is_left_open:
            task = asyncio.current_task()
            assert task is not None
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
            with logged(transcript_id):
                await endings.patiently(lambda: self.settle(transcript_id, failed=failed))

    async def forget_track(self, track: Track) -> None:
        """A track whose source never came, so that those that tried in vain do not pile up, or stand before others."""
        await self._store.delete_track(track.id, held_by=self._holding.node_id)
        self.let_go(path := self.recording_path(track))
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def settle(self, transcript_id: str, *, failed: bool = False) -> None:
        """Unless somebody is there, the transcript is at its end: complete, or failed with its sound kept.

        Before that is told, ``before_end`` says once more who spoke: whoever waits for the end reads that.
        """
        if await self._left_open.settle(transcript_id, lambda: bool(self.sessions_of(transcript_id))):
            return
        is_over = not self.sessions_of(transcript_id) and not await self._is_kept_open(transcript_id)
        if is_over and self.before_end is not None:
            await self.before_end(transcript_id)
        async with self._locks.of(transcript_id):
            if self.sessions_of(transcript_id):
                return
            try:
                await self._holding.hold(transcript_id)
            except HeldElsewhere:
                return  # its holder will come to that
            is_open = await self._settle(transcript_id, failed)
            with suppress(StoreUnavailable):  # then it is soon idle
                await self._holding.let_go(transcript_id)
        # Another node that closed it meanwhile could not settle it: it was held here.
        if is_open and not await self._is_kept_open(transcript_id):
            await self.settle(transcript_id, failed=failed)

    async def _settle(self, transcript_id: str, failed: bool) -> bool:
        """Whether it is kept open."""
        await self._status.try_move(transcript_id, TranscriptState.PROCESSING, audio="none")
        if await self._is_kept_open(transcript_id):
            await self._status.try_move(transcript_id, TranscriptState.RECORDING, audio="none")
            return True
        end = TranscriptState.FAILED if failed else TranscriptState.ENDED
        await self._status.try_move(transcript_id, end, audio="none")
        self.voices.forget(transcript_id)
        self._status.forget(transcript_id)
        return False

    async def _is_kept_open(self, transcript_id: str) -> bool:
        """More is to come of it, also while nobody is there."""
        is_open = transcript_id in {*self.kept_open, *self._holding.left}
        return is_open or await self._store.conversations.is_unclosed(transcript_id)

    # How a transcript goes: its lock is the caller's to hold.

    def lock_of(self, transcript_id: str) -> asyncio.Lock:
        """Whoever holds it is alone with the transcript: no session of it begins, and none moves its state."""
        return self._locks.of(transcript_id)

    def sessions_of(self, transcript_id: str) -> list[LiveSession]:
        return [session for session in self._sessions.values() if session.transcript_id == transcript_id]

    async def drop(self, session: LiveSession) -> None:
        """End it without finals: there is nobody to tell them."""
        session.end(NotFound("the transcript was deleted"), finals=False)
        await session.abort()
        self._sessions.pop(session.session_id, None)

    def forget(self, transcript_id: str) -> None:
        """Let go of what is remembered of one without sessions, and of its sound."""
        self.voices.forget(transcript_id)
        self._status.forget(transcript_id)
        self.sound.recordings.forget(transcript_id)

    def let_go(self, path: Path) -> None:
        self.sound.recordings.let_go(path)

    # What a transcript's readers ask for.

    async def status(self, transcript_id: str) -> tuple[StatusChanged, int]:
        """Where the transcript stands now, and its lag in ms."""
        lag_ms = max((session.pipeline.lag_ms for session in self.sessions_of(transcript_id)), default=0)
        return await self._status.now(transcript_id), lag_ms

    async def tell_progress(self, transcript_id: str) -> None:
        """Tell readers how far the work is, if it is time to. Raises ``NotFound`` when the transcript was deleted."""
        if self._status.is_progress_due(transcript_id):
            async with self._locks.of(transcript_id):  # so that it never comes after the end
                await self._status.tell_progress(transcript_id)

    async def pause(self, transcript_id: str) -> None:
        """The tracks' time goes on, as silence. Raises ``IllegalMove`` when nothing is being recorded."""
        await self._store.get_transcript(transcript_id)
        async with self._locks.of(transcript_id):
            await self._holding.hold(transcript_id)
            await self._status.move(transcript_id, TranscriptState.PAUSED, audio="paused")
            for session in self._live_of(transcript_id):
                session.paused = True

    async def pause_session(self, session: LiveSession, *, paused: bool) -> None:
        """Pause or go on with one source; the transcript is paused while all of its sources are."""
        session.paused = session.muted = paused
        if not paused:
            await self.unpause(session.transcript_id, only=session)
        elif all(other.paused for other in self._live_of(session.transcript_id)):
            await self.pause(session.transcript_id)

    async def unpause(self, transcript_id: str, *, only: LiveSession | None = None) -> None:
        """Go on after a pause; when nothing is paused, nothing happens."""
        async with self._locks.of(transcript_id):
            transcript = await self._store.get_transcript(transcript_id)
            await self._holding.hold(transcript_id)
            for session in self._live_of(transcript_id):
                session.paused = session.paused and only is not None and session is not only
            if transcript.state is TranscriptState.PAUSED:
                await self._status.move(transcript_id, TranscriptState.RECORDING, audio="live")

    async def end(self, transcript_id: str) -> None:
        """Finish every live session of the transcript, as if each had stopped. ``IllegalMove`` when there is none."""
        await self._store.get_transcript(transcript_id)
        await self._holding.check(transcript_id)
        sessions = self._live_of(transcript_id)
        if not sessions:
            raise IllegalMove("nothing is being recorded")
        for session in sessions:
            session.end(None)

    async def lose(self) -> None:
        """Others may go on with all that was held here."""
        await endings.lose(self._sessions, self.kept_open)

    def _live_of(self, transcript_id: str) -> list[LiveSession]:
        return [session for session in self.sessions_of(transcript_id) if session.is_live]
