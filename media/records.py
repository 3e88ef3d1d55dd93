"""The record file: a track's sound as a row of checked records, nothing else.

    record = length_bytes u32 | crc32 u32 | start_samples u64 | pcm         (little-endian)

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

_HEAD = struct.Struct("<II")
_START = struct.Struct("<Q")
HEADER_BYTES = _HEAD.size + _START.size


@dataclass(frozen=True, slots=True)
class Record:
    """Where one whole, checked record lies."""

    offset_bytes: int  # of its pcm in the file
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
    return _HEAD.pack(len(pcm), _checksum(len(pcm), checked)) + checked


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


def scan(file: BinaryIO, offset_bytes: int = 0, end_samples: int = 0) -> Iterator[Record]:
    """The whole records from ``offset_bytes`` on, where the sound before it ends at ``end_samples``.

    Ends quietly at a torn or damaged record, unless the record after it is whole: then only the damaged one is missing.
    """
    while True:
        record, follower_bytes = _read_record(file, offset_bytes, end_samples)
        if record is None and follower_bytes:
            record, _ = _read_record(file, follower_bytes, end_samples)
        if record is None:
            return
        yield record
        offset_bytes, end_samples = record.end_bytes, record.end_samples


def _split(start_samples: int, pcm: bytearray) -> Iterator[bytes]:
    for at in range(0, len(pcm), RECORD_MAX_BYTES):
        yield encode(start_samples + at // BYTES_PER_SAMPLE, bytes(pcm[at : at + RECORD_MAX_BYTES]))


def _checksum(length_bytes: int, checked: bytes) -> int:
    return zlib.crc32(checked, length_bytes)


def _read_record(file: BinaryIO, offset_bytes: int, end_samples: int) -> tuple[Record | None, int]:
    """The record there, or None and where the next one would begin (0: unknown)."""
    file.seek(offset_bytes)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None, 0
    length_bytes, checksum = _HEAD.unpack_from(header)
    if not 0 < length_bytes <= RECORD_MAX_BYTES or length_bytes % BYTES_PER_SAMPLE:
        return None, 0
    pcm = file.read(length_bytes)
    if len(pcm) < length_bytes:
        return None, 0
    (start,) = _START.unpack_from(header, _HEAD.size)
    pcm_offset = offset_bytes + HEADER_BYTES
    whole = _checksum(length_bytes, header[_HEAD.size :] + pcm) == checksum
    if not whole or start < end_samples:
        return None, pcm_offset + length_bytes
    return Record(pcm_offset, start, length_bytes // BYTES_PER_SAMPLE), 0
