"""The way of one track's sound: recorder and recogniser side by side, segments into the journal.

A pipeline has no source and no clock: blocks come in by ``feed``, in the track's own time. What has been recorded but
not yet heard (after a crash, or because somebody came back to a track) is read back from the recording first, while
live blocks go on being recorded; then the pipeline switches over without a seam.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal

import structlog

from asr.client import AsrClient, AsrSession
from asr.contract import SessionOptions
from media.recorder import TrackRecorder
from media.recording import Recording
from protocol.blocks import SAMPLE_RATE_HZ, Block
from protocol.errors import EarshotError, NotFound
from protocol.events import EventBody, Interim, SpeakerTurn, Transcribed
from protocol.words import Segment
from server.journal import Journal
from server.store.records import Track

log = structlog.get_logger(__name__)

EngineState = Literal["ok", "degraded"]

# Close enough to the live edge that the rest may be kept in memory while the last bit is read back.
SWITCH_OVER_SAMPLES = 2 * SAMPLE_RATE_HZ
# A store that is down makes finals wait; they are asked again at this pace and never dropped.
RETRY_STORE_S = 1.0


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
        *,
        heard_samples: int,
        speaker_changed: Callable[[str], bool],
        on_engine_state: Callable[[EngineState], None],
    ) -> None:
        self.track = track
        self.recorder = recorder
        self._recording = recording
        self._journal = journal
        # Says whether this speaker is another than the one who spoke last in the transcript.
        self._speaker_changed = speaker_changed
        self._asr: AsrSession | None = None
        self._heard_samples = heard_samples
        # Live blocks while the last of the recording is read back; None: not needed, blocks are only recorded.
        self._kept: list[Block] | None = None
        self._caught_up = asyncio.Event()
        self._catch_up: asyncio.Task[None] | None = None
        # Finals on their way to the journal: at most a few a second, and gone as soon as the store takes them.
        self._finals: deque[Segment] = deque()
        self._finals_wake = asyncio.Event()
        self._finals_told = asyncio.Event()
        self._finals_told.set()
        self._teller: asyncio.Task[None] | None = None
        self._engine_state_changed = on_engine_state
        self.segments = 0
        self.words = 0

    def start(self, asr: AsrClient, options: SessionOptions) -> None:
        self._asr = asr.open(
            track=self.track.id,
            start_samples=self._heard_samples,
            options=options,
            listener=self,
            read_back=self._read_back,
        )
        self._teller = asyncio.create_task(self._tell_finals(), name=f"tell {self.track.id}")
        if self.recorder.length_samples > self._heard_samples:
            self._catch_up = asyncio.create_task(self._read_what_was_missed(), name=f"catch up {self.track.id}")
        else:
            self._caught_up.set()

    @property
    def length_samples(self) -> int:
        return self.recorder.length_samples

    @property
    def settled_samples(self) -> int:
        return self._asr.settled_samples if self._asr else self._heard_samples

    @property
    def lag_ms(self) -> int:
        return self._asr.lag_ms if self._asr else 0

    def feed(self, block: Block) -> None:
        """Take a block; never blocks. Raises ``StoreUnavailable`` when the disk took no sound."""
        assert self._asr is not None, "start first"
        self.recorder.append(block)
        if self._caught_up.is_set():
            self._asr.feed(block)
        elif self._kept is not None:
            self._kept.append(block)

    async def room(self) -> None:
        """Wait until the recogniser has caught up enough; for sources that can wait."""
        assert self._asr is not None
        await self._caught_up.wait()
        await self._asr.room()

    async def finalize(self) -> None:
        """Returns when every final of the sound fed so far is durable."""
        assert self._asr is not None
        await self._caught_up.wait()
        await self._asr.finalize()
        await self._finals_told.wait()

    async def finish(self, *, finals: bool = True) -> None:
        """Finals of the rest (unless the words are not wanted any more), then let go of everything. Idempotent."""
        try:
            if finals and self._asr is not None:
                await self.finalize()
        finally:
            for task in (self._catch_up, self._teller):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
            if self._asr is not None:
                asr, self._asr = self._asr, None
                await asr.close()
            await self.recorder.close()

    # What the recogniser says.

    def on_segment(self, segment: Segment, lag_ms: int) -> None:
        segment = segment.model_copy(update={"speaker": self.track.speaker})
        if segment.is_final:
            self._finals.append(segment)
            self._finals_told.clear()
            self._finals_wake.set()
        else:
            self._journal.tell(
                Interim(
                    transcript_id=self.track.transcript_id,
                    segment=segment,
                    track_started_at=self.track.started_at,
                    lag_ms=lag_ms,
                )
            )

    def on_settled(self, samples: int) -> None:
        """Nothing to do: a final's end is where a recovery goes on, and silence costs a recovery next to nothing."""

    def on_engine_state(self, state: EngineState) -> None:
        self._engine_state_changed(state)

    async def _tell_finals(self) -> None:
        while True:
            await self._finals_wake.wait()
            self._finals_wake.clear()
            while self._finals:
                segment = self._finals[0]
                if self._speaker_changed(segment.speaker or ""):
                    await self._append(self._turn(segment))
                await self._append(Transcribed(segment=segment, track_started_at=self.track.started_at))
                self.segments += 1
                self.words += len(segment.words)
                self._finals.popleft()
            self._finals_told.set()

    def _turn(self, segment: Segment) -> SpeakerTurn:
        return SpeakerTurn(
            speaker=segment.speaker or "",
            speaker_id=self.track.id,
            track=self.track.id,
            start_samples=segment.start_samples,
            end_samples=segment.end_samples,
            track_started_at=self.track.started_at,
        )

    async def _append(self, body: EventBody) -> None:
        while True:
            try:
                await self._journal.append(self.track.transcript_id, body)
                return
            except NotFound:
                return  # deleted meanwhile: nobody wants these words
            except EarshotError as error:
                log.error("final waits for the store", track=self.track.id, code=error.code)
                await asyncio.sleep(RETRY_STORE_S)

    # What was recorded and not heard.

    def _read_back(self, start_samples: int, end_samples: int) -> Iterator[Block]:
        return self._recording.blocks(start_samples, end_samples)

    async def _read_what_was_missed(self) -> None:
        try:
            await self._catch_up_with_recording()
        except (EarshotError, OSError) as error:
            # The sound stays on disk; going on with what comes now is worth more than stopping.
            log.error("recording could not be read back", track=self.track.id, error=type(error).__name__)
        finally:
            self._kept = None
            self._caught_up.set()

    async def _catch_up_with_recording(self) -> None:
        assert self._asr is not None
        position = self._heard_samples
        while True:
            if self.recorder.length_samples - position < SWITCH_OVER_SAMPLES:
                self._kept = []
            await self.recorder.flush()
            end = self.recorder.length_samples if self._kept is None else self._kept_from(self.recorder.length_samples)
            await self._hear_recorded(position, end)
            position = end
            if self._kept is not None:
                break
        for block in self._kept:
            self._asr.feed(block)

    def _kept_from(self, length_samples: int) -> int:
        return self._kept[0].start_samples if self._kept else length_samples

    async def _hear_recorded(self, start_samples: int, end_samples: int) -> None:
        assert self._asr is not None
        blocks = self._recording.blocks(start_samples, end_samples)
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            self._asr.feed(block)
            await self._asr.room()
