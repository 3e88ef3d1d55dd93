"""Pipecat's speech-to-text services as somebody made them, each in a pipeline of its own, all at once. Prints what each
told, as JSON: ``{name: [[frame, text], ...]}``.

python pipecat_client.py WAV MADE.py SPEECH_END_S

Some services leave it to a voice activity detector of the pipeline to say who speaks when: here the clock says it, of
all from the beginning to SPEECH_END_S.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import wave

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.stt_service import STTService
from pipecat.workers.runner import WorkerRunner

DEADLINE_S = 60
FRAME_S = 0.05
Told = list[tuple[str, str]]
KEPT = (
    ErrorFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)


class Listener(FrameProcessor):
    """Before or behind a service: keeps what it tells."""

    def __init__(self, told: Told, final: asyncio.Event, direction: FrameDirection) -> None:
        super().__init__()
        self.told, self.final, self.direction = told, final, direction

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, KEPT) and direction is self.direction:
            self.told.append((type(frame).__name__, str(getattr(frame, "text", getattr(frame, "error", "")))))
            if isinstance(frame, TranscriptionFrame | ErrorFrame):
                self.final.set()
        await self.push_frame(frame, direction)


async def told_by(service: STTService, wav: str, end_s: float) -> Told:
    """Until words are final, or the service says what is wrong."""
    told: Told = []
    final, started = asyncio.Event(), asyncio.Event()
    before, behind = (Listener(told, final, each) for each in (FrameDirection.UPSTREAM, FrameDirection.DOWNSTREAM))
    with wave.open(wav) as file:
        rate_hz, sound = file.getframerate(), file.readframes(file.getnframes())
    params = PipelineParams(audio_in_sample_rate=rate_hz)
    worker = PipelineWorker(Pipeline([before, service, behind]), params=params, enable_rtvi=False)

    async def begun(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", begun)

    async def say() -> None:
        await started.wait()
        frame_bytes = round(FRAME_S * rate_hz) * 2
        at_s = 0.0
        await worker.queue_frame(VADUserStartedSpeakingFrame())
        for at in range(0, len(sound), frame_bytes):
            if at_s <= end_s < at_s + FRAME_S:
                await worker.queue_frame(VADUserStoppedSpeakingFrame())
            await worker.queue_frame(InputAudioRawFrame(sound[at : at + frame_bytes], rate_hz, 1))
            await asyncio.sleep(FRAME_S)
            at_s += FRAME_S
        await final.wait()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), say())
    return told


async def main(wav: str, made: str, end_s: str) -> None:
    found = {name: each for name, each in runpy.run_path(made).items() if isinstance(each, STTService)}
    async with asyncio.timeout(DEADLINE_S):
        asked = (told_by(each, wav, float(end_s)) for each in found.values())
        told = await asyncio.gather(*asked)
    print(json.dumps(dict(zip(found, told, strict=True))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
