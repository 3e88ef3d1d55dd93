"""One speaking socket, without knowing WebSockets: control messages and audio in, messages out.

What a connection leaves behind when it is lost (the decoder with its state) stays with the live session, so that the
next connection goes on at the very sample.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from media.container_stream import ContainerDecoder
from media.decode import DecodeLimits
from media.sockets import SocketDecoder
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import Conflict, Draining, EarshotError, RateLimited, Replaced
from protocol.states import SessionState
from protocol.wire import stream, v1
from protocol.wire.stream import Control, Encoding, Start
from server.hub import Hub
from server.live import LiveSession, SourceOptions
from server.settings import Settings
from server.store.records import VoicesAsked

MEBIBYTE = 1 << 20
STREAMS_MAX = 2  # of a container that is sent live: a camera may come with the microphone
# So much sound may run ahead of the clock before a sender is held back at all: clients send in bursts.
FREE_AHEAD_S = 10.0
BURST_S = 30.0
FINALIZING_MAX = 4

Send = Callable[[dict[str, Any]], None]


# Encoding, sample rate and channels: what a resumed session must keep.
Form = tuple[Encoding, int, int]


class _SampleSource:
    """Samples or Opus packets: every position of the client's is a sample of the track."""

    def __init__(self, session: LiveSession, start: Start) -> None:
        self.form = form_of(start)
        self._session = session
        length_samples = session.pipeline.length_samples
        self._decoder = SocketDecoder(
            start.encoding,
            start.sample_rate,
            start.channels,
            start_position=length_samples * start.sample_rate // SAMPLE_RATE_HZ,
            start_samples=length_samples,
        )

    @property
    def position(self) -> int:
        return self._decoder.position

    async def feed(self, data: bytes) -> None:
        for block in self._decoder.feed(data):
            self._session.feed(block)

    async def settled(self) -> None:
        """Until what an earlier connection gave is taken."""

    async def flush(self) -> None:
        for block in self._decoder.flush():
            self._session.feed(block)

    def durable_position(self, durable_samples: int) -> int:
        return min(self._decoder.position_of(durable_samples), self._decoder.position)


class _ContainerSource:
    """A container as it comes: positions are bytes. What is not decoded yet waits in the decoder's own thread."""

    def __init__(self, session: LiveSession, start: Start, limits: DecodeLimits) -> None:
        self.form = form_of(start)
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._origin_samples = self._heard_samples = session.pipeline.length_samples
        self._feeding: asyncio.Future[None] | None = None
        self._decoder = ContainerDecoder(limits, self._on_block, on_drained=self._on_drained)
        # When the decoder had worked through all it had been given: how many bytes that were, and the sound so far.
        self._drained_bytes = 0
        self._drained_samples = self._origin_samples
        # Bytes that are surely in the sound before a sample, oldest first; gone as soon as that sound is durable.
        self._marks: deque[tuple[int, int]] = deque()
        self._durable_position = 0

    @property
    def position(self) -> int:
        return self._decoder.fed_bytes

    async def feed(self, data: bytes) -> None:
        # A connection that is lost meanwhile cancels us, but not the thread: its bytes count as taken.
        self._feeding = asyncio.ensure_future(asyncio.to_thread(self._decoder.feed, data))
        self._feeding.add_done_callback(lambda feeding: feeding.cancelled() or feeding.exception())
        await asyncio.shield(self._feeding)

    async def settled(self) -> None:
        if self._feeding is not None:
            await asyncio.wait([self._feeding])

    async def flush(self) -> None:
        await self.settled()
        await asyncio.to_thread(self._decoder.close)

    def durable_position(self, durable_samples: int) -> int:
        while self._marks and self._marks[0][1] <= durable_samples:
            self._durable_position = self._marks.popleft()[0]
        return self._durable_position

    # In the decoder's thread.

    def _on_block(self, block: Block) -> None:
        self._loop.call_soon_threadsafe(self._hear, block.moved(self._origin_samples))

    def _on_drained(self, taken_bytes: int) -> None:
        self._loop.call_soon_threadsafe(self._mark, taken_bytes)

    # On the loop.

    def _hear(self, block: Block) -> None:
        self._heard_samples = block.end_samples
        try:
            self._session.feed(block)
        except EarshotError as error:
            self._session.end(error)

    def _mark(self, taken_bytes: int) -> None:
        # The last bytes may be half a packet. The sound that came since the time before holds all bytes of that time.
        if self._heard_samples > self._drained_samples:
            self._marks.append((self._drained_bytes, self._heard_samples))
            self._drained_bytes, self._drained_samples = taken_bytes, self._heard_samples


_Source = _SampleSource | _ContainerSource


class SpeakingSession:
    """One connection of a speaking socket. ``send`` must never block."""

    def __init__(self, hub: Hub, settings: Settings, session: LiveSession, source: _Source, send: Send) -> None:
        self.session = session
        self.has_sound = False  # some came by this connection
        self.before_sound: Callable[[], Awaitable[None]] | None = None  # the first that does
        self._hub = hub
        self._settings = settings
        self._source = source
        self._send = send
        self._began_at_s = time.monotonic()
        self._began_samples = session.pipeline.length_samples
        self._acked = 0
        self._ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._finalizing: set[asyncio.Task[None]] = set()
        self._detached = False
        self._is_late = False  # sound came that is not kept any more

    @classmethod
    async def begin(
        cls,
        hub: Hub,
        settings: Settings,
        transcript_id: str,
        start: Start,
        send: Send,
        *,
        comes_back: bool,
    ) -> SpeakingSession:
        """Attach, and say ``started``. ``comes_back``: as in ``SourceOptions``. Raises what ``Hub.attach`` raises,
        ``AudioFormatError``, ``Conflict``."""
        participant = start.participant
        options = SourceOptions(
            language=start.language,
            speaker=participant.name if participant else None,
            track=start.track or (participant.id if participant else None),
            hotwords=start.hotwords,
            interim=start.interim,
            utterance_silence_ms=start.utterance_silence_ms,
            voices=_voices_of(start),
            comes_back=comes_back,
        )
        session = await hub.attach(transcript_id, options, resume_token=start.resume)
        try:
            source = cls._source_of(session, start, settings)
        except Conflict:
            if not session.attached:
                session.finish_soon()  # whoever has its token cannot go on, and is to begin a new one in its place
            raise
        except BaseException:
            if not session.attached:
                session.abandon()
            raise
        speaking = cls(hub, settings, session, source, send)
        session.attach(speaking._end)
        session.on_durable = speaking._durable
        await source.settled()
        send(
            stream.started(
                session_id=session.session_id,
                resume_token=session.resume_token,
                position=source.position,
                max_message_bytes=settings.message_max_bytes,
                keepalive_s=settings.idle_deadline_s / 3,
                catch_up_factor=settings.catch_up_factor,
            )
        )
        return speaking

    @staticmethod
    def _source_of(session: LiveSession, start: Start, settings: Settings) -> _Source:
        source = session.source
        if not isinstance(source, _SampleSource | _ContainerSource):
            if start.resume is not None and start.encoding is Encoding.CONTAINER:
                raise Replaced("a container cannot go on here; begin a new one, without the token")
            source = session.source = _open_source(session, start, settings)
        if source.form != form_of(start):
            raise Conflict(
                "a resumed session keeps its encoding, sample rate and channels; begin a new one, without the token"
            )
        return source

    async def audio(self, data: bytes) -> None:
        """Take one binary message; holds a sender back that runs far ahead of the clock, and loses nothing of it."""
        if self._ended.done():
            return
        if self.session.state is SessionState.CLOSED:
            self._is_late = True  # the node is leaving: nothing more is kept, and so not acknowledged either
            return
        self.session.alive()
        if data and not self.has_sound:
            if self.before_sound is not None:
                await self.before_sound()
            self.has_sound = True
        await self._source.feed(data)
        ahead_s = self._sent_s() - (time.monotonic() - self._began_at_s)
        if ahead_s > FREE_AHEAD_S:
            await self._hold_back()

    async def _hold_back(self) -> None:
        room: asyncio.Future[Any] = asyncio.ensure_future(self.session.pipeline.room())
        try:
            await asyncio.wait((room, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            room.cancel()
        over_s = self._sent_s() - BURST_S - (time.monotonic() - self._began_at_s) * self._settings.catch_up_factor
        if over_s > 0 and not self._ended.done():
            await asyncio.wait([self._ended], timeout=over_s / self._settings.catch_up_factor)

    def _sent_s(self) -> float:
        return (self.session.pipeline.length_samples - self._began_samples) / SAMPLE_RATE_HZ

    async def control(self, control: Control) -> None:
        """Do what a control message asks. ``stop`` is a method of its own."""
        if control is Control.FINALIZE:
            if len(self._finalizing) >= FINALIZING_MAX:
                raise RateLimited("wait for finalized before you ask again")
            task = asyncio.create_task(self._finalize(), name=f"finalize {self.session.session_id}")
            self._finalizing.add(task)
            task.add_done_callback(self._finalizing.discard)
        elif control in (Control.PAUSE, Control.RESUME):
            await self._hub.pause_session(self.session, paused=control is Control.PAUSE)
            await self._tell_status()
        elif control is Control.GET_STATUS:
            await self._tell_status()

    async def _finalize(self) -> None:
        position = self._source.position
        try:
            await self.session.pipeline.finalize()
        except EarshotError as error:
            self._send(v1.render_error(error, recoverable=True))
        else:
            self._send(stream.finalized(position))

    async def _tell_status(self) -> None:
        status, lag_ms = await self._hub.status(self.session.transcript_id)
        self._send(v1.render_status(status, lag_ms=lag_ms))

    async def stop(self) -> None:
        """The rest of the finals, the last ack, ``stopped``. The connection may be closed after this.

        Raises what was wrong with the end of the sound; what came before it is kept all the same. Raises ``Draining``
        where the node was leaving before the sound had come: what is not acknowledged is to be sent elsewhere.
        """
        finished = await self.session.stop()
        self._detach()
        if self._is_late or self.session.is_left_open:
            raise Draining("the server is about to stop: connect again, and send what was not acknowledged")
        failure = self.session.failure or self.session.source_error
        if failure is not None:
            raise failure
        self._send(stream.ack(self._source.position))
        self._send(stream.stopped(duration_s=finished.duration_s, segments=finished.segments, words=finished.words))

    def lost(self, reason: str) -> None:
        """The connection is gone. Idempotent; nothing after a stop, or when another took the session over."""
        self.session.lost(self._end, reason)
        self._detach()

    async def wait_ended(self) -> EarshotError | None:
        """Returns when our side ends the attachment: the reason, or None when the recording was stopped."""
        error: EarshotError | None = await asyncio.shield(self._ended)
        return error

    def _end(self, error: EarshotError | None) -> None:
        if not self._ended.done():
            self._ended.set_result(error)

    def _detach(self) -> None:
        self._detached = True
        for task in list(self._finalizing):
            task.cancel()

    def _durable(self, durable_samples: int) -> None:
        position = self._source.durable_position(durable_samples)
        if position > self._acked and not self._detached and not self._ended.done():
            self._acked = position
            self._send(stream.ack(position))


def _voices_of(start: Start) -> VoicesAsked:
    """Of several channels each may be somebody's; they are mixed, and nothing is guessed unless it is asked for."""
    diarize = False if start.diarize is None and start.channels > 1 else start.diarize
    return VoicesAsked(diarize, start.speakers_expected, start.max_speakers)


def form_of(start: Start) -> Form:
    return start.encoding, start.sample_rate, start.channels


def _open_source(session: LiveSession, start: Start, settings: Settings) -> _Source:
    if start.encoding is Encoding.CONTAINER:
        limits = DecodeLimits(
            bytes_max=settings.upload_max_mb * MEBIBYTE,
            duration_max_s=settings.session_max_s,
            streams_max=STREAMS_MAX,
        )
        return _ContainerSource(session, start, limits)
    return _SampleSource(session, start)
