"""Finished recordings as one sound, each at its place in time: what somebody in the room would have heard of all.

Nothing of it is kept: a stretch is added up when it is asked for, a block at a time, so hours of many cost no more
memory than a second of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from media.mixer import soften
from media.wav import SoundReader
from protocol.blocks import SAMPLE_RATE_HZ, Block


@dataclass(frozen=True, slots=True)
class Part:
    """So much of a recording, which begins at ``start_samples`` of the whole."""

    recording: SoundReader
    start_samples: int
    length_samples: int

    @property
    def end_samples(self) -> int:
        return self.start_samples + self.length_samples


class Mixdown(SoundReader):
    """The sum of all parts, bent where it is too loud as in a live room (see ``soften``); silence where nobody is."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._length_samples = max((part.end_samples for part in self._parts), default=0)

    def length_samples(self) -> int:
        return self._length_samples

    def blocks(
        self, start_samples: int = 0, end_samples: int | None = None, block_samples: int = SAMPLE_RATE_HZ
    ) -> Iterator[Block]:
        end = self._length_samples if end_samples is None else min(end_samples, self._length_samples)
        for at in range(start_samples, end, block_samples):
            yield Block(at, self._pcm(at, min(at + block_samples, end)))

    def _pcm(self, start_samples: int, end_samples: int) -> bytes:
        sums = np.zeros(end_samples - start_samples, np.int32)
        for part in self._parts:
            first, last = max(start_samples, part.start_samples), min(end_samples, part.end_samples)
            if first >= last:
                continue
            own = part.recording.blocks(first - part.start_samples, last - part.start_samples, last - first)
            for block in own:
                at = part.start_samples + block.start_samples - start_samples
                sums[at : at + block.length_samples] += np.frombuffer(block.pcm, "<i2")
        return soften(sums).astype("<i2").tobytes()
