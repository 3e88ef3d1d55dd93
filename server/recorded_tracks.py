"""A recording as clients of other contracts give it, heard while they wait: raw samples, channels heard each alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from media.decode import DecodeLimits, check_file
from media.retold import one_channel, with_header
from protocol.errors import EngineFailed, TryLater
from protocol.states import TranscriptState
from protocol.wire.stream import Encoding
from protocol.words import Segment
from server.intake import CONTAINERS, MEBIBYTE, SAMPLE_RATE_MAX_HZ, SAMPLE_RATE_MIN_HZ
from server.live import SourceOptions
from server.segment_pages import segment_pages
from server.services import Services

WAIT_MAX_S = 600.0  # the original gives up then, too
TRACK = "channel-{}"


async def say_what_it_is(path: Path, encoding: Encoding, sample_rate: int, channels: int) -> None:
    """Put a header before raw samples, where they lie. Raises ``AudioFormatError``."""
    whole = path.with_suffix(".wav")
    try:
        await asyncio.to_thread(with_header, path, whole, encoding, sample_rate, channels)
        await asyncio.to_thread(whole.replace, path)
    finally:
        await asyncio.to_thread(whole.unlink, missing_ok=True)


async def take(
    services: Services, transcript_id: str, path: Path, *, filename: str, options: SourceOptions, apart: bool
) -> list[str]:
    """The intake takes the file, or each of its channels, over; their tracks' ids, in order. Raises what
    ``Intake.add_file`` raises; then the file stays where it is."""
    if not apart:
        named = replace(options, track=TRACK.format(0))
        return [await services.intake.add_file(transcript_id, path, filename=filename, options=named)]
    limits = _limits(services)
    count = await asyncio.to_thread(check_file, path, limits)
    parts = [path.with_suffix(f".{channel}.wav") for channel in range(count)]
    try:
        for channel, part in enumerate(parts):
            await asyncio.to_thread(one_channel, path, part, channel, limits)
        tracks = []
        for channel, part in enumerate(parts):
            named = replace(options, track=TRACK.format(channel))
            tracks.append(await services.intake.add_file(transcript_id, part, filename=filename, options=named))
    finally:
        for part in parts:
            await asyncio.to_thread(part.unlink, missing_ok=True)
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return tracks


async def heard(services: Services, transcript_id: str, tracks: list[str]) -> list[list[Segment]]:
    """What was said on each, when all is heard. Raises ``TryLater`` when that takes too long, ``EngineFailed``."""
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            await asyncio.gather(*(services.intake.heard(track) for track in tracks))
    except TimeoutError:
        raise TryLater(
            f"this takes longer than {WAIT_MAX_S:g} s; its words come to /v1/transcripts/{transcript_id}",
            retry_after_s=60,
        ) from None
    found: dict[str, list[Segment]] = {track: [] for track in tracks}
    async for page in segment_pages(services.store, transcript_id):
        for stored in page:
            if stored.segment.track in found:
                found[stored.segment.track].append(stored.segment)
    transcript = await services.store.get_transcript(transcript_id)
    if transcript.state is TranscriptState.FAILED and not any(found.values()):
        raise EngineFailed("the recording could not be heard", details={"transcript_id": transcript_id})
    return list(found.values())


def _limits(services: Services) -> DecodeLimits:
    settings = services.settings
    return DecodeLimits(
        bytes_max=settings.upload_max_mb * MEBIBYTE,
        duration_max_s=settings.upload_max_s,
        sample_rate_min_hz=SAMPLE_RATE_MIN_HZ,
        sample_rate_max_hz=SAMPLE_RATE_MAX_HZ,
        containers=CONTAINERS,
    )
