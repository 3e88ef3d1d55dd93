"""LiveKit Agents' speech-to-text classes as somebody made them, each with the same sound, all at once. Prints what each
told, as JSON: ``{name: [[type, text], ...]}``.

python livekit_client.py WAV MADE.py SPEECH_END_S

When it ends is heard by the server: only Pipecat's has to be told.
"""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import wave

from livekit import rtc
from livekit.agents import stt, utils

DEADLINE_S = 60
FRAME_S = 0.05
Told = list[tuple[str, str]]


def frames_of(wav: str) -> list[rtc.AudioFrame]:
    frames = []
    with wave.open(wav) as file:
        rate_hz = file.getframerate()
        while sound := file.readframes(round(FRAME_S * rate_hz)):
            frames.append(rtc.AudioFrame(sound, rate_hz, 1, len(sound) // 2))
    return frames


async def told_live(recogniser: stt.STT, frames: list[rtc.AudioFrame]) -> Told:
    """Until words are final and their speaker is known to have stopped."""
    told: Told = []
    wanted = {stt.SpeechEventType.FINAL_TRANSCRIPT, stt.SpeechEventType.END_OF_SPEECH}
    async with recogniser.stream() as stream:
        saying = asyncio.create_task(say(stream, frames))
        async for event in stream:
            if event.type == stt.SpeechEventType.RECOGNITION_USAGE:
                continue  # told by the clock
            told.append((event.type, event.alternatives[0].text if event.alternatives else ""))
            wanted.discard(event.type)
            if not wanted:
                break
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
    return told


async def say(stream: stt.RecognizeStream, frames: list[rtc.AudioFrame]) -> None:
    """As a microphone does."""
    for frame in frames:
        stream.push_frame(frame)
        await asyncio.sleep(FRAME_S)


async def told_whole(recogniser: stt.STT, frames: list[rtc.AudioFrame]) -> Told:
    event = await recogniser.recognize(frames)
    return [(event.type, event.alternatives[0].text)]


async def main(wav: str, made: str, _end_s: str) -> None:
    found = {name: each for name, each in runpy.run_path(made).items() if isinstance(each, stt.STT)}
    frames = frames_of(wav)
    asked = {name: told_live if each.capabilities.streaming else told_whole for name, each in found.items()}
    async with asyncio.timeout(DEADLINE_S), utils.http_context.open():
        told = await asyncio.gather(*(asked[name](each, frames) for name, each in found.items()))
        # Of a class that is live, its other way, too.
        recorded = [(name, each) for name, each in found.items() if "deepgram" in each.label]
        told += await asyncio.gather(*(told_whole(each, frames) for _, each in recorded))
        for each in found.values():
            await each.aclose()
    names = [*found, *(f"{name}, recorded" for name, _ in recorded)]
    print(json.dumps(dict(zip(names, told, strict=True))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
