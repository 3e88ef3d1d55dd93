"""One track's way through the recogniser, as the server process sees it: sound in, segments out, over any restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from asr.backlog import Backlog, Missing
from asr.contract import SessionOptions
from asr.known_voices import KnownVoices
from asr.link import ChildGone, Link
from asr.listener import AsrListener
from asr.reading_back import ReadBack, Recording, pieces
from asr.segments import SegmentBook
from asr.supervisor import SessionMessage
from asr.wire import (
    Audio,
    Close,
    Finalize,
    FoundVoices,
    GaveUp,
    Heard,
    HeardVoice,
    Marker,
    Open,
    Settled,
    VoicePrints,
)
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ, Block
from protocol.errors import EngineFailed
from protocol.ids import new_session_id
from protocol.words import Segment

log = structlog.get_logger(__name__)

ROOM_SAMPLES = 30 * SAMPLE_RATE_HZ  # how far a file may run ahead of the recogniser
LEAST_SAMPLES = 60 * MS_SAMPLES  # of live sound at once: the 20 ms of a packet are not worth a message
LOST_MAX = 3  # processes in a row that one utterance may cost everybody
LOST_WITH_VOICES_MAX = 2  # processes that telling its voices apart may cost everybody


@dataclass(slots=True)
class _Waiting:
    """A caller of ``finalize``. ``asked``: the present process has been told."""

    number: int
    position_samples: int
    done: asyncio.Future[None]
    leave_open: bool
    asked: bool = False


@dataclass(frozen=True, slots=True)
class _Skip:
    """A long hole comes next: once marker ``number`` is back, go on at ``to_samples`` as if newly opened."""

    number: int
    to_samples: int


class AsrSession:
    """Made by ``AsrClient.open``; ``close`` must be awaited.

    ``feed`` keeps sound (bounded, see ``asr.backlog``), one task sends it as the worker takes it. After a restart
    everything since ``settled_samples`` is sent again under a new generation.
    """

    def __init__(
        self,
        *,
        track: str,
        backlog: Backlog,
        options: SessionOptions,
        listener: AsrListener,
        read_back: ReadBack,
        on_close: Callable[[AsrSession], None],
        voices: KnownVoices | None = None,
    ) -> None:
        self.session_id = new_session_id()
        self.track = track
        self._options = options
        self._listener = listener
        self._recording = Recording(read_back)
        self._on_close = on_close
        self._backlog = backlog
        self._book = SegmentBook(track, options.language)
        self._voices = voices or KnownVoices()
        self._prints: VoicePrints | None = None  # of the final that is told next
        self._lost_with_voices = 0
        self._through_samples = backlog.settled_samples
        self._link: Link | None = None
        self._generation = 0
        self._latest_generation = 0  # of the present process or, detached, of the one before
        self._opened = False  # the present process knows this session
        self._lost = 0  # processes in a row, while they heard the same sound
        self._suspected_samples = 0  # its end; the worker hears what is before it in no step with others
        self._waiting: list[_Waiting] = []
        self._skip: _Skip | None = None
        self._markers = 0
        self._closed = False
        self._told_state: Literal["ok", "degraded"] = "ok"
        self._wake = asyncio.Event()  # for the pump: there may be something to send
        self._progress = asyncio.Event()  # for room(): something was heard
        self._log = log.bind(track=track, asr_session=self.session_id)
        self._pump = asyncio.create_task(self._pump_until_closed(), name=f"asr-pump-{self.session_id}")

    # What the server does.

    @property
    def fed_samples(self) -> int:
        return self._backlog.fed_samples

    @property
    def settled_samples(self) -> int:
        return self._backlog.settled_samples

    @property
    def unheard_samples(self) -> int:
        return max(0, self._backlog.fed_samples - self._through_samples)

    @property
    def lag_ms(self) -> int:
        """How far the recogniser is behind the sound fed, in milliseconds of sound."""
        return self.unheard_samples // MS_SAMPLES

    def feed(self, block: Block) -> None:
        """Take in the next sound. Never blocks, never drops; nothing happens once the session is closed."""
        if not self._closed:
            self._backlog.feed(block)
            if self._waiting or self._worth_sending(None):  # two of three packets need not wake anybody
                self._wake.set()

    async def room(self) -> None:
        """Return when less than ``ROOM_SAMPLES`` are unheard, or the session is closed."""
        while not self._closed and self.unheard_samples >= ROOM_SAMPLES:
            self._progress.clear()
            await self._progress.wait()

    async def finalize(self, *, leave_open: bool = False) -> int:
        """Have finals made of all sound fed so far; returns its end once the listener was given all of them.

        ``leave_open``: as in ``wire.Finalize``; then ``settled_samples`` says how far that is.
        Over restarts it waits on: set a deadline around it. Raises ``EngineFailed`` when the session is closed.
        """
        if self._closed:
            raise EngineFailed("the session is closed")
        position_samples = self._backlog.fed_samples
        if self._backlog.settled_samples >= position_samples and self._book.open_segment is None:
            return position_samples
        self._markers += 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(self._markers, position_samples, done, leave_open)
        self._waiting.append(waiting)
        self._wake.set()
        try:
            await done
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        return position_samples

    def found_voices(self, voices: Sequence[HeardVoice], gone: Collection[int], encoder: str) -> None:
        """What a later pass made of the voices: this process and later ones go on with it."""
        if self._voices.found(voices, gone, encoder) and self._link is not None and self._opened:
            named = {"session_id": self.session_id, "generation": self._generation}
            self._link.write(FoundVoices(**named, encoder=encoder, voices=tuple(voices), gone=tuple(gone)))

    async def close(self) -> None:
        """Forget the session, here and in the worker. Finals of what is unheard are not awaited. Idempotent."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            if self._link is not None and self._opened:
                self._link.write(Close(session_id=self.session_id, generation=self._generation))
            self._link = None
            self._progress.set()
            for waiting in self._waiting:
                if not waiting.done.done():
                    waiting.done.set_exception(EngineFailed("the session was closed"))
            self._pump.cancel()
        await asyncio.wait({self._pump})

    # What the client does.

    @property
    def lane(self) -> str:
        return self._options.lane

    @property
    def suspect(self) -> bool:
        """Its sound was in the step that ended a process, and is not through since."""
        return self._lost > 0

    def attach(self, link: Link, generation: int) -> None:
        """A process is ready: everything that is not settled goes to it, under a generation never used before."""
        self._link, self._generation, self._opened = link, generation, False
        self._latest_generation = generation
        self._prints = None
        self._backlog.rewind()
        self._through_samples = self._backlog.settled_samples
        self._skip = None
        for waiting in self._waiting:
            waiting.asked = False
        self._wake.set()

    def detach(self) -> None:
        """The process is gone; sound is kept until the next one."""
        self._link, self._generation, self._opened = None, 0, False

    def lost_at(self, generation: int, end_samples: int) -> bool:
        """The process was lost hearing our sound up to ``end_samples``; the third in a row has that sound left out.

        At most the first of them heard others in that step as well. True if it is left out. To be called before the
        next ``attach``.
        """
        start_samples = self._backlog.settled_samples
        end_samples = min(end_samples, self._backlog.sent_samples)
        if generation != self._latest_generation or self._closed:
            return False
        if end_samples <= start_samples:  # in the lead, which is no loss
            self._backlog.leave_out(end_samples)
            return False
        self._lost += 1
        self._suspected_samples = end_samples
        if self._lost < LOST_MAX:
            return False
        self._backlog.leave_out(end_samples)
        self._on_gave_up(start_samples, end_samples, f"the recogniser was lost {LOST_MAX} times while it heard this")
        self._all_told(end_samples)
        self._progress.set()
        return True

    def lost_with_voices(self, generation: int) -> None:
        """The process was lost while it told our voices apart; those of a session that does it twice stay untold."""
        if generation == self._latest_generation:
            self._lost_with_voices += 1
            if self._lost_with_voices >= LOST_WITH_VOICES_MAX:
                self.leave_voices()

    def leave_voices(self) -> None:
        """Voices are no longer told apart, by the next process at the latest."""
        if self._options.diarize:
            self._log.error("voices are no longer told apart", lost=self._lost_with_voices)
            self._options = self._options.model_copy(update={"diarize": False})

    def tell_engine_state(self, state: Literal["ok", "degraded"]) -> None:
        if state != self._told_state and not self._closed:
            self._told_state = state
            self._tell(self._listener.on_engine_state, state)

    def on_message(self, message: SessionMessage) -> None:
        """Whatever an earlier process said under an earlier generation is not heard."""
        if message.generation != self._generation or self._closed:
            return
        match message:
            case Heard():
                self._on_heard(message)
            case VoicePrints():
                self._prints = message
            case Settled():
                self._on_settled(message.samples, message.through_samples)
            case Marker():
                self._on_marker(message.marker)
            case GaveUp():
                self._on_gave_up(message.start_samples, message.end_samples, message.message)
        self._progress.set()
        self._wake.set()

    def _on_heard(self, heard: Heard) -> None:
        self._through_samples = max(self._through_samples, heard.through_samples)
        if heard.final and heard.words and heard.language is not None:  # for the next worker, and behind a long hole
            self._options = self._options.model_copy(update={"heard_language": heard.language})
        segments = self._book.heard(
            heard.words, heard.language, final=heard.final, spoke=heard.spoke, overlaps=heard.overlaps
        )
        # At once, not only when the worker says so: should it end in between, these words are not said twice.
        # And before they are told, so that who is told reads a position that has them.
        progress = heard.final and self._settle(heard.through_samples)
        if heard.final:
            self._tell_prints(heard)
        for segment in segments:
            self._tell_segment(segment)
        if progress:
            self._tell_settled()

    def _tell_prints(self, heard: Heard) -> None:
        """Those that came with this final. Until then they wait: should it never come, its replay brings them anew."""
        prints, self._prints = self._prints, None
        if prints is not None:
            try:
                self._voices.take(prints)
            except ValueError:
                self._log.exception("voice prints not understood")
                return
            on_prints = getattr(self._listener, "on_prints", None)
            if on_prints is not None:
                self._tell(on_prints, prints)
        self._voices.called(heard.spoke)

    def _settle(self, samples: int) -> bool:
        """True when this is news. A suspect is trusted again once that very sound is through, be it silence."""
        progress = self._backlog.settle(samples)
        if self._backlog.settled_samples >= self._suspected_samples:
            self._lost = self._suspected_samples = 0
        return progress

    def _on_settled(self, samples: int, through_samples: int) -> None:
        self._through_samples = max(self._through_samples, through_samples)
        if self._settle(samples):
            self._tell_settled()

    def _tell_settled(self) -> None:
        self._tell_segment(self._book.settled(self._backlog.settled_samples))
        self._tell(self._listener.on_settled, self._backlog.settled_samples)

    def _on_gave_up(self, start_samples: int, end_samples: int, reason: str) -> None:
        start_samples = max(start_samples, self._backlog.settled_samples)
        if start_samples >= end_samples:
            return  # in the lead: that was told before
        self._log.error("sound given up", start_samples=start_samples, end_samples=end_samples, reason=reason)
        on_gave_up = getattr(self._listener, "on_gave_up", None)
        if on_gave_up is not None:
            self._tell(on_gave_up, start_samples, end_samples, reason)

    def _on_marker(self, number: int) -> None:
        if self._skip is not None and number == self._skip.number:
            self._all_told(self._backlog.sent_samples)
            self._backlog.jump(self._skip.to_samples)
            self._through_samples = max(self._through_samples, self._backlog.settled_samples)
            self._tell(self._listener.on_settled, self._backlog.settled_samples)
            self._skip, self._opened = None, False
        for waiting in [waiting for waiting in self._waiting if waiting.number == number]:
            if not waiting.leave_open:
                self._all_told(waiting.position_samples)
            if not waiting.done.done():
                waiting.done.set_result(None)

    def _all_told(self, samples: int) -> None:
        """All finals up to here are told, so what is still open there was nothing."""
        open_segment = self._book.open_segment
        if open_segment is not None and open_segment.start_samples < samples:
            self._tell_segment(self._book.take_back())
        self._on_settled(samples, samples)

    def _tell_segment(self, segment: Segment | None) -> None:
        if segment is not None:
            self._tell(self._listener.on_segment, segment, self.lag_ms)

    def _tell(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception:
            self._log.exception("listener failed")

    # The pump.

    async def _pump_until_closed(self) -> None:
        while not self._closed:
            self._wake.clear()
            link = self._link
            try:
                if link is None or not await self._send_next(link):
                    await self._wake.wait()
            except Exception as error:
                # With the next process everything is sent again; without the pump no word would ever come.
                if not isinstance(error, ChildGone):
                    self._log.exception("pump failed")
                if self._link is link:
                    self.detach()

    async def _send_next(self, link: Link) -> bool:
        """Send one thing; False when there is nothing to send. Everything waits for the worker to take it."""
        named = {"session_id": self.session_id, "generation": self._generation}
        if not self._opened:
            self._opened = True
            await link.send(self._open(named))
            return True
        waiting = next((waiting for waiting in self._waiting if not waiting.asked), None)
        if waiting is not None and self._backlog.sent_samples >= waiting.position_samples:
            waiting.asked = True
            await link.send(Finalize(**named, marker=waiting.number, leave_open=waiting.leave_open))
            return True
        if self._skip is not None or not self._worth_sending(waiting):
            return False
        after_hole_samples = self._backlog.after_long_hole_samples
        if after_hole_samples is not None:
            self._markers += 1
            self._skip = _Skip(self._markers, after_hole_samples)
            await link.send(Finalize(**named, marker=self._skip.number))
            return True
        piece = self._backlog.take(waiting.position_samples if waiting else self._backlog.fed_samples)
        if piece is None:
            return False
        read = pieces(await self._recording.read(piece)) if isinstance(piece, Missing) else (piece,)
        for part in read:
            if self._link is not link:
                break
            self._backlog.sent_elsewhere(part.end_samples)
            await link.send(Audio(**named, start_samples=part.start_samples), self._backlog.bearable(part).pcm)
        return True

    def _open(self, named: dict[str, Any]) -> Open:
        return Open(
            **named,
            start_samples=self._backlog.settled_samples,
            lead_samples=self._backlog.lead_samples,
            alone_until_samples=self._suspected_samples,
            options=self._options,
            voices=self._voices.told() if self._options.diarize else (),
            encoder=self._voices.encoder,
        )

    def _worth_sending(self, waiting: _Waiting | None) -> bool:
        return waiting is not None or self._backlog.fed_samples - self._backlog.sent_samples >= LEAST_SAMPLES
