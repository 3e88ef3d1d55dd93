"""Pieces of a stream that begin after its header, as a recorder in a browser gives them when it is asked for one every
few seconds: only the first is a file. Told by their first bytes, and put behind the header of an earlier one.

WebM: RFC 9559 (Matroska) on RFC 8794 (EBML). Ogg: RFC 3533. Fragmented MP4: ISO/IEC 14496-12, section 8.8.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from media.containers import MATROSKA, MP4, OGG, Container

HEADER_MAX_BYTES = 256 * 1024  # recorders' have some hundred; a cover picture is none of theirs
COPY_BYTES = 1 << 20
BLOCKS_MAX = 100_000  # looked at in the rest of one cluster

_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_TIMESTAMP_SCALE, _TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0x2AD7B1, 0xE7, 0xA3, 0xA0, 0xA1
_IN_A_SEGMENT = frozenset({_CLUSTER, 0x114D9B74, _INFO, _TRACKS, 0x1C53BB6B, 0x1254C367, 0xEC, 0xBF})
_IN_A_CLUSTER = frozenset({_SIMPLE_BLOCK, _BLOCK_GROUP, 0xA7, 0xAB, 0xEC, 0xBF})
_UNKNOWN = b"\x01" + b"\xff" * 7  # a size of eight bytes that says: until there is something else

_FRAGMENTS = frozenset({b"moof", b"styp", b"sidx", b"prft", b"emsg"})
_OGG_PAGE_BYTES, _OGG_FIRST = 27, 0x02


@dataclass(frozen=True, slots=True)
class Header:
    """What a stream begins with: all that its later pieces need, and none of its sound."""

    container: Container
    data: bytes


def continues(head: bytes) -> Container | None:
    """The container of a stream that was begun before ``head``, its first bytes (16 or more); None for anything else,
    such as a file of its own."""
    if head[:4] == _CLUSTER.to_bytes(4, "big"):
        return MATROSKA
    if head[:1] in (b"\xa3", b"\xa0"):
        return MATROSKA if _is_block(head) else None
    if head[:4] == b"OggS" and len(head) > 5:
        return None if head[5] & _OGG_FIRST else OGG
    return MP4 if head[4:8] in _FRAGMENTS else None


def header_of(data: bytes) -> Header | None:
    """Of a stream that begins with ``data`` (its first ``HEADER_MAX_BYTES``, or all of it). None where there is no
    header that others could follow: another kind of file, one whose header does not end in time, a damaged one."""
    try:
        if data[:4] == _EBML.to_bytes(4, "big"):
            return _webm_header(data)
        if data[:4] == b"OggS":
            return _ogg_header(data)
        if data[4:8] == b"ftyp":
            return _mp4_header(data)
    except (ValueError, IndexError, struct.error):
        pass
    return None


def join(header: Header, rest: BinaryIO, out: BinaryIO) -> bool:
    """Write a file of ``header`` and ``rest``, a piece that continues it, to ``out``; its time is the piece's own.

    False, with nothing written, where they are not of one stream. Reads ``rest`` once, in pieces; blocks.
    """
    head = rest.read(18)
    rest.seek(0)
    if continues(head) is not header.container:
        return False
    if header.container is MATROSKA:
        out.write(header.data + _cluster_begins(head, rest))
    elif header.container is OGG:
        if head[14:18] != header.data[14:18]:  # another stream's number
            return False
        out.write(header.data)
    else:
        out.write(header.data)
        _copy_fragments(rest, out)
        return True
    rest.seek(0)
    while piece := rest.read(COPY_BYTES):
        out.write(piece)
    return True


# WebM.


def _number(file: BinaryIO, *, is_id: bool) -> int | None:
    """A number of variable length; an id keeps its marker. None: the end, or of an unknown size."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    data = first + file.read(length - 1)
    if len(data) < length or (is_id and length > 4):
        return None
    value = int.from_bytes(data, "big")
    if is_id:
        return value
    value &= (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value


def _is_block(head: bytes) -> bool:
    """Whether a block of sound may begin so: its size, its track, and flags of which some are reserved."""
    file = io.BytesIO(head)
    kind, size = _number(file, is_id=True), _number(file, is_id=False)
    if not size:
        return False
    if kind == _BLOCK_GROUP:
        return _number(file, is_id=True) == _BLOCK
    track = _number(file, is_id=False)
    flags = file.read(3)[2:]
    return size > 4 and bool(track) and len(flags) == 1 and not flags[0] & 0x70


def _elements(data: bytes, start: int) -> Iterator[tuple[int, int, int, int | None]]:
    """Id, where it begins, where its content begins, and its length, of each in ``data`` from ``start`` on."""
    file = io.BytesIO(data)
    while True:
        file.seek(start)
        kind = _number(file, is_id=True)
        if kind is None:
            return
        length = _number(file, is_id=False)
        yield kind, start, file.tell(), length
        if length is None:
            return
        start = file.tell() + length


def _webm_header(data: bytes) -> Header | None:
    parts: list[bytes] = []
    inside = 0
    for kind, start, content, length in _elements(data, 0):
        if kind == _SEGMENT:
            inside = content
            break
        if length is None:
            return None
        parts.append(data[start : content + length])
    if not inside:
        return None
    parts.append(_SEGMENT.to_bytes(4, "big") + _UNKNOWN)
    for kind, start, content, length in _elements(data, inside):
        if kind == _CLUSTER:
            return None  # sound before it was said of what
        if length is None or content + length > len(data):
            return None
        if kind == _INFO:
            parts.append(_scale_of(data[content : content + length]))
        elif kind == _TRACKS:  # behind it, nothing that sound needs
            return Header(MATROSKA, b"".join([*parts, data[start : content + length]]))
    return None


def _scale_of(info: bytes) -> bytes:
    """What is said of time alone: the length is that of something else."""
    kept = b"".join(
        info[start : content + length]
        for kind, start, content, length in _elements(info, 0)
        if kind == _TIMESTAMP_SCALE and length is not None
    )
    return _INFO.to_bytes(4, "big") + bytes([0x80 | len(kept)]) + kept


def _cluster_begins(head: bytes, rest: BinaryIO) -> bytes:
    """What is missing before a piece that begins within a cluster. Its blocks count from the cluster's time, which was
    told before; it is taken so that they end where the next cluster begins."""
    if head[:4] == _CLUSTER.to_bytes(4, "big"):
        return b""
    begins_at = max(0, _next_cluster(rest))
    stamp = begins_at.to_bytes(8, "big")
    return _CLUSTER.to_bytes(4, "big") + _UNKNOWN + bytes([_TIMESTAMP, 0x88]) + stamp


def _next_cluster(rest: BinaryIO) -> int:
    """The time that the cluster must have for its blocks to end where the next one begins; 0 where there is none."""
    times: list[int] = []
    rest.seek(0)
    for _ in range(BLOCKS_MAX):
        kind = _number(rest, is_id=True)
        length = _number(rest, is_id=False)
        content = rest.tell()
        if kind == _CLUSTER:
            stamped = _number(rest, is_id=True)
            size = _number(rest, is_id=False)
            if stamped != _TIMESTAMP or not size or size > 8 or not times:
                return 0
            step = times[-1] - times[-2] if len(times) > 1 else 0
            return int.from_bytes(rest.read(size), "big") - times[-1] - max(0, step)
        if kind not in _IN_A_CLUSTER or length is None:
            return 0
        if kind == _BLOCK_GROUP:
            _number(rest, is_id=True)
            _number(rest, is_id=False)
        if kind in (_SIMPLE_BLOCK, _BLOCK_GROUP):
            _number(rest, is_id=False)
            times.append(int.from_bytes(rest.read(2), "big", signed=True))
        rest.seek(content + length)
    return 0


# Ogg.


def _ogg_header(data: bytes) -> Header | None:
    at = 0
    while data[at : at + 4] == b"OggS":
        count = data[at + 26]
        length = _OGG_PAGE_BYTES + count + sum(data[at + _OGG_PAGE_BYTES : at + _OGG_PAGE_BYTES + count])
        (ended_at,) = struct.unpack_from("<q", data, at + 6)
        if ended_at > 0:  # samples: the first page with sound
            return Header(OGG, data[:at]) if at else None
        if at + length > len(data):
            return None
        at += length
    # Nothing but a header: the recorder had heard nothing yet.
    return Header(OGG, data) if at and at == len(data) else None


# MP4.


def _mp4_header(data: bytes) -> Header | None:
    at, parts = 0, []
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > len(data):
            return None
        parts.append(data[at : at + length])
        if kind == b"moov":
            # It says that fragments follow, or it is of a file that is whole.
            return Header(MP4, b"".join(parts)) if b"mvex" in parts[-1] else None
        if kind not in (b"ftyp", b"free", b"skip", b"uuid"):
            return None
        at += length
    return None


def _copy_fragments(rest: BinaryIO, out: BinaryIO) -> None:
    """All but what tells of other pieces, and every fragment's time from 0 on."""
    zero: dict[int, int] = {}
    while len(head := rest.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"moof" and 8 <= length <= HEADER_MAX_BYTES:
            try:
                out.write(_moved(head + rest.read(length - 8), zero))
            except struct.error:
                return
        elif kind in (b"sidx", b"styp", b"prft", b"emsg") and 8 <= length <= HEADER_MAX_BYTES:
            rest.seek(length - 8, io.SEEK_CUR)
        elif kind == b"mdat" and length >= 8:
            out.write(head)
            left = length - 8
            while left > 0 and (piece := rest.read(min(left, COPY_BYTES))):
                out.write(piece)
                left -= len(piece)
        else:
            return  # damaged from here on


def _moved(moof: bytes, zero: dict[int, int]) -> bytes:
    """Its tracks' times (tfdt, 8.8.12) counted from those of the first fragment, by track."""
    found = bytearray(moof)
    for traf in _boxes(moof, 8, len(moof), b"traf"):
        track = next((struct.unpack_from(">I", moof, at + 4)[0] for at, _ in _boxes(moof, *traf, b"tfhd")), 0)
        for at, _ in _boxes(moof, *traf, b"tfdt"):
            form = ">Q" if moof[at] else ">I"
            (time,) = struct.unpack_from(form, moof, at + 4)
            struct.pack_into(form, found, at + 4, max(0, time - zero.setdefault(track, time)))
    return bytes(found)


def _boxes(data: bytes, start: int, end: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Where the content of each box of that kind begins and ends."""
    while start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        if length < 8:
            return
        if kind == wanted:
            yield start + 8, min(start + length, end)
        start += length
