"""A live session: one source attached to one track, from its connection to the last final.

The session outlives its connection: when that is lost, the session waits for the source to come back with its resume
token, and finishes as if stopped when it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Self

import structlog

from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ, Block
from protocol.errors import EarshotError, Replaced
from protocol.ids import new_session_id
from protocol.states import SESSION_MOVES, SessionState, move
from server.pipeline import TrackPipeline
from server.recorder_place import Place
from server.store.records import AS_USUAL, SourceKind, Track, VoicesAsked

log = structlog.get_logger(__name__)

OnEnded = Callable[[EarshotError | None], None]

RESTED_AFTER_S = 10.0  # who sent nothing for so long is no load
SOUNDING_S = 0.5
PLACE_STEP_SAMPLES = 5 * MS_SAMPLES // 2  # sources begin at multiples of Opus' shortest packet: gaps are whole packets


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a source asks for. ``track`` is the client's own name for its track; ``speaker`` who speaks on it.

    ``track_id`` and ``started_at`` (epoch seconds): of a track whose place is known before it comes.
    ``model``: the recogniser's by which a file is to be heard; None: whichever the house has.
    ``voices``: whether those that it mixes are to be told apart.
    ``takes_over``: it is known by other means to be the one that had its place before, which it gets.
    ``utterance_silence_ms``: the silence that ends an utterance; None: the house's.
    ``comes_back``: who loses a speaking socket comes back to its session, and sends what was not acknowledged.
    ``heard_language``: what was heard on its track before, where nobody said a language.
    ``let_in``: it began to come before the node began to leave, and may end.
    """

    language: str | None = None
    speaker: str | None = None
    track: str | None = None
    hotwords: tuple[str, ...] = ()
    interim: bool = True
    utterance_silence_ms: int | None = None
    lane: str = "live"
    source: SourceKind = "stream"
    takes_over: bool = False
    comes_back: bool = False
    let_in: bool = False
    track_id: str | None = None
    started_at: float | None = None
    model: str | None = None
    voices: VoicesAsked = AS_USUAL
    heard_language: str | None = None

    @classmethod
    def of(cls, track: Track) -> Self:
        """What a track says of its source, whose session is gone."""
        lane = "file" if track.source == "file" else "live"
        return cls(lane=lane, source=track.source, comes_back=track.source == "stream")

    @property
    def place(self) -> Place:
        """Where it wants to record."""
        return Place(self.track or None, self.speaker or None)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a session came to."""

    duration_s: float
    segments: int
    words: int


class Source(Protocol):
    """What turns a connection's bytes into blocks."""

    async def flush(self) -> None:
        """Feed what is still inside, and let go of everything. Raises what was wrong with the last bytes."""


class LiveSession:
    """One source on one track.

    ``feed`` takes blocks in the track's time; a source that counts from its own beginning adds ``place()`` first.
    Whoever attaches gives ``on_ended``: it is called once, when our side ends the attachment: with the reason
    (replaced, draining, deleted), or None when the recording was stopped. It is never called after the source left by
    itself.
    """

    def __init__(
        self,
        pipeline: TrackPipeline,
        resume_token: str,
        *,
        finish: Callable[[LiveSession, bool], Awaitable[None]],
        on_audio_state: Callable[[LiveSession], None],
        resume_grace_s: float,
        stalled_after_s: float,
        comes_back: bool = False,
    ) -> None:
        self.session_id = new_session_id()
        self.resume_token = resume_token
        self.pipeline = pipeline
        self._finish = finish
        self._on_audio_state = on_audio_state
        self._resume_grace_s = resume_grace_s
        self._stalled_after_s = stalled_after_s
        self.recorder_place = Place.of(pipeline.track)
        self.comes_back = comes_back
        self.leaves_open = False  # words that may go on are not its to tell
        self.gives_way = False  # to one that begins at its place: its node stopped, and its source has not come since
        self.is_left_open = False  # as there are some: whoever goes on with the track hears them whole

        self.state = SessionState.CONNECTING
        self._heard = False  # whether any sound ever came
        self._came = False  # whether a source ever was there that could be heard
        self.paused = False
        self.muted = False  # its source itself asked for the pause: others in a room do not hear it either
        self.declared_samples: int | None = None  # how long a file says that it is
        self.opened_at_s = time.monotonic()
        # Where in the track that was. The wall clock is asked once, so that a clock set right moves no sound.
        self._opened_at_samples = max(0, round((time.time() - pipeline.track.started_at) * SAMPLE_RATE_HZ))
        self._sound_at_s = time.monotonic()  # when sound last came
        self._on_ended: OnEnded | None = None  # of the source that is attached, and of no other
        self._grace: asyncio.TimerHandle | None = None
        self.finishing: asyncio.Task[None] | None = None
        # The decoder of a socket, with its state: it outlives a lost connection, and is flushed when all is over.
        self.source: Source | None = None
        self.source_error: EarshotError | None = None  # what the flush found wrong with the end of the sound
        self.ended_by: EarshotError | None = None  # why our side ended it; None where it was stopped
        self.failure: EarshotError | None = None  # why it could not be finished as it should
        self._deaf = False  # after the flush: what still comes is not heard
        # Told how far the track is durable; belongs to the connection that is attached.
        self.on_durable: Callable[[int], None] | None = None
        pipeline.recorder.on_durable(self._durable)

    def is_at(self, place: Place) -> bool:
        """Whether it records there."""
        if place.track:
            return self.track.name == place.track
        if place.speaker:
            return self.track.speaker == place.speaker
        return self.recorder_place.is_own

    @property
    def track(self) -> Track:
        return self.pipeline.track

    @property
    def transcript_id(self) -> str:
        return self.track.transcript_id

    @property
    def is_live(self) -> bool:
        """It has a source, or waits for one, that speaks at its own pace."""
        return self.state is not SessionState.CLOSED and self.track.source != "file"

    @property
    def takes_place(self) -> bool:
        """All do but participants of a bot's meeting: those do that spoke lately, and are heard live."""
        if self.track.source != "bot":
            return True
        is_silent = time.monotonic() - self._sound_at_s > RESTED_AFTER_S
        return self.pipeline.options.lane != "file" and not (is_silent and self.is_live)

    @property
    def expected_samples(self) -> int | None:
        """How much sound it is in all, if that is known: a file says so, and what has ended is as long as it is."""
        if self.state is SessionState.CLOSED:
            return self.pipeline.length_samples
        if self.declared_samples is None:
            return None
        return max(self.declared_samples, self.pipeline.length_samples)

    @property
    def is_sounding(self) -> bool:
        """Sound comes just now."""
        return self.state is SessionState.LIVE and time.monotonic() - self._sound_at_s < SOUNDING_S

    @property
    def is_empty(self) -> bool:
        """Its source never came, and nothing is on its track."""
        return not (self._came or self._heard or self.pipeline.length_samples)

    @property
    def attached(self) -> bool:
        return self._on_ended is not None

    @property
    def grace_left_s(self) -> float | None:
        """For how long its source may still come back; None when it waits for none."""
        return None if self._grace is None else max(0.0, self._grace.when() - asyncio.get_running_loop().time())

    def place(self) -> int:
        """The track sample that is now: where the sound of a source belongs that begins to count at this moment."""
        since_open = round((time.monotonic() - self.opened_at_s) * SAMPLE_RATE_HZ)
        now_samples = max(self.pipeline.length_samples, self._opened_at_samples + since_open)
        return -(-now_samples // PLACE_STEP_SAMPLES) * PLACE_STEP_SAMPLES

    def attach(self, on_ended: OnEnded, *, connected: bool = True) -> None:
        """Become this session's source. One that was there before is told that it was replaced.

        Unless ``connected``, it may never be, and no recogniser waits for it until ``connected`` or sound says so.
        """
        previous, self._on_ended = self._on_ended, on_ended
        self.gives_way = False
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if previous is not None:
            previous(Replaced("another connection continues this session"))
        self._sound_at_s = time.monotonic()
        if connected:
            self.connected(on_ended)

    def connected(self, by: OnEnded) -> None:
        """The source is there and can be heard. ``by``: as in ``lost``."""
        if self._on_ended == by:
            self._came = True
            self.pipeline.listen()

    def feed(self, block: Block) -> None:
        """Take sound; never blocks. While paused the track's time goes on, as silence."""
        if self._deaf:
            return
        self.alive()
        if self.paused:
            block = block.silenced()
        self.pipeline.feed(block)

    def alive(self) -> None:
        """Something came from the source, be it only half a packet."""
        self._heard = True
        self._sound_at_s = time.monotonic()
        if self.state not in (SessionState.LIVE, SessionState.CLOSED):
            self._move(SessionState.LIVE)

    def check(self, now_s: float) -> None:
        """Called twice a second: without sound for a while the session is stalled, from the beginning, too."""
        waits = self.state is SessionState.LIVE or (self.state is SessionState.CONNECTING and self.attached)
        if waits and now_s - self._sound_at_s >= self._stalled_after_s:
            self._move(SessionState.STALLED)

    def abandon(self) -> None:
        """Its source never came: whoever asked for it was gone before it could attach."""
        if self.state is SessionState.CONNECTING:
            self.finish_soon()

    def lost(self, by: OnEnded, reason: str) -> None:
        """The connection is gone: wait for it to come back, then finish as if stopped. Idempotent.

        ``by`` is what the source attached with. One that is not attached (any more) loses nothing: another may be.
        """
        if self._on_ended != by or self.finishing is not None:
            return
        self._on_ended = None
        log.info("session lost its connection", session=self.session_id, track=self.track.id, reason=reason)
        if not self._heard and self.state in (SessionState.CONNECTING, SessionState.STALLED):
            self.finish_soon()  # nothing was ever heard: nothing to come back to
            return
        self.wait_for_source()

    def wait_for_source(self) -> None:
        """Keep the session for a source that may come back with the resume token; finish when none does in time."""
        if self.state is not SessionState.RESUMING:
            self._move(SessionState.RESUMING)
        if self._grace is not None:
            self._grace.cancel()
        self._grace = asyncio.get_running_loop().call_later(self._resume_grace_s, self.finish_soon)

    def end(self, error: EarshotError | None, *, finals: bool = True) -> None:
        """Send the source away, and finish."""
        on_ended, self._on_ended = self._on_ended, None
        if self.finishing is None:
            self.ended_by = error
        if on_ended is not None:
            on_ended(error)
        self.finish_soon(finals=finals)

    def finish_soon(self, *, finals: bool = True, leave_open: bool = False) -> asyncio.Task[None]:
        """Begin to finish, in the background; a second call joins the first. ``leave_open``: its source goes on
        elsewhere, perhaps in the middle of a word."""
        if self.finishing is None:
            self.leaves_open = leave_open
            if self._grace is not None:
                self._grace.cancel()
            if self.state is not SessionState.CLOSED:
                self._move(SessionState.CLOSED)
            self.finishing = asyncio.create_task(self._run_finish(finals), name=f"finish {self.session_id}")
        return self.finishing

    async def stop(self) -> Finished:
        """Finish: returns when the last final is durable and the track is closed."""
        self._on_ended = None
        await asyncio.shield(self.finish_soon())
        pipeline = self.pipeline
        return Finished(pipeline.length_samples / SAMPLE_RATE_HZ, pipeline.segments, pipeline.words)

    async def abort(self) -> None:
        """Finish without finals, also when it waits for them just now. Its source should be told before."""
        finishing = self.finish_soon(finals=False)
        finishing.cancel()
        await asyncio.wait([finishing])
        await self.release()

    async def drop_source(self) -> None:
        """Another kind of connection goes on with the track: what its forerunner still held inside is heard first."""
        source, self.source = self.source, None
        if source is not None:
            try:
                await source.flush()
            except EarshotError as error:
                log.info("sound ended badly", session=self.session_id, code=error.code)

    async def release(self) -> None:
        """Let go of everything at once; what has no finals yet gets them at the next start. Idempotent."""
        await self._flush()
        await self.pipeline.finish(finals=False)

    async def _run_finish(self, finals: bool) -> None:
        await self._flush()
        await self._finish(self, finals)

    async def _flush(self) -> None:
        if self.source is not None:
            try:
                await self.source.flush()
            except EarshotError as error:
                log.info("sound ended badly", session=self.session_id, code=error.code)
                self.source_error = error
        self._deaf = True

    def _durable(self, samples: int) -> None:
        if self.on_durable is not None:
            self.on_durable(samples)

    def _move(self, state: SessionState) -> None:
        before, self.state = self.state, move(SESSION_MOVES, self.state, state)
        log.info("session moved", session=self.session_id, track=self.track.id, before=before.value, now=state.value)
        self._on_audio_state(self)
