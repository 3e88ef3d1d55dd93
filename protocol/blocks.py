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
    track began, so that sample index equals media time. ``packets`` are the Opus packets that ``pcm`` was decoded from,
    for whoever keeps sound as it came: none at all where an Opus source was silent or its sound was lost, None where
    the sound came in another form.
    """

    start_samples: int
    pcm: bytes
    packets: tuple[bytes, ...] | None = None

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
        """The part at or after ``position_samples``; None when nothing is left. Half a packet is none."""
        if position_samples <= self.start_samples:
            return self
        if position_samples >= self.end_samples:
            return None
        rest = self.pcm[(position_samples - self.start_samples) * BYTES_PER_SAMPLE :]
        return Block(position_samples, rest, None if self.packets else self.packets)

    def moved(self, by_samples: int) -> Block:
        """The same sound, so much later."""
        return Block(self.start_samples + by_samples, self.pcm, self.packets)

    def silenced(self) -> Block:
        """Silence in its place, of the same kind of source."""
        return Block(self.start_samples, bytes(len(self.pcm)), None if self.packets is None else ())


def silence(start_samples: int, end_samples: int, packets: tuple[bytes, ...] | None = None) -> Block:
    """Silence from ``start_samples`` up to ``end_samples``."""
    return Block(start_samples, bytes((end_samples - start_samples) * BYTES_PER_SAMPLE), packets)


def seconds(samples: int) -> float:
    """Samples at 16 kHz as seconds, for doors and events only."""
    return samples / SAMPLE_RATE_HZ
