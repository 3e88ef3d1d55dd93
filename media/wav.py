"""Sound that is read in blocks, from wherever it is asked for, and seen as one WAV file."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Block

WAV_HEADER_BYTES = 44
# RIFF, "WAVE", "fmt " with WAVE_FORMAT_PCM, "data" (Multimedia Programming Interface 1.0, 1991).
_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_U32_MAX = 0xFFFF_FFFF
_PIECE_BYTES = 64 * 1024


class SoundReader(ABC):
    """Sound of a known length. Every method blocks; the same stretch is always the same sound, however it is asked."""

    @abstractmethod
    def length_samples(self) -> int: ...

    @abstractmethod
    def blocks(
        self, start_samples: int = 0, end_samples: int | None = None, block_samples: int = SAMPLE_RATE_HZ
    ) -> Iterator[Block]:
        """The sound from ``start_samples`` up to ``end_samples`` or the end without gaps, ``block_samples`` a time."""

    def wav_length_bytes(self) -> int:
        return WAV_HEADER_BYTES + self.length_samples() * BYTES_PER_SAMPLE

    def wav_bytes(self, start_byte: int = 0, end_byte: int | None = None) -> Generator[bytes, None, None]:
        """Bytes ``[start_byte, end_byte)`` of the sound seen as one WAV file, clipped to what there is."""
        length_samples = self.length_samples()
        total_bytes = WAV_HEADER_BYTES + length_samples * BYTES_PER_SAMPLE
        end = total_bytes if end_byte is None else min(end_byte, total_bytes)
        if start_byte < min(end, WAV_HEADER_BYTES):
            yield wav_header(length_samples)[start_byte:end]
        first = max(start_byte, WAV_HEADER_BYTES) - WAV_HEADER_BYTES
        last = end - WAV_HEADER_BYTES
        if first >= last:
            return
        blocks = self.blocks(first // BYTES_PER_SAMPLE, -(-last // BYTES_PER_SAMPLE), _PIECE_BYTES // BYTES_PER_SAMPLE)
        for block in blocks:
            base = block.start_samples * BYTES_PER_SAMPLE
            yield block.pcm[max(0, first - base) : last - base]


class Excerpt(SoundReader):
    """A stretch of other sound, clipped to what there is of that."""

    def __init__(self, sound: SoundReader, start_samples: int, end_samples: int) -> None:
        self._sound = sound
        self._start_samples = start_samples
        self._end_samples = end_samples

    def length_samples(self) -> int:
        return max(0, min(self._end_samples, self._sound.length_samples()) - self._start_samples)

    def blocks(
        self, start_samples: int = 0, end_samples: int | None = None, block_samples: int = SAMPLE_RATE_HZ
    ) -> Iterator[Block]:
        length_samples = self.length_samples()
        end = length_samples if end_samples is None else min(end_samples, length_samples)
        if start_samples < end:
            first = self._start_samples
            for block in self._sound.blocks(first + start_samples, first + end, block_samples):
                yield Block(block.start_samples - first, block.pcm)


def wav_header(length_samples: int) -> bytes:
    """The 44 bytes before 16 kHz mono s16 sound. Sizes that do not fit (over 37 h) are given as the largest."""
    data_bytes = length_samples * BYTES_PER_SAMPLE
    return _WAV_HEADER.pack(
        b"RIFF",
        min(data_bytes + WAV_HEADER_BYTES - 8, _U32_MAX),
        b"WAVE",
        b"fmt ",
        16,  # bytes of the format chunk
        1,  # WAVE_FORMAT_PCM
        1,  # channels
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * BYTES_PER_SAMPLE,
        BYTES_PER_SAMPLE,
        8 * BYTES_PER_SAMPLE,
        b"data",
        min(data_bytes, _U32_MAX),
    )
