"""A stretch of other sound is read as that sound is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from media.wav import WAV_HEADER_BYTES, Excerpt, SoundReader
from protocol.blocks import SAMPLE_RATE_HZ, Block

SAMPLES = np.arange(1000, dtype="<i2")


class Counted(SoundReader):
    """Each sample is its own number."""

    def length_samples(self) -> int:
        return len(SAMPLES)

    def blocks(
        self, start_samples: int = 0, end_samples: int | None = None, block_samples: int = SAMPLE_RATE_HZ
    ) -> Iterator[Block]:
        end = len(SAMPLES) if end_samples is None else min(end_samples, len(SAMPLES))
        for at in range(start_samples, end, block_samples):
            yield Block(at, SAMPLES[at : min(at + block_samples, end)].tobytes())


@pytest.mark.parametrize(("start", "end"), [(0, 1000), (10, 20), (990, 5000), (0, 0), (7, 3), (2000, 3000)])
def test_an_excerpt_is_that_stretch(start: int, end: int) -> None:
    excerpt, expected = Excerpt(Counted(), start, end), SAMPLES[start:end]
    assert excerpt.length_samples() == len(expected)
    blocks = list(excerpt.blocks(block_samples=64))
    assert b"".join(block.pcm for block in blocks) == expected.tobytes()
    assert [block.start_samples for block in blocks] == list(range(0, len(expected), 64))
    assert b"".join(excerpt.wav_bytes())[WAV_HEADER_BYTES:] == expected.tobytes()
    assert b"".join(excerpt.wav_bytes(WAV_HEADER_BYTES + 3, WAV_HEADER_BYTES + 9)) == expected.tobytes()[3:9]


def test_a_stretch_of_an_excerpt() -> None:
    blocks = list(Excerpt(Counted(), 100, 200).blocks(20, 50, 100))
    assert [(block.start_samples, block.pcm) for block in blocks] == [(20, SAMPLES[120:150].tobytes())]
