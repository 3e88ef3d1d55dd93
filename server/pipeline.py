"""The way of one track's sound: recorder and recogniser side by side, segments into the journal.

A pipeline has no source and no clock: blocks come in by ``feed``, in the track's own time. What was recorded before it
began and never heard (after a crash) is read back from the recording first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from asr.client import AsrClient, AsrSession
from asr.contract import SessionOptions
from asr.utterances import FRAME_SAMPLES, PRE_ROLL_SAMPLES
from asr.wire import HeardVoice, VoicePrints
from media.recorder import TrackRecorder
from media.recording import Recording
from protocol.blocks import MS_SAMPLES, Block, seconds
from protocol.errors import EarshotError, EngineFailed, NotFound, StoreUnavailable
from protocol.events import EventBody, Failed, Interim, SpeakerTurn, Transcribed
from protocol.words import Segment
from server.journal import Journal, Outcome
from server.metrics import Metrics
from server.redaction import redact_segment
from server.store.records import Track
from server.track_prints import TrackPrints
from server.voices import Voices

log = structlog.get_logger(__name__)

EngineState = Literal["ok", "degraded"]

# A journal that takes nothing more makes finals wait; they are given again at this pace and never dropped.
RETRY_STORE_S = 1.0
# What the recogniser keeps of silence, and the part of a frame that it did not hear.
SILENT_SAMPLES = PRE_ROLL_SAMPLES + FRAME_SAMPLES
# What the recogniser keeps of silence, 400 ms, and what may have come since it last said how far it is.
PAUSE_SAMPLES = 800 * MS_SAMPLES


@dataclass(frozen=True, slots=True)
class _Final:
    """``settled_samples``: of all segments of one utterance the same."""

    segment: Segment
    settled_samples: int


class TrackPipeline:
    """One track being heard.

    Invariant: every block reaches the recorder at once and the recogniser in order, exactly once; every final reaches
    the journal in order, exactly once. ``finish`` must be called in the end, whatever happened before.
    """

    def __init__(
        self,
        track: Track,
        recorder: TrackRecorder,
        recording: Recording,
        journal: Journal,
        metrics: Metrics,
        *,
        voices: Voices,
        prints: TrackPrints | None = None,
        redacts: bool = False,
        on_engine_state: Callable[[EngineState], None],
        on_recognised: Callable[[Track, int, str], None] = lambda track, voice, name: None,
    ) -> None:
        self.track = track
        self.recorder = recorder
        self._recording = recording
        self._journal = journal
        self._metrics = metrics
        self._redacts = redacts  # addresses and numbers of people are taken out before anybody is told
        # Found once: a label is looked up by its text.
        self._blocks_in = metrics.blocks_in.labels(track.source)
        self._samples_in = metrics.samples_in.labels(track.source)
        self._voices = voices
        self.prints = prints  # where its voices are told apart
        self._asr: AsrSession | None = None
        self._house: AsrClient | None = None
        self._client: AsrClient | None = None  # who is to hear it, from the first listener or sound on
        self.options = SessionOptions()  # what the recogniser was asked for
        # Finals on their way to the journal: at most a few a second, and gone as soon as it takes them.
        self._finals: deque[_Final | VoicePrints | Failed] = deque()
        self._storing: set[asyncio.Future[Outcome]] = set()  # what the journal has taken and the store has not
        self._finals_wake = asyncio.Event()
        self._finals_told = asyncio.Event()
        self._finals_told.set()
        self._pauses = asyncio.Event()  # whoever speaks made a pause
        self._teller: asyncio.Task[None] | None = None
        self._engine_state_changed = on_engine_state
        self._voice_recognised = on_recognised
        self._recognised: dict[int, str] = {}  # voices, by number: as which each was recognised
        self.segments = 0
        self.words = 0
        self.given_up = 0  # stretches of sound that no recogniser could hear

    def start(self, asr: AsrClient, options: SessionOptions, *, listen: bool = True) -> None:
        """Unless ``listen``, the recogniser hears of this track no sooner than by ``listen``: until then it is no load.

        Only for a new track, where nothing is to be heard yet.
        """
        self._teller = asyncio.create_task(self._tell_finals(), name=f"tell {self.track.id}")
        self._house, self.options = asr, options
        if self.track.model is None:
            self._client = asr
        if listen:
            self.listen()

    def hear_by(self, asr: AsrClient | None = None) -> None:
        """By this recogniser, or by the house's: a track that is to be heard by a model of its own waits for it."""
        self._client = asr or self._house

    def listen(self) -> None:
        """There will be sound. Idempotent; nothing after the finish."""
        if self._asr is None and self._client is not None:
            self._listen(self._client, self.options, self.track.transcribed_samples)

    async def change(self, asr: AsrClient, options: SessionOptions) -> None:
        """Go on with other options: what is not settled is heard again with them."""
        if self._asr is None:
            self.options = options
            return
        if options == self.options:
            return
        before = self._asr
        self._listen(asr, options, before.settled_samples)
        await before.close()
        self.take_back()

    def take_back(self) -> None:
        """What was shown of words that are heard anew is shown no more."""
        for interim in self._journal.interims(self.track.transcript_id):
            if interim.segment.track == self.track.id:
                taken_back = interim.segment.model_copy(update={"text": "", "words": ()})
                self._journal.tell(interim.model_copy(update={"segment": taken_back}))

    def _listen(self, asr: AsrClient, options: SessionOptions, start_samples: int) -> None:
        self.options = options
        self._asr = asr.open(
            track=self.track.id,
            start_samples=start_samples,
            recorded_samples=self.recorder.length_samples,
            options=options,
            listener=self,
            read_back=self._recording.blocks,
            voices=self.prints.known if self.prints is not None else None,
        )

    @property
    def length_samples(self) -> int:
        return self.recorder.length_samples

    @property
    def settled_samples(self) -> int:
        return self._asr.settled_samples if self._asr else self.track.transcribed_samples

    @property
    def lag_ms(self) -> int:
        return self._asr.lag_ms if self._asr else 0

    def feed(self, block: Block) -> None:
        """Take a block; never blocks. Raises ``StoreUnavailable`` when the disk took no sound."""
        self.listen()
        assert self._asr is not None, "start first"
        self.recorder.append(block)
        self._asr.feed(block)
        self._blocks_in.inc()
        self._samples_in.inc(block.length_samples)

    def found_voices(self, voices: Sequence[HeardVoice], gone: Collection[int], encoder: str) -> None:
        """What a later pass made of the track's voices: what is said next goes by it."""
        if self._asr is not None:
            self._asr.found_voices(voices, gone, encoder)

    async def room(self) -> None:
        """Wait until the recogniser has caught up enough, or is not asked any more; for sources that can wait."""
        if self._asr is not None:
            await self._asr.room()

    async def finalize(self) -> None:
        """Returns when every final of the sound fed so far is durable."""
        if self._asr is None:
            return  # nothing came as yet, or all is told
        await self._asr.finalize()
        await self._finals_told.wait()

    async def finalize_ended(self) -> bool:
        """As ``finalize``, but only of utterances that have ended. Whether none is open: all behind is silence."""
        if self._asr is None:
            return True
        await self._asr.finalize(leave_open=True)
        await self._finals_told.wait()
        return self._asr.settled_samples >= self._asr.fed_samples - SILENT_SAMPLES

    async def pause(self) -> None:
        """Until whoever speaks makes a pause, as far as the recogniser has listened; at once where it does not."""
        if self._asr is not None:
            self._pauses.clear()
            await self._pauses.wait()

    async def finish(self, *, finals: bool = True) -> None:
        """Finals of the rest (unless the words are not wanted any more), then let go of everything. Idempotent."""
        try:
            if finals:
                await self.finalize()
        finally:
            self._client = None
            if self._teller is not None:
                self._teller.cancel()
                await asyncio.wait([self._teller])
            if self._asr is not None:
                asr, self._asr = self._asr, None
                await asr.close()
            await self.recorder.close()

    # What the recogniser says.

    def on_segment(self, segment: Segment, lag_ms: int) -> None:
        self._metrics.words_lag_s.labels("final" if segment.is_final else "interim").observe(lag_ms / 1000)
        number, voice_id = segment.voice, segment.speaker
        if number is not None and voice_id is not None and self._recognised.get(number) != voice_id:
            self._recognised[number] = voice_id
            self._voice_recognised(self.track, number, voice_id)
        if self._redacts and not segment.is_final:
            return  # what will be taken out of the final stands in it
        if segment.is_final:
            if segment.words and segment.language not in (None, self.options.heard_language):
                self.options = self.options.model_copy(update={"heard_language": segment.language})
            self._finals.append(_Final(segment, self.settled_samples))
            self._tell_soon()
        else:
            self._metrics.interims.inc()
            self._journal.tell(
                Interim(
                    transcript_id=self.track.transcript_id,
                    segment=self._voiced(segment),
                    track_started_at=self.track.started_at,
                    lag_ms=lag_ms,
                )
            )

    def on_prints(self, prints: VoicePrints) -> None:
        """Of the final that is next."""
        if self.prints is not None:
            self._finals.append(prints)
            self._tell_soon()

    def on_gave_up(self, start_samples: int, end_samples: int, message: str) -> None:
        """A stretch of sound that ends every recogniser: readers are told where words are missing."""
        self.given_up += 1
        log.error("sound given up", track=self.track.id, start_samples=start_samples, end_samples=end_samples)
        details = {"track": self.track.id, "start": seconds(start_samples), "end": seconds(end_samples)}
        self._finals.append(Failed(code=EngineFailed.code, message=message, details=details, recoverable=True))
        self._tell_soon()

    def _tell_soon(self) -> None:
        self._finals_told.clear()
        self._finals_wake.set()

    def on_settled(self, samples: int) -> None:
        """A final's end is where a recovery goes on: silence costs it next to nothing."""
        if self.length_samples - samples <= PAUSE_SAMPLES:
            self._pauses.set()

    def on_engine_state(self, state: EngineState) -> None:
        self._engine_state_changed(state)

    async def _tell_finals(self) -> None:
        while True:
            await self._finals_wake.wait()
            self._finals_wake.clear()
            while self._finals:
                count = 1
                match self._finals[0]:
                    case Failed() as failed:
                        await self._append([failed])
                    case VoicePrints() as prints:
                        assert self.prints is not None, "they came only where they are wanted"
                        await self.prints.keep(prints)
                    case _Final(settled_samples=settled):
                        # An utterance that several voices spoke is stored in one piece: a crash in the middle of it
                        # would lose the rest.
                        count = await self._tell_said(list(self._finals_of(settled)))
                for _ in range(count):
                    self._finals.popleft()
            self._note_told()

    def _note_told(self) -> None:
        if not self._finals and not self._storing:
            self._finals_told.set()

    def _finals_of(self, settled_samples: int) -> Iterator[_Final]:
        for each in self._finals:
            if not isinstance(each, _Final) or each.settled_samples != settled_samples:
                return
            yield each

    async def _tell_said(self, finals: Sequence[_Final]) -> int:
        bodies: list[EventBody] = []
        for final in finals:
            segment = final.segment
            if self._redacts:
                language = segment.language or self.options.language
                segment = await asyncio.to_thread(redact_segment, segment, language)
            if self._voices.begins(self.track, segment.voice):
                bodies.append(self._turn(segment))
            bodies.append(
                Transcribed(
                    segment=segment,
                    track_started_at=self.track.started_at,
                    heard_samples=max(segment.end_samples, final.settled_samples),
                )
            )
        await self._save_labels()
        await self._append(bodies)
        self._metrics.finals.inc(len(finals))
        self.segments += len(finals)
        self.words += sum(len(final.segment.words) for final in finals)
        return len(finals)

    def _turn(self, segment: Segment) -> SpeakerTurn:
        return SpeakerTurn(
            speaker="",
            speaker_id=self.track.id,
            track=self.track.id,
            start_samples=segment.start_samples,
            end_samples=segment.end_samples,
            track_started_at=self.track.started_at,
            confidence=1.0 if segment.speaker_confidence is None else segment.speaker_confidence,
            voice=segment.voice,
        )

    def _voiced(self, segment: Segment) -> Segment:
        voice = self._voices.of(self.track, segment.voice)
        return segment.said_by(voice.label, voice.name)

    def _told(self, body: EventBody) -> EventBody:
        """Who it is, as it is known at the moment of the append: whoever names a speaker relabels what was appended
        before, and nothing is between."""
        if isinstance(body, Transcribed):
            return body.model_copy(update={"segment": self._voiced(body.segment)})
        if isinstance(body, SpeakerTurn):
            voice = self._voices.of(self.track, body.voice)
            label = None if voice.label == voice.name else voice.label
            return body.model_copy(update={"speaker": voice.name or "", "speaker_label": label})
        return body

    async def _save_labels(self) -> None:
        """What the voices of the next finals are called is stored before these are."""
        while True:
            try:
                await self._voices.save(self.track)
                return
            except StoreUnavailable:
                await asyncio.sleep(RETRY_STORE_S)
            except EarshotError as error:
                log.error("labels of voices cannot be stored", track=self.track.id, code=error.code)
                return

    async def _append(self, bodies: Sequence[EventBody]) -> None:
        """Given once: the journal stores it, however long the store is away. Given twice it might be told twice."""
        while True:
            try:
                told = [self._told(body) for body in bodies]
                storing = self._journal.give(self.track.transcript_id, told, held=True)
            except StoreUnavailable:
                # Not even taken: too many wait, or the journal has stopped, and then so shall we.
                await asyncio.sleep(RETRY_STORE_S)
            except EarshotError as error:
                self._not_stored(error)
                return
            else:
                self._storing.add(storing)
                storing.add_done_callback(self._stored)
                return

    def _stored(self, storing: asyncio.Future[Outcome]) -> None:
        self._storing.discard(storing)
        result = storing.result()
        # NotFound: deleted meanwhile, or another node goes on with it: nobody wants these words.
        if isinstance(result, EarshotError) and not isinstance(result, NotFound):
            self._not_stored(result)
        self._note_told()

    def _not_stored(self, error: EarshotError) -> None:
        log.error("event cannot be stored", track=self.track.id, code=error.code)
