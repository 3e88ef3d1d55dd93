"""Fragments with later candidates: what is read, what is left out, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.webrtc.fragment import Fragment, read_fragment
from media.webrtc.sdp import LINES_MAX
from protocol.errors import SdpError, TooLarge

UFRAG, PWD = "EsAw", "P2uYro0UCOQ4zxjKXaWCBui1"
HOST = "1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1"
# The example of RFC 9725 section 4.3.2.
EXAMPLE = "\r\n".join(
    [
        "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
        f"a=ice-ufrag:{UFRAG}",
        f"a=ice-pwd:{PWD}",
        f"a=candidate:{HOST}",
        "a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2",
        "a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw",
        "a=end-of-candidates",
        "",
    ]
)


def read(text: str, *, loopback: bool = False) -> Fragment:
    return read_fragment(text, max_bytes=4096, loopback=loopback)


def test_the_example_of_the_rfc_gives_its_udp_candidates() -> None:
    fragment = read(EXAMPLE)
    assert (fragment.ufrag, fragment.pwd) == (UFRAG, PWD)
    assert [(each.ip, each.port, each.type) for each in fragment.candidates] == [
        ("192.0.2.1", 61764, "host"),
        ("198.51.100.2", 61765, "host"),
    ]


def test_line_ends_and_missing_credentials_do_not_matter() -> None:
    assert read(EXAMPLE.replace("\r\n", "\n")) == read(EXAMPLE)
    bare = read(f"a=candidate:{HOST}")
    assert (bare.ufrag, bare.candidates) == (None, read(EXAMPLE).candidates[:1])
    assert read("a=end-of-candidates\r\n").candidates == ()


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "some-name.local", "239.0.0.1"]
)
def test_addresses_where_a_client_has_no_business_are_left_out(address: str) -> None:
    assert read(f"a=candidate:{HOST.replace('192.0.2.1', address)}").candidates == ()


def test_on_loopback_a_client_of_this_machine_is_found() -> None:
    assert len(read(f"a=candidate:{HOST.replace('192.0.2.1', '127.0.0.1')}", loopback=True).candidates) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n",
        "no fragment",
        '{"candidate": ""}',
        "v=0\r\ns=-",
        f"a=ice-ufrag:{UFRAG}",
        f"a=ice-ufrag:{UFRAG}\na=ice-pwd:short",
        f"a=ice-ufrag:{UFRAG}\na=ice-pwd:{PWD}\na=ice-ufrag:other",
        f"a=candidate:{HOST}\nnonsense",
        "a=candidate:1 1 udp 1 192.0.2.1 5000 typ srflx raddr 192.0.2.1 rport none",
    ],
)
def test_what_is_no_fragment_is_refused(text: str) -> None:
    with pytest.raises(SdpError):
        read(text)


@pytest.mark.parametrize("text", ["a=mid:0\n" * LINES_MAX, "a=x:" + "x" * 5000])
def test_too_much_is_refused(text: str) -> None:
    with pytest.raises(TooLarge):
        read_fragment(text, max_bytes=4096 if len(text) < 6000 else 1 << 20, loopback=False)


LINES = st.sampled_from([*EXAMPLE.splitlines(), "a=candidate:", "a=candidate:1 1 udp 1 ::%x 1 typ", "a=ice-pwd:"])
# A candidate with one of its words changed, or with more of them.
WORDS = st.sampled_from(["raddr", "rport", "tcptype", "ufrag", "-1", "99999999999", "²", "0x10", "typ", "relay", ""])
CANDIDATES = st.builds(
    lambda place, word, more: " ".join([*HOST.split()[:place], word, *HOST.split()[place + 1 :], *more]),
    st.integers(0, 14),
    WORDS | st.text(max_size=8),
    st.lists(WORDS, max_size=4),
).map("a=candidate:{}".format)


@given(st.lists(LINES | CANDIDATES | st.text(max_size=40), max_size=12).map("\n".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        fragment = read(text)
    except (SdpError, TooLarge):
        return
    assert all(each.ip in text for each in fragment.candidates)


def test_a_private_client_can_be_refused() -> None:
    text = EXAMPLE.replace("192.0.2.1 61764", "192.168.1.20 61764")
    assert [each.ip for each in read(text).candidates] == ["192.168.1.20", "198.51.100.2"]
    refused = read_fragment(text, max_bytes=4096, loopback=False, private=False)
    assert [each.ip for each in refused.candidates] == ["198.51.100.2"]
