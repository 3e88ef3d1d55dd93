"""Pictures of one camera or screen, on disk as they came: checked records, one after the other.

    record = mark 4 bytes | length_bytes u32 | crc32 u32 | at_ms u64 | format u8 | data         (little-endian)

The checksum covers length, time, format and data. As with sound (see ``records``) there is no header and no index, so
that a file that was cut anywhere holds every record before the cut.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from media.disk_writer import disk_error

PICTURE_MAX_BYTES = 4 << 20
MARK = b"\x9ePic"
_HEAD = struct.Struct("<II")
_ABOUT = struct.Struct("<QB")
HEADER_BYTES = len(MARK) + _HEAD.size + _ABOUT.size
_MARKS_MAX = 64  # that are looked at: more stand within a picture only on purpose


class PictureFormat(IntEnum):
    """The numbers are on disk."""

    PNG = 1
    JPEG = 2
    H264 = 3  # a piece of an Annex B byte stream


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """``at_ms``: since the recording began."""

    at_ms: int
    format: PictureFormat
    data: bytes

    def encode(self) -> bytes:
        checked = _ABOUT.pack(self.at_ms, self.format) + self.data
        return MARK + _HEAD.pack(len(self.data), zlib.crc32(checked, len(self.data))) + checked


def append(path: Path, record: PictureRecord) -> None:
    """Blocking. All of it, or nothing. Raises ``StoreUnavailable``."""
    data = record.encode()
    try:
        with path.open("ab", buffering=0) as file:
            length_bytes = file.tell()
            if file.write(data) < len(data):
                file.truncate(length_bytes)
                raise OSError("the disk took a part of it")
    except OSError as error:
        raise disk_error(error, "writing a picture") from error


def read(path: Path) -> Iterator[PictureRecord]:
    """Every whole record, up to the first that is not. Raises ``StoreUnavailable``; ``FileNotFoundError``."""
    try:
        with path.open("rb") as file:
            while (record := _next(file)) is not None:
                yield record
    except FileNotFoundError:
        raise
    except OSError as error:
        raise disk_error(error, "reading pictures") from error


def last(path: Path) -> tuple[PictureRecord | None, bool]:
    """The last whole record, without reading those before it; and whether the file ends with it, so that more may be
    appended. Raises as ``read``."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, SEEK_END)
            starts, at_bytes = [0], 0
            while (next_bytes := _end_of(file, at_bytes)) is not None and next_bytes <= size_bytes:
                at_bytes = next_bytes
                starts = [starts[-1], at_bytes]
            file.seek(starts[0])
            return _next(file), at_bytes == size_bytes
    except FileNotFoundError:
        raise
    except OSError as error:
        raise disk_error(error, "reading pictures") from error


def last_in(end: bytes) -> PictureRecord | None:
    """The last whole record of a file, of which this is the end, wherever that begins."""
    at_bytes = len(end)
    for _ in range(_MARKS_MAX):
        at_bytes = end.rfind(MARK, 0, at_bytes)
        if at_bytes < 0:
            break
        if (record := _next(BytesIO(end[at_bytes:]))) is not None:
            return record
    return None


def _end_of(file: BinaryIO, at_bytes: int) -> int | None:
    """Of the record that begins there, by what it says; None where none does."""
    file.seek(at_bytes)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MARK):
        return None
    length_bytes: int = _HEAD.unpack_from(header, len(MARK))[0]
    return None if length_bytes > PICTURE_MAX_BYTES else at_bytes + HEADER_BYTES + length_bytes


def _next(file: BinaryIO) -> PictureRecord | None:
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(MARK):
        return None
    length_bytes, checksum = _HEAD.unpack_from(header, len(MARK))
    if length_bytes > PICTURE_MAX_BYTES:
        return None
    data = file.read(length_bytes)
    about = header[-_ABOUT.size :]
    if len(data) < length_bytes or zlib.crc32(about + data, length_bytes) != checksum:
        return None
    at_ms, format_ = _ABOUT.unpack(about)
    return PictureRecord(at_ms, PictureFormat(format_), data)
