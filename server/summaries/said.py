"""What a stored transcript says, sentence by sentence."""

from __future__ import annotations

import asyncio
from itertools import islice

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.segment_pages import segment_pages
from server.store.store import Store
from server.summaries.extract import SENTENCES_MAX, Sentence, sentences_of


async def said_in(store: Store, transcript_id: str) -> list[Sentence]:
    """The sentences of a transcript, in order, at most ``SENTENCES_MAX``. Raises what the store raises."""
    tracks = await store.tracks_of(transcript_id)
    began_at = min((track.started_at for track in tracks), default=0.0)
    offsets = {track.id: round((track.started_at - began_at) * SAMPLE_RATE_HZ) for track in tracks}
    said: list[Sentence] = []
    async for page in segment_pages(store, transcript_id):
        segments = [stored.segment for stored in page]
        said += await asyncio.to_thread(_taken, segments, offsets, SENTENCES_MAX - len(said))
        if len(said) >= SENTENCES_MAX:
            break
    return said


def _taken(segments: list[Segment], offsets: dict[str, int], count: int) -> list[Sentence]:
    return list(islice(sentences_of(segments, offsets), count))
