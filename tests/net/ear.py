"""What an aiortc client hears: the sound of the track that comes to it, and which tones are in it."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import numpy as np
from aiortc import RTCPeerConnection
from aiortc.mediastreams import MediaStreamError

from asr.contract import Samples
from protocol.blocks import SAMPLE_RATE_HZ

AMPLITUDE = 8_000


def tone(frequency_hz: float, length_s: float) -> bytes:
    at = np.arange(round(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (AMPLITUDE * np.sin(2 * np.pi * frequency_hz * at)).astype("<i2").tobytes()


def level(samples: Samples, frequency_hz: float) -> float:
    """How strong a tone is in the sound, as a share of ``AMPLITUDE``."""
    if not len(samples):
        return 0.0
    at = np.arange(len(samples)) / SAMPLE_RATE_HZ
    turned = samples.astype(float) * np.exp(-2j * np.pi * frequency_hz * at)
    return float(2 * abs(turned.mean()) / AMPLITUDE)


class Ear:
    """Takes the sound of a connection's first track until ``close``."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pieces: list[Samples] = []
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        pc.on("track", self._take)

    @property
    def heard(self) -> Samples:
        return np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.int16)

    def last(self, seconds: float) -> Samples:
        return self.heard[-round(seconds * SAMPLE_RATE_HZ) :]

    async def until_hears(self, *frequencies_hz: float, seconds: float = 0.4, timeout_s: float = 60.0) -> None:
        """Until each of these tones was there at once, in the last ``seconds`` at half of its strength."""
        await self._until(
            lambda last: len(last) >= seconds * SAMPLE_RATE_HZ and all(level(last, f) > 0.5 for f in frequencies_hz),
            seconds,
            timeout_s,
        )

    async def until_quiet(self, *frequencies_hz: float, seconds: float = 0.4, timeout_s: float = 60.0) -> None:
        """Until none of these tones was there in the last ``seconds``."""
        await self._until(lambda last: all(level(last, f) < 0.05 for f in frequencies_hz), seconds, timeout_s)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _until(self, true: Any, seconds: float, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            while not true(self.last(seconds)):
                self._changed.clear()
                await self._changed.wait()

    def _take(self, track: Any) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._listen(track), name="ear")

    async def _listen(self, track: Any) -> None:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self._pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            self._changed.set()
