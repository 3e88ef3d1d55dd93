"""Small files whose headers promise what would fill a machine's memory."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.media.made_files import make


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, *parts: bytes) -> bytes:
    return _box(kind, bytes(4), *parts)


def mp4_of_many_samples(samples: int, tracks: int = 1) -> bytes:
    """A few hundred bytes that say they hold so many samples, each of one byte (ISO/IEC 14496-12, 8.7)."""
    # ISO/IEC 14496-1, 7.2.6: an ES descriptor of AAC-LC, 44.1 kHz.
    esds = _full(b"esds", bytes.fromhex("03190000000411401500000000000000000000000502121006 0102"))
    mp4a = _box(b"mp4a", bytes(6), b"\0\1", bytes(8), struct.pack(">HHHHI", 1, 16, 0, 0, 44_100 << 16), esds)
    stbl = _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), mp4a),
        _full(b"stts", struct.pack(">III", 1, samples, 1024)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
        _full(b"stsz", struct.pack(">II", 1, samples)),
        _full(b"stco", struct.pack(">II", 1, 40)),
    )
    dinf = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _box(b"url ", b"\0\0\0\1")))
    minf = _box(b"minf", _full(b"smhd", bytes(4)), dinf, stbl)
    mdhd = _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, 44_100, 1024, 0, 0))
    mdia = _box(b"mdia", mdhd, _full(b"hdlr", bytes(4), b"soun", bytes(12), b"\0"), minf)
    trak = _box(b"trak", _full(b"tkhd", bytes(80)), mdia)
    moov = _box(b"moov", _full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, 1000), bytes(80)), trak * tracks)
    return _box(b"ftyp", b"M4A \0\0\0\0M4A mp42isom") + moov + _box(b"mdat", bytes(64))


def mp4_of_many_runs() -> bytes:
    """A fragment that says it holds two thousand million samples."""
    data = bytearray(make("mp4_fragmented", 0.2))
    at = data.index(b"trun")
    data[at + 4 : at + 12] = bytes(4) + struct.pack(">I", 0x7FFF_FFFF)
    return bytes(data)


def flac_with_a_large_picture() -> bytes:
    """A metadata block of the largest length (RFC 9639, 8.1) that is not there."""
    return b"fLaC" + b"\x06\xff\xff\xff" + bytes(1000)


def webm_of_large_elements() -> bytes:
    """A Segment and a void element of 2^48 bytes behind a right head (RFC 8794)."""
    head = make("webm", 0.1)[:60]
    return head + b"\xec\x02\xff\xff\xff\xff\xff\xff" + b"\x63\xa2\x01\x00\x00\x00\x0f\xff\xff\xff" + bytes(1000)


def wav_of_wide_blocks() -> bytes:
    data = bytearray(make("wav", 0.1))
    struct.pack_into("<IIHH", data, 24, 48_000, 0xFFFF_FFFF, 0xFFFF, 16)
    return bytes(data)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "mp4_samples": lambda: mp4_of_many_samples(80_000_000),
    "mp4_samples_below_the_bound": lambda: mp4_of_many_samples(1_390_000),
    "mp4_tracks": lambda: mp4_of_many_samples(80_000_000, tracks=8),
    "mp4_too_many_tracks": lambda: mp4_of_many_samples(1_390_000, tracks=1000),
    "mp4_runs": mp4_of_many_runs,
    "flac_picture": flac_with_a_large_picture,
    "webm_elements": webm_of_large_elements,
    "wav_blocks": wav_of_wide_blocks,
}
