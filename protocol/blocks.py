"""The one form sound has once it has left ``media/``."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_RATE_HZ = 16_000
BYTES_PER_SAMPLE = 2
MS_SAMPLES = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Block:
    """A run of sound of one track.

    ``pcm`` is 16 kHz mono signed 16-bit little-endian; ``start_samples`` is the index of its first sample since the
    track began, so that sample index equals media time.
    """

    start_samples: int
    pcm: bytes

    def __post_init__(self) -> None:
        if self.start_samples < 0 or len(self.pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"no block: start {self.start_samples}, {len(self.pcm)} bytes")

    @property
    def length_samples(self) -> int:
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def end_samples(self) -> int:
        return self.start_samples + self.length_samples

    def after(self, position_samples: int) -> Block | None:
        """The part at or after ``position_samples``; None when nothing is left."""
        if position_samples <= self.start_samples:
            return self
        if position_samples >= self.end_samples:
            return None
        return Block(position_samples, self.pcm[(position_samples - self.start_samples) * BYTES_PER_SAMPLE :])


def silence(start_samples: int, end_samples: int) -> Block:
    """Silence from ``start_samples`` up to ``end_samples``."""
    return Block(start_samples, bytes((end_samples - start_samples) * BYTES_PER_SAMPLE))


def seconds(samples: int) -> float:
    """Samples at 16 kHz as seconds, for doors and events only."""
    return samples / SAMPLE_RATE_HZ
