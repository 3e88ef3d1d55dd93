"""The record file: a track's sound as a row of checked records, nothing else.

    record = mark 4 bytes | length_bytes u32 | crc32 u32 | start_samples u64 | pcm         (little-endian)

The checksum covers length, start and pcm. There is no header to patch and no index, so a file that was cut anywhere
holds every record before the cut, and after damage the next mark with a whole record behind it is where sound goes on.
Records come in order of time and never overlap; time between two of them is silence.
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


def scan(file: BinaryIO, offset_bytes: int = 0, end_samples: int = 0) -> Iterator[Record]:
    """The whole records from ``offset_bytes`` on, where the sound before it ends at ``end_samples``.

    A damaged one is left out: it is looked for the next whole one. Ends quietly when there is none, as at a torn tail.
    """
    at: int | None = offset_bytes
    while at is not None:
        record = _read_record(file, at, end_samples)
        if record is None:
            at = _next_mark(file, at + 1)
        else:
            yield record
            at, end_samples = record.end_bytes, record.end_samples


def _split(start_samples: int, pcm: bytearray) -> Iterator[bytes]:
    for at in range(0, len(pcm), RECORD_MAX_BYTES):
        yield encode(start_samples + at // BYTES_PER_SAMPLE, bytes(pcm[at : at + RECORD_MAX_BYTES]))


def _checksum(length_bytes: int, checked: bytes) -> int:
    return zlib.crc32(checked, length_bytes)


def _read_record(file: BinaryIO, offset_bytes: int, end_samples: int) -> Record | None:
    """The record there, if it is whole and comes after the sound before it."""
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
    if start < end_samples:
        return None
    return Record(offset_bytes + HEADER_BYTES, start, length_bytes // BYTES_PER_SAMPLE)


def _next_mark(file: BinaryIO, offset_bytes: int) -> int | None:
    """Where a record may begin, at ``offset_bytes`` or after."""
    file.seek(offset_bytes)
    data = b""
    while piece := file.read(RECORD_MAX_BYTES):
        # The end of the piece before may hold the beginning of a mark.
        data = data[-(len(MARK) - 1) :] + piece
        offset_bytes += len(piece)
        found = data.find(MARK)
        if found >= 0:
            return offset_bytes - len(data) + found
    return None
