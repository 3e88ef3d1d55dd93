"""Protected packets come out as pylibsrtp and the parser have them, and what is none raises what it should."""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable

import pylibsrtp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.webrtc import srtp
from media.webrtc.rtp import parse, render
from media.webrtc.srtp import opener
from media.webrtc.upstream import SRTP_NAMES
from protocol.errors import InvalidMessage

PROFILES = (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
KEY = bytes(range(30))


def session(*, inbound: bool, profile: int = PROFILES[0], key: bytes = KEY) -> pylibsrtp.Session:
    which = pylibsrtp.Policy.SSRC_ANY_INBOUND if inbound else pylibsrtp.Policy.SSRC_ANY_OUTBOUND
    return pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=which, srtp_profile=profile))


class Promised:
    """A session without what pylibsrtp does not promise."""

    def __init__(self, real: pylibsrtp.Session) -> None:
        self.unprotect: Callable[[bytes], bytes] = real.unprotect


def test_the_names_are_there_and_mean_what_they_did() -> None:
    found = session(inbound=True)
    assert all(hasattr(found, name) for name in SRTP_NAMES)
    assert len(found._cdata) == len(found._buffer) == 1500
    assert list(inspect.signature(found.unprotect).parameters) == ["packet"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("promised", [False, True], ids=["ours", "promised"])
def test_a_packet_comes_out_as_it_was(profile: int, *, promised: bool) -> None:
    sent = session(inbound=False, profile=profile)
    received = session(inbound=True, profile=profile)
    opened = opener(Promised(received) if promised else received)
    extended = struct.pack("!BBHIIHH", 0x90, 111, 3, 960, 7, 0xBEDE, 1) + bytes(4) + b"more"
    padded = struct.pack("!BBHII", 0xA0, 111, 4, 960, 7) + b"still" + b"\0\0\3"
    assert opened(sent.protect(render(111, 65_535, 0xFFFF_FFFF, 7, b"sound", marker=True))) == (
        65_535,
        0xFFFF_FFFF,
        7,
        b"sound",
    )
    assert opened(sent.protect(render(111, 2, 960, 7, b"", marker=False))) == (2, 960, 7, b"")
    assert opened(sent.protect(extended)) == (3, 960, 7, b"more")
    assert opened(sent.protect(padded)) == (4, 960, 7, b"still")


def test_a_release_that_nobody_read_is_used_by_its_promise_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srtp, "is_read", lambda package: False)
    received = session(inbound=True)
    monkeypatch.setattr(srtp, "_by_libsrtp", None)
    opened = srtp.opener(received)
    assert opened(session(inbound=False).protect(render(111, 1, 0, 7, b"sound", marker=False))) == (1, 0, 7, b"sound")


def test_two_sessions_in_turn_do_not_touch_each_other() -> None:
    keys = bytes(30), bytes(range(30, 60))
    ways = [(session(inbound=False, key=key), opener(session(inbound=True, key=key))) for key in keys]
    first, second = (
        sent.protect(render(111, 1, 0, 7, name, marker=False))
        for (sent, _), name in zip(ways, (b"a" * 40, b"b"), strict=True)
    )
    _, _, _, payload = ways[0][1](first)
    assert ways[1][1](second) == (1, 0, 7, b"b")
    assert payload == b"a" * 40
    with pytest.raises(pylibsrtp.Error):
        ways[0][1](second)


def test_what_is_forged_repeated_or_too_long_is_refused() -> None:
    sent, opened = session(inbound=False), opener(session(inbound=True))
    packet = sent.protect(render(111, 1, 0, 7, b"sound", marker=False))
    with pytest.raises(pylibsrtp.Error):
        opened(packet[:-1] + bytes([packet[-1] ^ 1]))
    with pytest.raises(ValueError, match="too long"):
        opened(packet + bytes(1500))
    assert opened(packet)[3] == b"sound"
    with pytest.raises(pylibsrtp.Error):
        opened(packet)
    broken = sent.protect(struct.pack("!BBHII", 0xA0, 111, 2, 960, 7) + b"\0")  # padding of no length
    with pytest.raises(InvalidMessage):
        opened(broken)


@given(st.lists(st.binary(max_size=1600), max_size=4), st.binary(max_size=200))
def test_any_bytes_raise_what_is_said_and_sound_comes_after(noise: list[bytes], payload: bytes) -> None:
    sent, received = session(inbound=False), session(inbound=True)
    opened = opener(received)
    for each in noise:
        with pytest.raises((pylibsrtp.Error, ValueError, InvalidMessage)):
            opened(each)
    packet = render(111, 1, 0, 7, payload, marker=False)
    assert opened(sent.protect(packet)) == parse(packet)[1:]
