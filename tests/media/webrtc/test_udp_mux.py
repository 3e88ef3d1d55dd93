"""Who a datagram is for, by what it is and where it comes from; and that nothing grows."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator

import pytest
from aioice import Connection, stun
from hypothesis import given
from hypothesis import strategies as st

from media.webrtc import udp_mux
from media.webrtc.guard import Guard
from media.webrtc.udp_mux import (
    ADDRESSES_PER_PEER_MAX,
    DATAGRAM_MAX_BYTES,
    SILENT_S,
    Address,
    Face,
    Seat,
    UdpCounts,
    UdpMux,
    named,
)
from tests.net.strangers import request

RTP = b"\x80\x6f" + bytes(40)
DTLS = b"\x16\xfe\xfd" + bytes(40)
CLIENT, OTHER = ("192.0.2.1", 5000), ("192.0.2.2", 6000)


class Sitting:
    """Takes what has its own password, and writes down what it is told."""

    def __init__(self, mux: UdpMux, password: str) -> None:
        self.password = password
        self.checks: list[Address] = []
        self.authentic: list[bool] = []
        self.data: list[bytes] = []
        self.seat: Seat = mux.seat(self)

    def is_authentic(self, data: bytes) -> bool:
        return stun.parse_message(data).check_message_integrity(self.password.encode())

    def on_stun(self, data: bytes, source: Address, face: Face, *, authentic: bool) -> None:
        self.checks.append(source)
        self.authentic.append(authentic)

    def on_data(self, data: bytes) -> None:
        self.data.append(data)

    def check(self, *, password: str | None = None, message_class: stun.Class = stun.Class.REQUEST) -> bytes:
        message = stun.Message(message_method=stun.Method.BINDING, message_class=message_class)
        message.attributes["USERNAME"] = f"{self.seat.ufrag}:theirs"
        message.add_message_integrity((password or self.password).encode())
        return bytes(message)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def mux(clock: Clock) -> AsyncIterator[UdpMux]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    made = UdpMux([Face(sock)], UdpCounts(), now_s=clock)
    made.start()
    yield made
    made.close()


def dropped(mux: UdpMux) -> dict[str, int]:
    return {reason: count for reason, count in mux.counts.dropped.items() if count}


async def test_what_strangers_send_is_for_nobody_and_counted_by_why(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    ufrag = sitting.seat.ufrag.encode()
    cases: list[tuple[bytes, str]] = [
        (b"", "empty"),
        (b"\x00", "malformed"),
        (b"\x01" * 19, "malformed"),
        (bytes(20), "malformed"),  # no cookie
        (request(b"x:y")[:-1], "malformed"),  # not as long as it says
        (b"\x10" + bytes(40), "malformed"),  # between STUN and DTLS
        (b"\x40" + bytes(40), "malformed"),  # a TURN channel
        (b"\xc0" + bytes(40), "malformed"),
        (RTP, "stranger"),
        (DTLS, "stranger"),
        (b"\x80", "stranger"),
        (request(ufrag + b":x", kind=0x11), "stranger"),
        (request(b"nobody:x"), "unknown_user"),
        (request(ufrag), "unknown_user"),  # no colon
        (request(b""), "unknown_user"),
        (struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12), "unknown_user"),
        (request(ufrag + b":x"), "unauthenticated"),
        (sitting.check(password="guessed"), "unauthenticated"),
        (request(b"x", kind=0x101), "unasked"),
        (sitting.check(message_class=stun.Class.RESPONSE), "unasked"),
    ]
    for data, reason in cases:
        before = mux.counts.dropped[reason]
        mux.received(face, data, CLIENT)
        assert mux.counts.dropped[reason] == before + 1, (data, reason)
    assert mux.counts.datagrams == sum(mux.counts.dropped.values()) == len(cases)
    assert mux.counts.received_bytes == sum(len(data) for data, _ in cases)
    assert (sitting.checks, sitting.data, mux.entries) == ([], [], 1)


async def test_an_address_is_a_peers_from_its_first_authenticated_check_on(mux: UdpMux) -> None:
    one, two = Sitting(mux, "first"), Sitting(mux, "second")
    (face,) = mux.faces
    mux.received(face, one.check(), CLIENT)
    mux.received(face, two.check(), OTHER)
    for data in (RTP, DTLS):
        mux.received(face, data, CLIENT)
    assert one.checks == [CLIENT]
    assert one.data == [RTP, DTLS]
    assert two.data == []
    mux.received(face, RTP, ("192.0.2.1", 5001))  # the same host on another port
    mux.received(face, bytes([128]) * (DATAGRAM_MAX_BYTES + 1), CLIENT)
    assert dropped(mux) == {"stranger": 1, "too_long": 1}


async def test_an_address_that_a_nat_gave_to_another_changes_hands_after_a_silence(mux: UdpMux, clock: Clock) -> None:
    one, two = Sitting(mux, "first"), Sitting(mux, "second")
    (face,) = mux.faces
    mux.received(face, one.check(), CLIENT)
    clock.now_s += SILENT_S
    mux.received(face, two.check(password="guessed"), CLIENT)
    mux.received(face, two.check(), CLIENT)
    mux.received(face, RTP, CLIENT)
    assert (len(one.data), len(two.data), len(two.checks)) == (0, 1, 1)
    assert dropped(mux) == {"unauthenticated": 1}
    two.seat.leave()
    one.seat.leave()
    assert mux.entries == 0


@pytest.mark.parametrize("used_by", ["data", "check", "answer"])
async def test_an_address_in_use_is_taken_by_nobody_who_forges_it(mux: UdpMux, clock: Clock, used_by: str) -> None:
    one, two = Sitting(mux, "first"), Sitting(mux, "second")
    (face,) = mux.faces
    answer = one.check(message_class=stun.Class.RESPONSE)
    one.seat.ask(answer[8:20], face)
    mux.received(face, one.check(), CLIENT)
    heard = len(one.checks)
    clock.now_s += SILENT_S - 1
    mux.received(face, {"data": RTP, "check": one.check(), "answer": answer}[used_by], CLIENT)
    assert len(one.data) + len(one.checks) == heard + 1
    clock.now_s += SILENT_S - 1
    # By a check, and by an answer that bears the forger's own password.
    mux.received(face, two.check(), CLIENT)
    forged = two.check(message_class=stun.Class.RESPONSE)
    two.seat.ask(forged[8:20], face)
    mux.received(face, forged, CLIENT)
    assert (two.checks, two.data, dropped(mux)) == ([], [], {"taken": 2})
    # What it tried does not make the address look used.
    clock.now_s += 1
    mux.received(face, two.check(), CLIENT)
    assert two.checks == [CLIENT]


async def test_who_has_an_address_is_held_to_the_password_as_well(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    mux.received(face, sitting.check(), CLIENT)
    mux.received(face, sitting.check(password="guessed"), CLIENT)
    mux.received(face, request(b"", kind=0x11), CLIENT)
    assert (sitting.checks, dropped(mux)) == ([CLIENT], {"unauthenticated": 1})


async def test_an_answer_is_for_who_asked_and_proves_an_address_by_its_password(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    answer = sitting.check(message_class=stun.Class.RESPONSE)
    sitting.seat.ask(answer[8:20], face)
    mux.received(face, answer, CLIENT)
    mux.received(face, RTP, CLIENT)
    assert sitting.data == [RTP], "as of a peer that sends no checks itself (ICE lite)"
    # A STUN server's answer bears no password: it arrives, and its address remains a stranger's.
    plain = request(b"", kind=0x101)
    sitting.seat.ask(plain[8:20], face)
    mux.received(face, plain, OTHER)
    mux.received(face, RTP, OTHER)
    assert (sitting.checks, sitting.authentic) == ([CLIENT, OTHER], [True, False])
    assert sitting.data == [RTP]
    sitting.seat.forget(plain[8:20])
    mux.received(face, plain, OTHER)
    assert dropped(mux) == {"stranger": 1, "unasked": 1}


async def test_a_peer_has_so_many_addresses_and_no_more(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    for port in range(2000, 2000 + ADDRESSES_PER_PEER_MAX + 10):
        mux.received(face, sitting.check(), ("192.0.2.1", port))
    assert len(face.sources) == len(sitting.checks) == ADDRESSES_PER_PEER_MAX
    assert dropped(mux) == {"addresses_full": 10}
    mux.received(face, sitting.check(), ("192.0.2.1", 2000))
    assert len(sitting.checks) == ADDRESSES_PER_PEER_MAX + 1, "those it has already go on"
    sitting.seat.leave()
    sitting.seat.leave()
    assert mux.entries == 0
    assert sitting.seat.sources == set()


async def test_all_peers_together_have_so_many_addresses_and_give_them_back(
    mux: UdpMux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp_mux, "ADDRESSES_MAX", 3)
    one, two = Sitting(mux, "first"), Sitting(mux, "second")
    (face,) = mux.faces
    for port in (2000, 2001):
        mux.received(face, one.check(), ("192.0.2.1", port))
        mux.received(face, two.check(), ("192.0.2.2", port))
    assert (len(one.checks), len(two.checks), dropped(mux)) == (2, 1, {"addresses_full": 1})
    one.seat.leave()
    for port in (2001, 2002, 2003):
        mux.received(face, two.check(), ("192.0.2.2", port))
    assert (len(two.checks), dropped(mux)) == (3, {"addresses_full": 2})


async def test_an_answer_comes_to_the_socket_that_asked_and_not_after_the_peer_left(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    answer = sitting.check(message_class=stun.Class.RESPONSE)
    sitting.seat.ask(answer[8:20], face)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        mux.received(Face(sock), answer, CLIENT)
    assert (sitting.checks, dropped(mux)) == ([], {"unasked": 1})
    sitting.seat.leave()
    mux.received(face, answer, CLIENT)
    assert (sitting.checks, dropped(mux), mux.entries) == ([], {"unasked": 2}, 0)


async def test_what_cannot_be_sent_is_lost_and_the_port_stays(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    for address in (("::1", 5000), ("127.0.0.1", 70_000), ("127.0.0.1", 0)):
        sitting.seat.send(face, b"x", address)
    sitting.seat.send(face, bytes(70_000), ("127.0.0.1", 5000))
    assert mux.counts.unsent == 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(5)
        sitting.seat.send(face, b"hello", client.getsockname())
        assert client.recvfrom(10) == (b"hello", (face.address, face.port))


async def test_ufrags_are_never_the_same_and_short_enough(mux: UdpMux, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr("media.webrtc.udp_mux._ufrag", lambda: next(made))
    assert [Sitting(mux, "x").seat.ufrag for _ in range(2)] == ["aaaaaaaa", "bbbbbbbb"]


async def test_a_closed_mux_hears_and_says_nothing(mux: UdpMux) -> None:
    sitting = Sitting(mux, "secret")
    (face,) = mux.faces
    mux.received(face, sitting.check(), CLIENT)
    mux.close()
    mux.close()
    assert mux.entries == 0
    sitting.seat.send(face, b"x", ("127.0.0.1", 5000))
    sitting.seat.ask(bytes(12), face)
    assert (mux.counts.unsent, mux.entries) == (0, 0)


def test_the_user_name_is_found_behind_other_attributes() -> None:
    padded = struct.pack("!HH", 0x8022, 5) + b"abcde" + bytes(3)
    message = request(b"ours:theirs")
    assert named(message) == "ours"
    assert named(message[:20] + padded + message[20:]) == "ours"
    assert named(message[:20] + padded) == ""
    assert named(message[:24]) == ""
    assert named(request(b"\xff\xfe:x")) not in ("", "x")


@given(st.binary(max_size=120), st.sampled_from(["as it is", "cookie", "length", "named"]), st.integers(0, 0x3FFF))
async def test_whatever_comes_is_counted_once_and_raises_nothing(data: bytes, kind: str, message_type: int) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    mux = UdpMux([Face(sock)], UdpCounts())
    try:
        sitting = Guard(Connection(ice_controlling=False), mux)
        if kind == "cookie":
            data = data[:4].ljust(4, b"\0") + struct.pack("!I", 0x2112A442) + data[8:]
        elif kind == "length":
            data = struct.pack("!HHI", message_type, len(data), 0x2112A442) + bytes(12) + data
        elif kind == "named":
            data = request(f"{sitting._seat.ufrag}:".encode() + data, kind=message_type)
        mux.received(mux.faces[0], data, CLIENT)
        assert sum(mux.counts.dropped.values()) == mux.counts.datagrams == 1
        assert (sitting._connection._queue.qsize(), mux.entries) == (0, 1)
    finally:
        mux.close()
