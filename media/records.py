"""Sound that came as samples, on disk: checked records, one after the other.

    record = mark 4 bytes | length_bytes u32 | crc32 u32 | start_samples u64 | pcm         (little-endian)

The checksum covers length, start and pcm. There is no header to patch and no index, so a file that was cut anywhere
holds every record before the cut. Records come in order of time and never overlap; time between two of them is silence.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from protocol.blocks import BYTES_PER_SAMPLE, Block

# Two seconds: what one damaged byte can cost, and what a reader must hold at once.
RECORD_MAX_BYTES = 64_000

MARK = b"\x9eRec"  # no text and, as sound, two samples of full swing: rare, and the checksum decides anyway
_HEAD = struct.Struct("<II")
_START = struct.Struct("<Q")
HEADER_BYTES = len(MARK) + _HEAD.size + _START.size


@dataclass(frozen=True, slots=True)
class Record:
    """Where one whole, checked record lies."""

    offset_bytes: int  # of its pcm in the file, which ``HEADER_BYTES`` come before
    start_samples: int
    length_samples: int

    @property
    def end_samples(self) -> int:
        return self.start_samples + self.length_samples

    @property
    def end_bytes(self) -> int:
        return self.offset_bytes + self.length_samples * BYTES_PER_SAMPLE


def encode(start_samples: int, pcm: bytes) -> bytes:
    """One record. ``pcm`` holds 1 to ``RECORD_MAX_BYTES`` bytes of whole samples."""
    checked = _START.pack(start_samples) + pcm
    return MARK + _HEAD.pack(len(pcm), _checksum(len(pcm), checked)) + checked


def encode_all(blocks: Iterable[Block]) -> Iterator[bytes]:
    """Records of ``blocks``, which are in order: neighbours that touch share one, long ones are split."""
    start = end = 0
    pcm = bytearray()
    for block in blocks:
        if pcm and block.start_samples != end:
            yield from _split(start, pcm)
            pcm.clear()
        if not pcm:
            start = block.start_samples
        pcm += block.pcm
        end = block.end_samples
    yield from _split(start, pcm)


def _split(start_samples: int, pcm: bytearray) -> Iterator[bytes]:
    for at in range(0, len(pcm), RECORD_MAX_BYTES):
        yield encode(start_samples + at // BYTES_PER_SAMPLE, bytes(pcm[at : at + RECORD_MAX_BYTES]))


def _checksum(length_bytes: int, checked: bytes) -> int:
    return zlib.crc32(checked, length_bytes)


def read_record(file: BinaryIO, offset_bytes: int) -> Record | None:
    """The record there, if it is whole."""
    file.seek(offset_bytes)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MARK):
        return None
    length_bytes, checksum = _HEAD.unpack_from(header, len(MARK))
    if not 0 < length_bytes <= RECORD_MAX_BYTES or length_bytes % BYTES_PER_SAMPLE:
        return None
    pcm = file.read(length_bytes)
    if len(pcm) < length_bytes or _checksum(length_bytes, header[-_START.size :] + pcm) != checksum:
        return None
    (start,) = _START.unpack_from(header, HEADER_BYTES - _START.size)
    return Record(offset_bytes + HEADER_BYTES, start, length_bytes // BYTES_PER_SAMPLE)
