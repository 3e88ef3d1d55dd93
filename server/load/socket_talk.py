"""A live session over the speaking socket: frames of 100 ms, in real time."""

from __future__ import annotations

import asyncio
import time

from protocol.blocks import BYTES_PER_SAMPLE, MS_SAMPLES, SAMPLE_RATE_HZ
from server.commands.addresses import Ways
from server.commands.failure import CommandFailed
from server.commands.outbox import Outbox
from server.commands.speaking import SpeakingClient
from server.load.talk import Talk

FRAME_SAMPLES = 100 * MS_SAMPLES
START = {"encoding": "pcm_s16le", "sample_rate": SAMPLE_RATE_HZ, "channels": 1}
GIVE_UP_S = 90.0  # longer than a server takes to start again


class SocketTalk(Talk):
    """Goes on after a lost connection: what was said meanwhile is sent then, as fast as the server takes it."""

    kind = "socket"

    async def speak(self, ways: Ways) -> None:
        """To the end, or until there is no time left to begin. Raises nothing: ``failure`` says what went wrong."""
        started, patience_s = asyncio.Event(), max(self.latest_s - time.monotonic(), 0.0)

        def begins() -> None:
            self.began()
            started.set()

        client = SpeakingClient(
            ways,
            self.transcript_id,
            START,
            Outbox(BYTES_PER_SAMPLE),
            self._next,
            on_message=self.take,
            on_error=self.take_error,
            on_started=begins,
            give_up_s=max(GIVE_UP_S, patience_s),
        )
        waits = [asyncio.create_task(each) for each in (client.speak(), started.wait(), self._stopping.wait())]
        speaking, starting, stopping = waits
        try:
            await asyncio.wait(waits, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if started.is_set() and not speaking.done():
                await asyncio.wait({speaking, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not speaking.done():
                    client.finish_now()
                    await asyncio.wait({speaking}, timeout=GIVE_UP_S)
            if speaking.done():
                speaking.result()
                self.ended()
            else:
                self.ended("it did not come to its end in time" if started.is_set() else "it was not let in in time")
        except CommandFailed as failure:
            self.ended(failure.message)
        finally:
            for task in (speaking, starting, stopping):
                task.cancel()
            await asyncio.gather(speaking, starting, stopping, return_exceptions=True)
            self.ended("cancelled")

    async def _next(self) -> bytes | None:
        """The next frame, when its last sample was spoken."""
        until = min(self.sent_samples + FRAME_SAMPLES, self.total_samples)
        if until == self.sent_samples or self._stopping.is_set():
            return None
        await self.due(until)
        piece = self.sound.piece(self.sent_samples, until - self.sent_samples)
        self.sent(until)
        return piece
