"""Our parser of RTP headers against RFC 3550, and against aiortc's."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc.rtp import RtpPacket as Reference
from hypothesis import given
from hypothesis import strategies as st

from media.webrtc.rtp import RtpPacket, parse, render, second_bytes
from protocol.errors import InvalidMessage


def packet(
    payload: bytes = b"sound",
    *,
    first: int = 0x80,
    csrcs: int = 0,
    extension: bytes | None = None,
    padding: int = 0,
    marker: int = 0,
) -> bytes:
    first |= csrcs | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
    data = struct.pack("!BBHII", first, marker | 111, 65_535, 0xFFFF_FFFF, 7) + bytes(4 * csrcs)
    if extension is not None:
        data += struct.pack("!HH", 0xBEDE, len(extension) // 4) + extension
    return data + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


@pytest.mark.parametrize(
    "data",
    [
        packet(),
        packet(marker=0x80),
        packet(csrcs=15),
        packet(extension=b""),
        packet(extension=bytes(8)),
        packet(padding=1),
        packet(csrcs=3, extension=bytes(4), padding=255),
    ],
    ids=["plain", "marked", "sources", "empty extension", "extension", "padding", "everything"],
)
def test_the_payload_is_found_behind_and_before_all_else(data: bytes) -> None:
    assert parse(data) == RtpPacket(111, 65_535, 0xFFFF_FFFF, 7, b"sound")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        packet()[:11],
        packet(first=0x40),
        packet(b"", csrcs=2)[:-1],
        packet(b"", extension=bytes(8))[:-1],
        packet(b"", extension=b"")[:-1],
        packet(b"x", padding=4)[:-1] + b"\0",
        packet(b"", padding=4)[:-1] + b"\x05",
    ],
    ids=["nothing", "short", "version 1", "sources", "extension", "extension's length", "padding 0", "padding"],
)
def test_what_is_cut_or_says_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidMessage):
        parse(data)


def test_reports_are_no_packets_of_a_payload_type() -> None:
    assert second_bytes({111}) == {111, 0x80 | 111}
    # A sender report is 200: type 72 with the marker.
    assert second_bytes({72}) == {72}


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: packet()[:12] + tail), st.integers(0, 255))
def test_whatever_aiortc_reads_we_read_alike_and_else_raise_one_error(data: bytes, first: int) -> None:
    data = bytes([first]) + data[1:]
    ours = theirs = None
    with contextlib.suppress(InvalidMessage):
        ours = parse(data)
    with contextlib.suppress(ValueError, struct.error, IndexError):
        theirs = Reference.parse(data)
    if ours is not None:
        assert len(ours.payload) <= len(data) - 12
    # What fails in it beyond ours is the content of extensions, which we skip.
    if theirs is not None and ours is not None:
        assert ours == (
            theirs.payload_type,
            theirs.sequence_number,
            theirs.timestamp,
            theirs.ssrc,
            theirs.payload,
        )
    assert theirs is None or ours is not None


def test_what_is_rendered_is_parsed() -> None:
    data = render(111, 65_535, 1 << 31, 9, b"sound", marker=True)
    assert data[1] & 0x80
    assert parse(data) == RtpPacket(111, 65_535, 1 << 31, 9, b"sound")
    assert not render(111, 0, 0, 9, b"", marker=False)[1] & 0x80
