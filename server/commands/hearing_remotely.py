"""``earshot transcribe --server``: sound over the speaking socket, words back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import httpx

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from protocol.words import Segment
from server.commands.addresses import ServerAddress
from server.commands.failure import CommandFailed
from server.commands.feeding import ThreadFeed
from server.commands.options import load
from server.commands.outbox import Outbox
from server.commands.screens import Screen
from server.commands.sound_given import Heard, Wanted, pcm_pieces, raw_pieces, stdin_chunks
from server.commands.speaking import SpeakingClient
from server.commands.transcripts import all_segments, create_transcript, delete_transcript, sound_samples
from server.commands.wire_segments import segment_from

# After Ctrl-C the words of what was sent still come, but nobody waits long.
LAST_WORDS_S = 15.0


async def hear_remotely(wanted: Wanted, screen: Screen, stop: asyncio.Event, total_s: float | None) -> Heard:
    """By the server that ``wanted`` names."""
    token = load().access_token
    address = ServerAddress(wanted.server or "", token.get_secret_value() if token else None)
    async with httpx.AsyncClient(base_url=address.http, headers=address.headers, timeout=30.0) as http:
        transcript_id = await create_transcript(http, wanted.name, wanted.language)
        words = Words(screen)
        client, feed = _client(wanted, address, transcript_id, words, screen, total_s)
        try:
            trouble = await _speak(client, feed, words, stop)
        finally:
            if not client.let_in:
                # The server had no place, or was gone: nobody looks for a transcript of nothing.
                with contextlib.suppress(CommandFailed):
                    await delete_transcript(http, transcript_id)
        if not client.let_in:
            return Heard(trouble=trouble)
        # The journal is the truth: what a broken connection swallowed is there.
        segments = await all_segments(http, transcript_id)
        duration_samples = await sound_samples(http, transcript_id)
    for segment in segments:
        words.final(segment)
    return Heard(segments, trouble, duration_samples)


def _client(
    wanted: Wanted,
    address: ServerAddress,
    transcript_id: str,
    words: Words,
    screen: Screen,
    total_s: float | None,
) -> tuple[SpeakingClient, ThreadFeed[bytes]]:
    """What speaks, and where its sound comes from, which must be closed."""
    start, outbox, feed, rate_hz = _sound(wanted)

    def acked(position: int) -> None:
        if rate_hz:
            screen.progress(position / rate_hz, total_s)

    client = SpeakingClient(
        address,
        transcript_id,
        start,
        outbox,
        feed.get,
        on_message=words.take,
        on_acked=acked,
        on_trouble=screen.notice,
    )
    return client, feed


async def _speak(client: SpeakingClient, feed: ThreadFeed[bytes], words: Words, stop: asyncio.Event) -> str:
    """Says what went wrong, or nothing."""
    speaking = asyncio.create_task(client.speak())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({speaking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not speaking.done():
            client.finish_now()
            if client.let_in:
                await asyncio.wait({speaking}, timeout=LAST_WORDS_S)
        if speaking.done():
            speaking.result()
        return client.source_error.message if client.source_error else ""
    except CommandFailed as failure:
        if not words.told:
            raise
        return failure.message
    finally:
        for task in (speaking, stopping):
            task.cancel()
        await asyncio.gather(speaking, stopping, return_exceptions=True)
        await feed.close()


def _sound(wanted: Wanted) -> tuple[dict[str, Any], Outbox, ThreadFeed[bytes], int]:
    """The start message's data, what keeps the sound, where it comes from, and positions per second (0: bytes)."""
    known: dict[str, Any] = {"language": wanted.language, "speakers_expected": wanted.speakers}
    given = {name: value for name, value in known.items() if value}
    if not wanted.diarize:
        given["diarize"] = False
    if wanted.source == "-" and wanted.raw_rate_hz is None:
        return {"encoding": "container", **given}, Outbox(1), ThreadFeed(lambda: stdin_chunks(wanted.begun)), 0
    rate_hz = wanted.raw_rate_hz or SAMPLE_RATE_HZ
    start = {"encoding": "pcm_s16le", "sample_rate": rate_hz, "channels": 1, **given}
    feed = ThreadFeed(lambda: raw_pieces(rate_hz, wanted.begun) if wanted.raw_rate_hz else pcm_pieces(wanted))
    return start, Outbox(BYTES_PER_SAMPLE), feed, rate_hz


class Words:
    """Messages to the screen; each word once, however often it is told."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.told: dict[str, int] = {}  # up to where each was told

    def take(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == "transcription":
            segment = segment_from(message["data"])
            if segment.is_final:
                self.final(segment)
            elif segment.segment_id not in self.told:
                self._screen.interim(segment)

    def final(self, segment: Segment) -> None:
        if segment.segment_id in self.told:
            return
        self.told[segment.segment_id] = segment.end_samples
        # Words cut off were told with those that they were cut from, unless these came without them already.
        was_told = segment.start_samples < self.told.get(segment.cut_from or "", 0)
        if segment.text and not was_told:
            self._screen.final(segment)
        else:
            self._screen.interim(segment.model_copy(update={"text": ""}))
