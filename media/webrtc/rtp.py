"""The fixed header of an RTP packet, and what lies around its payload (RFC 3550 section 5.1). Pure.

What is sent has the fixed header alone. Of what comes no more is read than a receiver of one codec needs: header
extensions are skipped, contributing sources too.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from protocol.errors import InvalidMessage

HEADER_BYTES = 12
HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


class RtpPacket(NamedTuple):
    """Numbers as on the wire: 16-bit sequence, 32-bit timestamp and synchronisation source."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def second_bytes(payload_types: set[int]) -> frozenset[int]:
    """The second byte of RTP packets of these types, marked or not, without those of RTCP (RFC 5761 section 4)."""
    wanted = {payload_type | marker for payload_type in payload_types for marker in (0, 0x80)}
    return frozenset(wanted - set(range(192, 224)))


def render(payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool) -> bytes:
    """One packet, not yet protected. ``marker``: sound begins here, after silence."""
    return HEADER.pack(0x80, payload_type | (0x80 if marker else 0), sequence, timestamp, ssrc) + payload


def parse(data: bytes) -> RtpPacket:
    """One packet, already unprotected. Raises InvalidMessage for whatever is none."""
    size = len(data)
    if size < HEADER_BYTES:
        raise InvalidMessage("an RTP packet shorter than its header")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise InvalidMessage("not RTP version 2")
    at = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if at + _EXTENSION.size > size:
            raise InvalidMessage("an RTP header extension that is cut off")
        at += _EXTENSION.size + 4 * _EXTENSION.unpack_from(data, at)[1]
    end = size
    if first & 0x20:
        padding = data[-1]
        if not padding:
            raise InvalidMessage("RTP padding without a length")
        end -= padding
    if at > end:
        raise InvalidMessage("an RTP packet shorter than it says")
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, data[at:end])
