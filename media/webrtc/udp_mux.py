"""One UDP port for many peers: a socket on each local address, and who each datagram is for.

The first byte says what a datagram is (RFC 7983). What is not STUN goes to the peer whose address it comes from, and
an address is a peer's from its first authenticated ICE check on: a STUN request whose USERNAME begins with the peer's
ufrag (RFC 8445 section 7.3) and whose MESSAGE-INTEGRITY is right, or the answer to one of our own checks. The nominated
pair says nothing here: DTLS may begin on another checked pair. A request is always for the peer that its USERNAME
names; an answer is for whoever asked (by its transaction). An address that a NAT gave to somebody else changes hands
with a check of the newcomer's, but only after ``SILENT_S`` without anything from there for the peer that had it: a peer
that forges addresses takes none that is in use. All else is dropped and counted, and gets no answer.

There is a socket for each local address, rather than one for all, so that a reply leaves from the address that was
written to. Nothing here knows aiortc or aioice: a peer is a ``Seat`` and whoever listens at it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import string
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Address = tuple[str, int]
Reason = Literal[
    "empty",  # no byte in it
    "too_long",  # more than any peer sends
    "malformed",  # by its first byte no STUN, DTLS or RTP; or STUN that is broken
    "stranger",  # DTLS or RTP from an address that passed no check
    "unknown_user",  # a check that names none of our peers
    "unauthenticated",  # a check that names one, without its password
    "unasked",  # an answer to nothing we asked
    "taken",  # a check from an address that another peer uses
    "addresses_full",  # a check from one address more than a peer may have
    "forged",  # sound from a peer's address that does not bear its keys, or comes again
    "sources_full",  # RTP or a report of one source more than a peer may have
    "queue_full",  # the peer's, which is not read quickly enough
    "buffer_full",  # dropped by the system, because nobody read the socket for too long
]
REASONS: tuple[Reason, ...] = (
    "empty",
    "too_long",
    "malformed",
    "stranger",
    "unknown_user",
    "unauthenticated",
    "unasked",
    "taken",
    "addresses_full",
    "forged",
    "sources_full",
    "queue_full",
    "buffer_full",
)

DATAGRAM_MAX_BYTES = 2048
"""Peers keep below the usual MTU of 1500."""
READ_MAX_DATAGRAMS = 32
"""At one go, so that others on the loop have their turn; the rest is read in its next round."""
REST_S = 0.004
"""Where datagrams come closer together than this, the socket is looked at so often, not once for each: every wake of
the event loop costs as much as a datagram. Sound is at most so much later, and only where there is much of it."""
ADDRESSES_PER_PEER_MAX = 64
"""A browser has a handful, and one more after each change of its network."""
ADDRESSES_MAX = 65_536
SILENT_S = 7.0
"""Longer than a peer that is there is ever silent: between two of its checks of consent are six seconds at most
(RFC 7675 section 5.1). A NAT keeps a mapping that is not used for longer (RFC 4787 section 4.3)."""
UFRAG_CHARACTERS = 8

_HEADER = struct.Struct("!HHI12s")
_COOKIE = 0x2112A442
_USERNAME = 0x0006
_CLASS = 0x0110
_REQUEST, _INDICATION = 0x0000, 0x0010
_SO_MEMINFO, _MEMINFO_DROPS, _MEMINFO_BYTES = 55, 8, 36  # Linux: socket(7), sock_diag(7)


class Listener(Protocol):
    """Who sits at a seat. Called on the loop; must not block."""

    def is_authentic(self, data: bytes) -> bool:
        """Whether a STUN message carries the right MESSAGE-INTEGRITY."""

    def on_stun(self, data: bytes, source: Address, face: Face, *, authentic: bool) -> None:
        """A check of the peer's, which is always authentic, or an answer that was waited for."""

    def on_data(self, data: bytes) -> None:
        """DTLS, RTP or RTCP of the peer's."""


@dataclass
class UdpCounts:
    """Since the start. May be shared by several muxes."""

    datagrams: int = 0
    received_bytes: int = 0
    unsent: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    """By ``Reason``."""


class Face:
    """A socket on one local address. ``offered``: the addresses that lead to it from outside."""

    def __init__(self, sock: socket.socket, offered: tuple[str, ...] | None = None) -> None:
        self.sock = sock
        self.address, self.port = sock.getsockname()[:2]
        self.offered = (str(self.address),) if offered is None else offered
        self.sources: dict[Address, Claim] = {}
        self.read_s = float("-inf")
        self.resting: asyncio.TimerHandle | None = None

    @property
    def is_ipv4(self) -> bool:
        return self.sock.family == socket.AF_INET

    def buffer_drops(self) -> int:
        """Datagrams the system dropped because the receive buffer was full; 0 where it does not say."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                figures = self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_BYTES)
                if len(figures) == _MEMINFO_BYTES:
                    return int(struct.unpack_from("=I", figures, 4 * _MEMINFO_DROPS)[0])
        return 0


class Seat:
    """A peer's place at the mux, from ``UdpMux.seat`` until ``leave``."""

    def __init__(self, mux: UdpMux, ufrag: str, listener: Listener) -> None:
        self.ufrag = ufrag
        self.listener = listener
        self.sources: set[tuple[Face, Address]] = set()
        self.asked: set[bytes] = set()
        self._mux: UdpMux | None = mux

    def send(self, face: Face, data: bytes, to: Address) -> None:
        """As UDP does: what cannot be sent is lost, and counted."""
        if self._mux is None:
            return
        try:
            face.sock.sendto(data, to)
        except (OSError, OverflowError):  # no route, a full buffer, an address of another family
            self._mux.counts.unsent += 1

    def ask(self, transaction_id: bytes, face: Face) -> None:
        """An answer to this STUN transaction will be ours."""
        if self._mux is not None:
            self.asked.add(transaction_id)
            self._mux.asked[transaction_id] = (self, face)

    def forget(self, transaction_id: bytes) -> None:
        self.asked.discard(transaction_id)
        if self._mux is not None:
            self._mux.asked.pop(transaction_id, None)

    def leave(self) -> None:
        """Nothing comes after this. Idempotent."""
        if self._mux is not None:
            self._mux.free(self)
            self._mux = None


@dataclass(slots=True)
class Claim:
    """An address as a seat's. ``heard_s``: when something for the seat came from there."""

    seat: Seat
    heard_s: float


class UdpMux:
    """Reads the faces' sockets from ``start`` until ``close``, and gives each datagram to the seat it is for.

    ``now_s``: a clock; the loop's unless told otherwise.
    """

    def __init__(self, faces: Sequence[Face], counts: UdpCounts, *, now_s: Callable[[], float] | None = None) -> None:
        self.faces = tuple(faces)
        self.counts = counts
        self.asked: dict[bytes, tuple[Seat, Face]] = {}
        self._seats: dict[str, Seat] = {}
        self._sources = 0
        self._loop = asyncio.get_running_loop()
        self._now_s = self._loop.time if now_s is None else now_s

    @property
    def port(self) -> int:
        return int(self.faces[0].port)

    @property
    def entries(self) -> int:
        """Of all tables together."""
        return len(self._seats) + len(self.asked) + sum(len(face.sources) for face in self.faces)

    def start(self) -> None:
        for face in self.faces:
            self._loop.add_reader(face.sock, self._readable, face)

    def close(self) -> None:
        """Idempotent. Seats that are still taken hear nothing more."""
        for seat in list(self._seats.values()):
            seat.leave()
        for face in self.faces:
            if face.resting is not None:
                face.resting.cancel()
            if face.sock.fileno() >= 0:
                self._loop.remove_reader(face.sock)
                self.counts.dropped["buffer_full"] += face.buffer_drops()
                face.sock.close()

    def seat(self, listener: Listener) -> Seat:
        """A new seat, under a ufrag that no other has."""
        ufrag = _ufrag()
        while ufrag in self._seats:
            ufrag = _ufrag()
        seat = self._seats[ufrag] = Seat(self, ufrag, listener)
        return seat

    def free(self, seat: Seat) -> None:
        """For ``Seat.leave``."""
        self._seats.pop(seat.ufrag, None)
        for face, address in seat.sources:
            del face.sources[address]
        self._sources -= len(seat.sources)
        for transaction_id in seat.asked:
            self.asked.pop(transaction_id, None)
        seat.sources.clear()
        seat.asked.clear()

    def drop(self, reason: Reason) -> None:
        self.counts.dropped[reason] += 1

    def received(self, face: Face, data: bytes, source: Address) -> None:
        """One datagram that came to ``face``."""
        self.counts.datagrams += 1
        self.counts.received_bytes += len(data)
        if not data:
            self.drop("empty")
            return
        first = data[0]
        if first <= 3:
            self._stun(face, data, source)
        elif not (20 <= first <= 63 or 128 <= first <= 191):
            self.drop("malformed")
        elif (claim := face.sources.get(source)) is None:
            self.drop("stranger")
        elif len(data) > DATAGRAM_MAX_BYTES:
            self.drop("too_long")
        else:
            claim.heard_s = self._now_s()
            claim.seat.listener.on_data(data)

    def _readable(self, face: Face) -> None:
        now_s = self._loop.time()
        crowded = now_s - face.read_s < REST_S
        face.read_s = now_s
        self._read(face)
        if crowded and face.sock.fileno() >= 0:
            self._loop.remove_reader(face.sock)
            face.resting = self._loop.call_later(REST_S, self._rested, face)

    def _rested(self, face: Face) -> None:
        count = READ_MAX_DATAGRAMS
        try:
            count = self._read(face)
        finally:  # nobody else would look again: one peer's error, which the loop tells of, must not deafen them all
            if face.sock.fileno() < 0:
                pass
            elif count:
                face.resting = self._loop.call_later(0.0 if count == READ_MAX_DATAGRAMS else REST_S, self._rested, face)
            else:
                face.resting = None
                self._loop.add_reader(face.sock, self._readable, face)

    def _read(self, face: Face) -> int:
        """As many datagrams as there are, up to a limit; says how many."""
        for count in range(READ_MAX_DATAGRAMS):
            try:
                data, source = face.sock.recvfrom(DATAGRAM_MAX_BYTES + 1)
            except (BlockingIOError, InterruptedError):
                return count
            except OSError:  # what became of something we sent; reading goes on
                continue
            self.received(face, data, source if len(source) == 2 else source[:2])
        return READ_MAX_DATAGRAMS

    def _stun(self, face: Face, data: bytes, source: Address) -> None:
        if len(data) < _HEADER.size:
            self.drop("malformed")
            return
        kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
        if cookie != _COOKIE or length != len(data) - _HEADER.size or length % 4 or len(data) > DATAGRAM_MAX_BYTES:
            self.drop("malformed")
        elif kind & _CLASS == _REQUEST:
            self._request(face, data, source)
        elif kind & _CLASS == _INDICATION:
            if source not in face.sources:
                self.drop("stranger")
            # A peer's only keeps its NAT's mapping open (RFC 8445 section 11), and bears no password.
        elif (asked := self.asked.get(transaction_id)) is None or asked[1] is not face:
            self.drop("unasked")
        else:
            seat = asked[0]
            # A STUN server's answer bears no password: it is let in, and its address is not.
            authentic = seat.listener.is_authentic(data)
            if not authentic or self._admit(seat, face, source):
                seat.listener.on_stun(data, source, face, authentic=authentic)

    def _request(self, face: Face, data: bytes, source: Address) -> None:
        seat = self._seats.get(named(data))
        if seat is None:
            self.drop("unknown_user")
        elif not seat.listener.is_authentic(data):
            self.drop("unauthenticated")
        elif self._admit(seat, face, source):
            seat.listener.on_stun(data, source, face, authentic=True)

    def _admit(self, seat: Seat, face: Face, source: Address) -> bool:
        """Something authentic came: is ``source`` the seat's now? What came is dropped where it is not."""
        now_s = self._now_s()
        claim = face.sources.get(source)
        if claim is not None and claim.seat is seat:
            claim.heard_s = now_s
            return True
        if claim is not None and now_s - claim.heard_s < SILENT_S:
            self.drop("taken")
            return False
        if len(seat.sources) >= ADDRESSES_PER_PEER_MAX or self._sources >= ADDRESSES_MAX:
            self.drop("addresses_full")
            return False
        if claim is not None:
            claim.seat.sources.discard((face, source))
            self._sources -= 1
        face.sources[source] = Claim(seat, now_s)
        seat.sources.add((face, source))
        self._sources += 1
        return True


def named(data: bytes) -> str:
    """The first half of a STUN message's USERNAME (RFC 8489 section 14.3): whom it is for; empty when it names none."""
    at = _HEADER.size
    while at + 4 <= len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        if kind == _USERNAME:
            name, colon, _ = data[at + 4 : at + 4 + length].partition(b":")
            return name.decode("ascii", "replace") if colon else ""
        at += 4 + (length + 3 & ~3)
    return ""


def buffer_drops(muxes: Iterable[UdpMux]) -> int:
    return sum(face.buffer_drops() for mux in muxes for face in mux.faces if face.sock.fileno() >= 0)


def _ufrag() -> str:
    letters = string.ascii_letters + string.digits  # ice-char without + and / (RFC 8839 section 5.4)
    return "".join(secrets.choice(letters) for _ in range(UFRAG_CHARACTERS))
