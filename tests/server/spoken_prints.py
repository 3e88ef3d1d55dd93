"""Voice prints in tests: one direction a voice, and a little noise."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.voice_prints import packed_prints
from protocol.events import Transcribed
from protocol.words import Segment, Word
from server.store.store import Store
from server.store.voice_store import StoredPrints
from tests.server.spoken import put

STEP_SAMPLES = 6400
DIM = 7


def prints(track_id: str, start_samples: int, told: Sequence[int], heard: Sequence[int]) -> StoredPrints:
    """A step for each of ``told`` (the numbers that were said) and ``heard`` (whose voice it really is)."""
    rows = np.full((len(heard), DIM), 0.02, np.float32)
    rows[np.arange(len(heard)), heard] = 1.0
    steps = tuple(
        (start_samples + i * STEP_SAMPLES, start_samples + (i + 1) * STEP_SAMPLES, number)
        for i, number in enumerate(told)
    )
    return StoredPrints(track_id, "scripted", DIM, steps, base64.b64decode(packed_prints(rows)))


@dataclass
class Speech:
    """Says segments on one track, each word as long as a step, and keeps prints of them."""

    store: Store
    transcript_id: str
    track_id: str
    at_samples: int = 0
    count: int = 0

    async def say(
        self, text: str, told: int, heard: Sequence[int] | int, *, label: str | None = None, with_words: bool = True
    ) -> str:
        """``heard``: of each word whose voice it is. The segment's id."""
        words = text.split()
        voices = [heard] * len(words) if isinstance(heard, int) else list(heard)
        start, self.count = self.at_samples, self.count + 1
        end = self.at_samples = start + len(words) * STEP_SAMPLES
        spoken = tuple(
            Word(text=word, start_samples=start + i * STEP_SAMPLES, end_samples=start + (i + 1) * STEP_SAMPLES)
            for i, word in enumerate(words)
        )
        segment = Segment(
            segment_id=f"seg_{self.track_id}_{self.count:03}",
            track=self.track_id,
            text=text,
            start_samples=start,
            end_samples=end,
            is_final=True,
            words=spoken if with_words else (),
            speaker=label or f"Speaker {told + 1}",
            voice=told,
            speaker_confidence=0.6,
        )
        await self.store.voices.keep(self.transcript_id, prints(self.track_id, start, [told] * len(words), voices))
        await put(self.store, self.transcript_id, Transcribed(segment=segment, track_started_at=1000.0))
        self.at_samples += STEP_SAMPLES  # a pause
        return segment.segment_id
