"""Protected RTP to its fields (SRTP, RFC 3711), by libsrtp, with as little beside its call as can be.

What pylibsrtp and a parser add around that call costs more than the call. Here a packet is copied once into the
session's buffer, opened there, and read from there. The names that pylibsrtp does not promise are in ``upstream``;
without them its own way is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pylibsrtp

from media.webrtc.rtp import HEADER, HEADER_BYTES, parse
from media.webrtc.upstream import SRTP_NAMES, is_read

try:
    from pylibsrtp._binding import ffi, lib
except ImportError:  # another release: see ``upstream``
    ffi = lib = None

Fields = tuple[int, int, int, bytes]
"""16-bit sequence, 32-bit timestamp and synchronisation source, as on the wire; and the payload."""


class SrtpSession(Protocol):
    """What we use of ``pylibsrtp.Session`` by its promise."""

    def unprotect(self, packet: bytes) -> bytes: ...


def opener(session: SrtpSession) -> Callable[[bytes], Fields]:
    """A function that opens one packet after another. It raises ``pylibsrtp.Error`` for what is forged or came before,
    ``ValueError`` for what is too long, ``InvalidMessage`` for what is no RTP."""
    is_known = lib is not None and is_read("pylibsrtp") and all(hasattr(session, name) for name in SRTP_NAMES)
    if not is_known:
        return lambda data: parse(session.unprotect(data))[1:]
    return _by_libsrtp(session)


def _by_libsrtp(session: Any) -> Callable[[bytes], Fields]:
    cdata, buffer, srtp = session._cdata, session._buffer, session._srtp
    held_max_bytes = len(cdata)
    length = ffi.new("int *")
    unprotect, unpack = lib.srtp_unprotect, HEADER.unpack_from

    def opened(data: bytes) -> Fields:
        size = len(data)
        if size > held_max_bytes:
            raise ValueError("packet is too long")
        buffer[0:size] = data
        length[0] = size
        status = unprotect(srtp[0], cdata, length)  # held here: it is freed with the session
        if status:
            raise pylibsrtp.Error(f"libsrtp refuses a packet: {status}")
        size = length[0]
        first, _, sequence, timestamp, ssrc = unpack(buffer)
        if first == 0x80 and size >= HEADER_BYTES:  # as browsers send it without header extensions, which we refuse
            return sequence, timestamp, ssrc, buffer[HEADER_BYTES:size]
        return parse(buffer[0:size])[1:]

    return opened
