from __future__ import annotations

import contextlib
import socket
from typing import Literal

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.webrtc.peer import WebRtcPeer
from media.webrtc.sdp import CANDIDATES_MAX, LINES_MAX, clean, is_sensible, polish
from protocol.errors import SdpError, TooLarge
from tests.media.webrtc.conftest import Opened
from tests.media.webrtc.listening import LOCAL, Listening

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
SESSION = ["v=0", "o=- 42 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=msid-semantic: WMS x"]
TRANSPORT = [
    "a=candidate:1 1 udp 2113937151 192.0.2.7 54321 typ host generation 0 network-cost 999",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    "a=ice-options:trickle",
    f"a=fingerprint:{FINGERPRINT}",
    "a=setup:actpass",
]
AUDIO = [
    "m=audio 54321 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
    "c=IN IP4 192.0.2.7",
    "a=rtcp:9 IN IP4 0.0.0.0",
    *TRANSPORT,
    "a=mid:0",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=sendrecv",
    "a=msid:- 3a3b",
    "a=rtcp-mux",
    "a=rtcp-rsize",
    "a=rtpmap:111 opus/48000/2",
    "a=rtcp-fb:111 transport-cc",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:63 red/48000/2",
    "a=fmtp:63 111/111",
    "a=rtpmap:9 G722/8000",
    "a=ssrc:123 cname:x",
]
CHANNEL = [
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    *TRANSPORT[1:],
    "a=mid:1",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
]
OFFER = [*SESSION, *AUDIO, *CHANNEL]


def cleaned(
    lines: list[str], *, type: Literal["offer", "answer"] = "offer", max_bytes: int = 65_536, loopback: bool = False
) -> str:
    return clean("\r\n".join(lines) + "\r\n", type, max_bytes=max_bytes, loopback=loopback)


def swapped(old: str, new: str | None) -> list[str]:
    assert old in OFFER
    return [new if line == old else line for line in OFFER if line != old or new is not None]  # type: ignore[misc]


def candidates(sdp: str) -> list[str]:
    return [line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate")]


def test_a_browsers_offer_keeps_opus_and_the_channel() -> None:
    parsed = SessionDescription.parse(cleaned(OFFER))
    audio, channel = parsed.media
    assert [(codec.mimeType, codec.payloadType) for codec in audio.rtp.codecs] == [("audio/opus", 111)]
    assert audio.rtp.headerExtensions == []
    assert (audio.rtp.muxId, channel.rtp.muxId) == ("0", "1")
    assert channel.sctp_port == 5000
    assert all(media.ice is not None and media.ice.usernameFragment == "abcd" for media in parsed.media)
    assert not audio.ice_candidates_complete
    assert set(candidates(cleaned(OFFER))) == {"192.0.2.7"}


def test_the_transport_is_the_first_of_the_bundle() -> None:
    lines = ["a=group:BUNDLE 1 0" if line.startswith("a=group") else line for line in OFFER]
    at = lines.index("m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
    lines = [*lines[:at], *(line.replace("ice-ufrag:abcd", "ice-ufrag:wxyz") for line in lines[at:])]
    parsed = SessionDescription.parse(cleaned(lines))
    assert all(media.ice is not None and media.ice.usernameFragment == "wxyz" for media in parsed.media)
    assert candidates(cleaned(lines)) == []
    assert parsed.group[0].items == ["1", "0"]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([*OFFER, "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:2"], id="video"),
        pytest.param([*OFFER, "m=text 9 UDP/TLS/RTP/SAVPF 96", "a=mid:2"], id="unknown media"),
        pytest.param([*OFFER, "m=application 9 UDP/BFCP *", "a=mid:2"], id="two applications"),
        pytest.param([*SESSION, *CHANNEL], id="no audio"),
        pytest.param([*OFFER, *AUDIO], id="audio twice"),
        pytest.param([line for line in OFFER if "opus" not in line], id="no Opus"),
        pytest.param(swapped("a=sendrecv", "a=recvonly"), id="sends nothing"),
        pytest.param(swapped("a=rtcp-mux", None), id="no rtcp-mux"),
        pytest.param(swapped("a=mid:1", "a=mid:0"), id="same mid"),
        pytest.param(swapped("a=mid:1", None), id="no mid"),
        pytest.param(swapped("a=group:BUNDLE 0 1", None), id="not bundled"),
        pytest.param(swapped("a=ice-ufrag:abcd", None), id="no ufrag"),
        pytest.param(swapped("a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=ice-pwd:short"), id="short pwd"),
        pytest.param(swapped(f"a=fingerprint:{FINGERPRINT}", None), id="no fingerprint"),
        pytest.param(swapped("a=setup:actpass", "a=setup:holdconn"), id="setup"),
        pytest.param(swapped("a=sctp-port:5000", "a=sctp-port:99999"), id="SCTP port"),
        pytest.param(swapped("a=sctp-port:5000", None), id="no SCTP port"),
        pytest.param(swapped(AUDIO[0], "m=audio 0 UDP/TLS/RTP/SAVPF 111"), id="stopped"),
        pytest.param(swapped(AUDIO[0], "m=audio"), id="broken media line"),
        pytest.param(["hello"], id="text"),
        pytest.param([""], id="nothing"),
    ],
)
def test_what_cannot_be_answered_is_refused(lines: list[str]) -> None:
    with pytest.raises(SdpError):
        cleaned(lines)


def test_an_answer_must_have_chosen_its_role() -> None:
    with pytest.raises(SdpError):
        cleaned(OFFER, type="answer")
    assert cleaned([line.replace("actpass", "active") for line in OFFER], type="answer")


def test_limits() -> None:
    with pytest.raises(TooLarge):
        cleaned(OFFER, max_bytes=1_000)
    with pytest.raises(TooLarge):
        cleaned([*OFFER, *["a=x"] * LINES_MAX])
    at = OFFER.index(TRANSPORT[0])
    with pytest.raises(TooLarge):
        cleaned([*OFFER[:at], *[TRANSPORT[0]] * (CANDIDATES_MAX + 1), *OFFER[at:]])
    with pytest.raises(TooLarge):
        cleaned([*SESSION, *["m=audio 9 UDP/TLS/RTP/SAVPF 111"] * 5])


@pytest.mark.parametrize(
    ("host", "sensible"),
    [
        ("192.0.2.7", True),
        ("10.1.2.3", True),
        ("2001:db8::7", True),
        ("fd00::2", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("169.254.169.254", False),
        ("169.254.1.1", False),
        ("100.100.100.200", False),
        ("fd00:ec2::254", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("0b5f0f42-3f2e-4a6e.local", False),
        ("localhost", False),
        ("metadata.google.internal", False),
        ("0x7f.1", False),
        ("2130706433", False),
    ],
)
def test_only_sensible_hosts_are_knocked_at(host: str, sensible: bool) -> None:
    assert is_sensible(host, loopback=False) is sensible
    found = candidates(cleaned([line.replace("192.0.2.7 54321", f"{host} 54321") for line in OFFER]))
    assert found == ([host] * 2 if sensible else [])


def test_loopback_is_sensible_where_the_settings_say() -> None:
    assert is_sensible("127.0.0.1", loopback=True)
    assert is_sensible("::1", loopback=True)
    assert not is_sensible("169.254.169.254", loopback=True)


@pytest.mark.parametrize(
    "candidate",
    [
        "a=candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active",
        "a=candidate:1 2 udp 1 192.0.2.7 54321 typ host",
        "a=candidate:1 1 udp 1 192.0.2.7 53 typ host",
        "a=candidate:1 1 udp 1 192.0.2.7 70000 typ host",
        "a=candidate:1 1 udp 1 192.0.2.7 54321 typ prflx",
        "a=candidate:1 1 udp",
        "a=candidate:",
    ],
)
def test_odd_candidates_are_ignored(candidate: str) -> None:
    assert candidates(cleaned([candidate if line == TRANSPORT[0] else line for line in OFFER])) == []


def test_polish_says_what_we_want_of_opus() -> None:
    polished = polish("v=0\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n").splitlines()
    assert polished[2].startswith("a=fmtp:111 ")
    assert "maxplaybackrate=16000" in polished[2]
    assert len(polished) == 4


pieces = st.one_of(
    st.sampled_from(OFFER),
    st.sampled_from(OFFER).flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at])),
    st.tuples(st.sampled_from(OFFER), st.text(max_size=20)).map(lambda both: both[0] + both[1]),
    st.tuples(st.sampled_from(OFFER), st.integers(-5, 1 << 70)).map(lambda both: both[0].replace("0", str(both[1]))),
    st.text(max_size=60),
)


@given(st.lists(pieces, max_size=60).map("\r\n".join) | st.text(max_size=500))
def test_any_text_is_cleaned_or_refused(text: str) -> None:
    with contextlib.suppress(SdpError, TooLarge):
        clean(text, "offer", max_bytes=65_536, loopback=False)
    with contextlib.suppress(SdpError, TooLarge):
        clean(text, "answer", max_bytes=65_536, loopback=False)


mutations = st.lists(st.tuples(st.integers(0, len(OFFER) - 1), st.none() | pieces), min_size=1, max_size=6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(mutations)
async def test_any_offer_is_answered_or_refused(changes: list[tuple[int, str | None]]) -> None:
    lines: list[str | None] = [*OFFER]
    for at, line in changes:
        lines[at] = line
    peer = WebRtcPeer(LOCAL, Listening())
    try:
        with contextlib.suppress(SdpError, TooLarge):
            sdp, type_ = await peer.answer("\r\n".join(line for line in lines if line is not None), "offer")
            assert type_ == "answer"
            assert sdp.startswith("v=0")
    finally:
        await peer.close()


async def test_no_packet_leaves_for_candidates_that_are_not_sensible(opened: Opened) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inner:
        inner.bind(("127.0.0.1", 0))
        inner.setblocking(False)
        lines = [line.replace("192.0.2.7 54321", f"127.0.0.1 {inner.getsockname()[1]}") for line in OFFER]
        peer = opened(type(LOCAL)(connect_deadline_s=0.3), listening := Listening())
        await peer.answer("\r\n".join(lines), "offer")
        await listening.until(lambda: bool(listening.states))
        await peer.close()
        with pytest.raises(BlockingIOError):
            inner.recvfrom(100)
