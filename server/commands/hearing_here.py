"""``earshot transcribe`` without a server: the inference process is ours, and nothing is kept."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal

from asr.client import AsrClient
from asr.contract import SessionOptions
from asr.wire import VoicePrints
from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block
from protocol.errors import EarshotError
from protocol.words import Segment
from server.commands.failure import CommandFailed
from server.commands.feeding import ThreadFeed
from server.commands.options import load
from server.commands.screens import Screen
from server.commands.sound_given import Heard, Wanted, blocks_of
from server.commands.voices_here import TRACK, VoicesHere
from server.recogniser import worker_settings
from server.settings import Settings

READ_BACK_SAMPLES = SAMPLE_RATE_HZ
# After Ctrl-C the words of what was heard still come, but nobody waits long.
LAST_WORDS_S = 15.0


async def hear_here(wanted: Wanted, screen: Screen, stop: asyncio.Event, total_s: float | None) -> Heard:
    """In this process; the sound is spooled to a temporary file, for the recogniser to read again after a restart."""
    settings = load(engine=wanted.engine, language=wanted.language, data_dir=wanted.data_dir)
    client = AsrClient(replace(worker_settings(settings), workers=1))  # there is one session
    heard = Heard()
    feed: ThreadFeed[Block] = ThreadFeed(lambda: blocks_of(wanted))
    await client.start()
    try:
        if not await _ready(client, stop, settings.engine_start_deadline_s):
            return heard
        if client.status.notice:
            screen.notice(client.status.notice)
        voices = _voices(wanted, settings, client, screen)
        with Spool() as spool:
            await _transcribe(client, feed, spool, heard, wanted, screen, stop, total_s, voices)
            heard.duration_samples = spool.length_samples
        if voices is not None:
            heard.segments = await voices.told_anew(heard.segments)
    finally:
        await feed.close()
        await client.stop()
    return heard


def _voices(wanted: Wanted, settings: Settings, client: AsrClient, screen: Screen) -> VoicesHere | None:
    """None: they are not told apart, which is said to who asked how many speak."""
    if not (wanted.diarize and settings.diarize):
        return None
    if client.status.encoder is None:
        if wanted.speakers is not None:
            screen.notice(f"Speakers are not told apart: {client.status.no_encoder}.")
        return None
    return VoicesHere(wanted.speakers)


async def _ready(client: AsrClient, stop: asyncio.Event, deadline_s: float) -> bool:
    """False: stopped meanwhile. Raises ``CommandFailed`` when there is no recogniser by the deadline."""
    getting_ready = asyncio.create_task(client.wait_ready())
    stopping = asyncio.create_task(stop.wait())
    tasks = {getting_ready, stopping}
    try:
        await asyncio.wait(tasks, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        if not getting_ready.done() and not stopping.done():
            raise CommandFailed(f"The recogniser did not start: {client.status.reason or 'no answer'}.")
        return getting_ready.done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _transcribe(
    client: AsrClient,
    feed: ThreadFeed[Block],
    spool: Spool,
    heard: Heard,
    wanted: Wanted,
    screen: Screen,
    stop: asyncio.Event,
    total_s: float | None,
    voices: VoicesHere | None,
) -> None:
    session = client.open(
        track=TRACK,
        start_samples=0,
        # Interims are worth their cost where somebody may be speaking into the other end.
        options=SessionOptions(
            language=wanted.language,
            lane="live" if wanted.source == "-" else "file",
            diarize=voices is not None,
            speakers_expected=wanted.speakers,
        ),
        listener=_Listener(heard, screen, total_s, voices),
        read_back=spool.read_back,
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            getting = asyncio.create_task(feed.get())
            await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                break
            block = getting.result()
            if block is None:
                break
            spool.append(block)
            session.feed(block)
            await _until(session.room(), stopping)
        async with asyncio.timeout(LAST_WORDS_S if stop.is_set() else None):
            await session.finalize()
    except TimeoutError:
        heard.trouble = "The recogniser did not finish in time; the last words are missing."
    except EarshotError as error:
        # Sound that breaks off: the words before it are still worth having.
        await session.finalize()
        heard.trouble = error.message
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await session.close()


async def _until(waiting: Coroutine[Any, Any, None], stopping: asyncio.Task[bool]) -> None:
    """Wait for the one or the other."""
    task = asyncio.create_task(waiting)
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class _Listener:
    def __init__(self, heard: Heard, screen: Screen, total_s: float | None, voices: VoicesHere | None) -> None:
        self._heard = heard
        self._screen = screen
        self._total_s = total_s
        self._voices = voices

    def on_prints(self, prints: VoicePrints) -> None:
        if self._voices is not None:
            self._voices.keep(prints)

    def on_segment(self, segment: Segment, lag_ms: int) -> None:
        if self._voices is not None:
            segment = self._voices.voiced(segment)
        if segment.is_final:
            self._heard.segments.append(segment)
            self._screen.final(segment)
        else:
            self._screen.interim(segment)

    def on_settled(self, samples: int) -> None:
        self._screen.progress(samples / SAMPLE_RATE_HZ, self._total_s)

    def on_engine_state(self, state: Literal["ok", "degraded"]) -> None:
        if state == "degraded":
            self._screen.notice("The recogniser is being restarted; nothing is lost.")


class Spool:
    """The sound so far in a temporary file that has no name; gone with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.length_samples = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, block: Block) -> None:
        self._file.seek(block.start_samples * BYTES_PER_SAMPLE)
        self._file.write(block.pcm)
        self._file.flush()
        self.length_samples = block.end_samples

    def read_back(self, start_samples: int, end_samples: int) -> Iterator[Block]:
        """Blocking, from any thread: it does not move the writer's place."""
        import os

        at = start_samples
        while at < min(end_samples, self.length_samples):
            count = min(READ_BACK_SAMPLES, end_samples - at) * BYTES_PER_SAMPLE
            pcm = os.pread(self._file.fileno(), count, at * BYTES_PER_SAMPLE)
            if not pcm:
                return
            yield Block(at, pcm)
            at += len(pcm) // BYTES_PER_SAMPLE
