"""Opus in Ogg pages, written and found again. Pure: bytes in, bytes out (RFC 3533 the pages, RFC 7845 Opus in them).

Every page holds whole packets, at most a second of sound, and says where in the track it ends: its granule is media
time at 48 kHz. So a file that is cut anywhere plays up to the cut, damage costs the pages it lies in, and nothing
drifts. The pre-skip is 0: time in a player is time on the track. There is no last page to mend: a stream may go on.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from media.opus import PACKET_MAX_SAMPLES, STEP_SAMPLES, packet_samples
from protocol.blocks import MS_SAMPLES, SAMPLE_RATE_HZ

MARK = b"OggS"
PAGE_MAX_SAMPLES = SAMPLE_RATE_HZ
GRANULES_PER_SAMPLE = 3  # 48 kHz, whatever the sound was made at (RFC 7845, section 4)
SEGMENTS_MAX = 255
PAGE_MAX_BYTES = 27 + SEGMENTS_MAX + SEGMENTS_MAX * 255  # RFC 3533, section 6
PACKET_MAX_BYTES = SEGMENTS_MAX * 255 - 1  # of a packet that is whole in one page

# Version, flags, granule, serial, number, checksum, segments (RFC 3533, section 6).
_HEAD = struct.Struct("<4sBBqIIIB")
_CHECKSUM = struct.Struct("<I")
_CHECKSUM_AT = 22
_FIRST = 0x02  # this page begins a stream
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

# RFC 7845, 5.1: version 1, one channel, no pre-skip, made at 48 kHz, no gain, mapping family 0.
_OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
# RFC 7845, 5.2: who wrote it, and no comments.
_VENDOR = b"earshot"
_OPUS_TAGS = b"OpusTags" + struct.pack("<I", len(_VENDOR)) + _VENDOR + struct.pack("<I", 0)

_SILENT_FRAMES = {320: 0xF8, 160: 0xF0, 80: 0xE8, 40: 0xE0}  # first bytes of CELT packets of 20, 10, 5 and 2.5 ms
_SILENT_DATA = b"\xff\xfe"  # a CELT frame that says it is silent
_LONG_SILENCE_PACKETS = 83  # a page of nothing but silence may be ten seconds


@dataclass(frozen=True, slots=True)
class Page:
    """One whole, checked page of a stream as it is written here."""

    serial: int
    number: int
    end_samples: int  # where its sound ends on the track
    length_samples: int  # 0: no sound, but the head of a stream
    packets: tuple[bytes, ...]
    length_bytes: int


class OggWriter:
    """Packets of one stream in, pages out. What ``take`` has given is whole pages.

    ``end_samples`` is where the stream's next packet belongs. A stream that goes on after ``next_number`` pages gets no
    head.
    """

    def __init__(self, serial: int, end_samples: int, next_number: int = 0) -> None:
        self.serial = serial
        self.end_samples = end_samples
        self._number = next_number
        self._done = bytearray()
        self._packets: list[bytes] = []
        self._lacing = bytearray()
        self._page_end_samples = 0  # where the page must end at the latest
        if not next_number:
            self._page((_OPUS_HEAD,), bytes((len(_OPUS_HEAD),)), 0, flags=_FIRST)
            self._page((_OPUS_TAGS,), bytes((len(_OPUS_TAGS),)), 0)

    def add(self, packet: bytes, length_samples: int) -> None:
        """The next packet and its length: at most ``PACKET_MAX_BYTES`` and 120 ms, as every Opus packet is."""
        whole, rest = divmod(len(packet), 255)
        end_samples = self.end_samples + length_samples
        if self._packets and (end_samples > self._page_end_samples or len(self._lacing) + whole >= SEGMENTS_MAX):
            self._end_page()
        if not self._packets:
            self._page_end_samples = self.end_samples + PAGE_MAX_SAMPLES
        self._packets.append(packet)
        if whole:
            self._lacing += b"\xff" * whole
        self._lacing.append(rest)
        self.end_samples = end_samples

    def fill(self, until_samples: int) -> None:
        """Silence up to there. What is shorter than any packet (2.5 ms) is a step between two pages."""
        odd_samples = (until_samples - self.end_samples) % STEP_SAMPLES
        if odd_samples:
            self._end_page()
            self.end_samples += odd_samples
        long = [silence_packet(PACKET_MAX_SAMPLES)] * _LONG_SILENCE_PACKETS
        while until_samples - self.end_samples >= _LONG_SILENCE_PACKETS * PACKET_MAX_SAMPLES:
            self._end_page()
            self.end_samples += _LONG_SILENCE_PACKETS * PACKET_MAX_SAMPLES
            self._page(long, bytes(map(len, long)), self.end_samples)
        while self.end_samples < until_samples:
            packet = silence_packet(until_samples - self.end_samples)
            self.add(packet, packet_samples(packet))

    def take(self) -> bytes:
        """All pages since the last time; the last one ends with the last packet."""
        self._end_page()
        done = bytes(self._done)
        self._done.clear()
        return done

    def _end_page(self) -> None:
        if self._packets:
            self._page(self._packets, self._lacing, self.end_samples)
            self._packets.clear()
            self._lacing.clear()

    def _page(self, packets: Iterable[bytes], lacing: bytes | bytearray, end_samples: int, *, flags: int = 0) -> None:
        granule = end_samples * GRANULES_PER_SAMPLE
        head = _HEAD.pack(MARK, 0, flags, granule, self.serial, self._number & 0xFFFFFFFF, 0, len(lacing))
        page = bytearray(b"".join((head, lacing, *packets)))
        _CHECKSUM.pack_into(page, _CHECKSUM_AT, checksum(page))
        self._done += page
        self._number += 1


def silence_packet(samples: int) -> bytes:
    """The longest packet of silence that is not longer than ``samples`` (40 and more)."""
    frames = min(samples, PACKET_MAX_SAMPLES) // 320
    if frames > 1:
        # Several frames of one size, without padding (RFC 6716, 3.2.5).
        return bytes((_SILENT_FRAMES[320] | 3, frames)) + _SILENT_DATA * frames
    length_samples = next(length for length in _SILENT_FRAMES if length <= samples)
    return bytes((_SILENT_FRAMES[length_samples],)) + _SILENT_DATA


def fits(packet: bytes, length_samples: int) -> bool:
    """Whether a packet is within 510 kbit/s, the most that Opus is made for (RFC 6716, 2.1.1); padding may say more."""
    return len(packet) * MS_SAMPLES <= 64 * length_samples


def checksum(page: bytes | bytearray) -> int:
    """The CRC of RFC 3533, section 6, over a page whose own field is 0.

    It is zlib's with each byte's bits the other way round, beginning with 0 and not inverted.
    """
    value = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(value.to_bytes(4, "little").translate(_REVERSED), "big")


def read_page(file: BinaryIO, offset_bytes: int) -> Page | None:
    """The page there, if it is whole and one of ours."""
    file.seek(offset_bytes)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, version, _, granule, serial, number, told, segments = _HEAD.unpack(head)
    if mark != MARK or version or granule < 0 or granule % GRANULES_PER_SAMPLE:
        return None
    lacing = file.read(segments)
    if len(lacing) < segments or not lacing or lacing[-1] == 255:
        return None
    body = file.read(sum(lacing))
    blank = head[:_CHECKSUM_AT] + bytes(_CHECKSUM.size) + head[_CHECKSUM_AT + _CHECKSUM.size :]
    if len(body) < sum(lacing) or checksum(blank + lacing + body) != told:
        return None
    packets = _packets(lacing, body)
    end_samples = granule // GRANULES_PER_SAMPLE
    length_samples = sum(map(packet_samples, packets)) if granule else 0
    if length_samples > end_samples or (granule and not length_samples):
        return None
    length_bytes = len(head) + len(lacing) + len(body)
    return Page(serial, number, end_samples, length_samples, packets, length_bytes)


def last_serial(file: BinaryIO) -> int | None:
    """Of the stream whose page the file ends with; None when it ends otherwise."""
    length_bytes = file.seek(0, 2)
    begin_bytes = max(0, length_bytes - PAGE_MAX_BYTES)
    file.seek(begin_bytes)
    tail = file.read()
    at = tail.rfind(MARK)
    while at >= 0:
        page = read_page(file, begin_bytes + at)
        if page is not None:
            return page.serial if begin_bytes + at + page.length_bytes == length_bytes else None
        at = tail.rfind(MARK, 0, at)
    return None


def _packets(lacing: bytes, body: bytes) -> tuple[bytes, ...]:
    packets: list[bytes] = []
    start = end = 0
    for value in lacing:
        end += value
        if value < 255:
            packets.append(body[start:end])
            start = end
    return tuple(packets)
