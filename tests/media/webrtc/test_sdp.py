from __future__ import annotations

import contextlib
import re
import socket
from typing import Literal

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media.webrtc.peer import WebRtcPeer
from media.webrtc.sdp import CANDIDATES_MAX, LINES_MAX, Cleaned, OpusWishes, Refused, clean, polish
from protocol.errors import SdpError, TooLarge
from tests.media.webrtc.conftest import Opened
from tests.media.webrtc.listening import LOCAL, Listening
from tests.media.webrtc.offers import FINGERPRINT, OFFERS, SECRETS

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
    return clean("\r\n".join(lines) + "\r\n", type, max_bytes=max_bytes, loopback=loopback).sdp


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


REFUSED = {
    # name: the answer's sections, by kind and port
    "Chromium": [("audio", True), ("video", False), ("application", True)],
    "Firefox": [("audio", True), ("video", False)],
    "Safari": [("audio", True), ("application", True)],
    "GStreamer": [("video", True), ("audio", True)],  # inactive: the transport is that section's
    "ffmpeg": [("audio", True)],
}


@pytest.mark.parametrize("name", OFFERS)
async def test_a_real_clients_offer_is_answered_section_by_section(name: str, opened: Opened) -> None:
    offer = OFFERS[name]
    peer = opened(LOCAL, Listening())
    answer = (await peer.answer("\r\n".join(offer) + "\r\n", "offer"))[0].splitlines()
    await peer.close()
    medias = [line.split() for line in answer if line.startswith("m=")]
    assert [(media[0][2:], media[1] != "0") for media in medias] == REFUSED[name]
    assert [m.split()[2] for m in offer if m.startswith("m=")] == [media[2] for media in medias]
    mids = [line for line in offer if line.startswith("a=mid:")]
    assert [line for line in answer if line.startswith("a=mid:")] == mids
    bundled = next(line for line in answer if line.startswith("a=group:BUNDLE")).split()[1:]
    assert sorted(bundled) == sorted(mid[6:] for mid, (_, taken) in zip(mids, REFUSED[name], strict=True) if taken)
    for index, media in enumerate(medias):
        if media[1] == "0":
            at = answer.index(" ".join(media))
            assert answer[at + 1 : at + 4] == ["c=IN IP4 0.0.0.0", mids[index], "a=inactive"]


async def test_a_section_that_holds_the_transport_is_kept_idle(opened: Opened) -> None:
    peer = opened(LOCAL, Listening())
    answer = (await peer.answer("\r\n".join(OFFERS["GStreamer"]), "offer"))[0]
    await peer.close()
    assert "a=group:BUNDLE video0 audio1" in answer
    video, audio = (part.splitlines() for part in answer.split("\r\nm=")[1:])
    assert video[:4] == ["video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:video0", "a=inactive"]
    assert "a=rtpmap:96 VP8/90000" in video
    for name in ("a=ice-ufrag", "a=ice-pwd", "a=setup", "a=fingerprint", "a=candidate"):
        assert [line for line in video if line.startswith(name)] == [line for line in audio if line.startswith(name)]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:2"], id="video"),
        pytest.param(["m=text 9 UDP/TLS/RTP/SAVPF 96"], id="unknown media without a name"),
        pytest.param(["m=application 9 UDP/BFCP *", "a=mid:2"], id="no data channel"),
        pytest.param(["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:2"], id="audio without Opus"),
        pytest.param(["m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=mid:2"], id="one that was stopped"),
    ],
)
def test_what_an_offer_has_besides_is_refused_alone(extra: list[str]) -> None:
    for lines, index in (([*OFFER, *extra], 2), ([*SESSION, *extra, *AUDIO, *CHANNEL], 0)):
        cleaned = clean("\n".join(lines), "offer", max_bytes=65_536, loopback=False)
        [refused] = cleaned.refused
        assert refused.index == index
        assert refused.lines[0].split()[:2] == [extra[0].split()[0], "0"]
        assert [media.kind for media in SessionDescription.parse(cleaned.sdp).media] == ["audio", "application"]


def test_of_two_microphones_the_first_is_heard() -> None:
    second = ["a=mid:2" if line == "a=mid:0" else line for line in AUDIO]
    [refused] = clean("\n".join([*OFFER, *second]), "offer", max_bytes=65_536, loopback=False).refused
    assert (refused.index, refused.lines[2]) == (2, "a=mid:2")
    deaf = ["a=recvonly" if line == "a=sendrecv" else line for line in second]
    [refused] = clean("\n".join([*SESSION, *deaf, *AUDIO]), "offer", max_bytes=65_536, loopback=False).refused
    assert refused.index == 0


def test_a_channel_with_a_transport_of_its_own_is_refused() -> None:
    for lines in (
        swapped("a=group:BUNDLE 0 1", None),
        swapped("a=mid:1", None),
        swapped(CHANNEL[0], CHANNEL[0].replace(" 9 ", " 0 ")),
    ):
        [refused] = clean("\n".join(lines), "offer", max_bytes=65_536, loopback=False).refused
        assert refused.lines[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"


def line_of(line: str) -> int:
    return OFFER.index(line) + 1


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        pytest.param([*SESSION, "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:2"], 7, id="video alone"),
        pytest.param([*SESSION, *CHANNEL], 7, id="no audio"),
        pytest.param([*OFFER, *AUDIO], len(OFFER) + 1 + AUDIO.index("a=mid:0"), id="audio twice"),
        pytest.param([line for line in OFFER if "opus" not in line], 7, id="no Opus"),
        pytest.param(swapped("a=sendrecv", "a=recvonly"), line_of("a=sendrecv"), id="sends nothing"),
        pytest.param(swapped("a=rtcp-mux", None), 7, id="no rtcp-mux"),
        pytest.param(swapped("a=mid:1", "a=mid:0"), line_of("a=mid:1"), id="same mid"),
        pytest.param(swapped("a=mid:0", None), 7, id="no mid"),
        pytest.param(swapped("a=ice-ufrag:abcd", None), 7, id="no ufrag"),
        pytest.param(swapped(TRANSPORT[2], "a=ice-pwd:short"), line_of(TRANSPORT[2]), id="short pwd"),
        pytest.param(swapped(f"a=fingerprint:{FINGERPRINT}", None), 7, id="no fingerprint"),
        *(
            pytest.param(
                swapped(f"a=fingerprint:{FINGERPRINT}", f"a=fingerprint:{each}"),
                line_of(f"a=fingerprint:{FINGERPRINT}"),
                id=each[:12],
            )
            for each in (
                "md5 " + ":".join(["AB"] * 16),
                "sha-256 AB",
                FINGERPRINT + ":AB",
                "sha-512" + FINGERPRINT[7:],
                "sha-256 " + "AB" * 32,
            )
        ),
        pytest.param(swapped("a=setup:actpass", "a=setup:holdconn"), line_of("a=setup:actpass"), id="setup"),
        pytest.param(swapped("a=sctp-port:5000", "a=sctp-port:99999"), line_of("a=sctp-port:5000"), id="SCTP port"),
        pytest.param(swapped("a=sctp-port:5000", None), line_of(CHANNEL[0]), id="no SCTP port"),
        pytest.param(swapped(AUDIO[0], "m=audio 0 UDP/TLS/RTP/SAVPF 111"), 7, id="stopped"),
        pytest.param(swapped(AUDIO[0], "m=audio"), 7, id="broken media line"),
        pytest.param(["hello"], 1, id="text"),
        pytest.param([""], 1, id="nothing"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_line(lines: list[str], number: int) -> None:
    with pytest.raises(SdpError, match=rf"^line {number}: ") as error:
        cleaned(lines)
    assert error.value.details == {"line": number}


def test_of_several_fingerprints_those_are_kept_that_can_be_checked() -> None:
    others = "a=fingerprint:sha-1 " + ":".join(["AB"] * 20), "a=fingerprint:SHA-384 " + ":".join(["ab"] * 48)
    lines = [each for line in OFFER for each in ((line, *others) if line.startswith("a=fingerprint") else (line,))]
    kept = [line for line in cleaned(lines).splitlines() if line.startswith("a=fingerprint")]
    assert set(kept) == {f"a=fingerprint:{FINGERPRINT}", others[1]}


def test_an_answer_must_have_chosen_its_role() -> None:
    with pytest.raises(SdpError):
        cleaned(OFFER, type="answer")
    answer = [line.replace("actpass", "active") for line in OFFER]
    assert cleaned(answer, type="answer")
    with pytest.raises(SdpError, match="an answer must take"):
        cleaned([line.replace(CHANNEL[0], CHANNEL[0].replace(" 9 ", " 0 ")) for line in answer], type="answer")


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
    ("wishes", "fmtp"),
    [
        (
            OpusWishes(),
            "minptime=10;maxplaybackrate=16000;maxaveragebitrate=32000;stereo=0;useinbandfec=1;usedtx=1",
        ),
        (OpusWishes(wideband=False, dtx=False, packet_ms=60), "minptime=10;stereo=0;useinbandfec=1"),
    ],
)
def test_polish_says_what_we_want_of_opus(wishes: OpusWishes, fmtp: str) -> None:
    polished = polish("v=0\r\nm=audio 9 x 111\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n", wishes)
    assert polished.splitlines()[3:5] == [f"a=fmtp:111 {fmtp}", f"a=ptime:{wishes.packet_ms}"]
    assert len(polished.splitlines()) == 6


def test_polish_puts_what_is_refused_in_its_place() -> None:
    refused = (Refused(0, ("m=video 0",)), Refused(2, ("m=text 0", "a=inactive")))
    polished = polish("v=0\r\nm=audio 9\r\na=x\r\nm=application 9\r\n", OpusWishes(), refused)
    expected = ["v=0", "m=video 0", "m=audio 9", "a=x", "m=text 0", "a=inactive", "m=application 9"]
    assert polished.splitlines() == expected


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_no_second_line_hides_behind_what_only_some_parsers_take_for_its_end(end: str) -> None:
    hidden = f"{TRANSPORT[0]}{end}a=candidate:1 1 udp 1 127.0.0.1 6379 typ host"
    text = cleaned([hidden if line == TRANSPORT[0] else line for line in OFFER])
    assert candidates(text) == []
    for media in SessionDescription.parse(text).media:
        assert media.ice_candidates == []


def test_a_private_client_can_be_refused() -> None:
    lines = [line.replace("192.0.2.7 54321", "192.168.1.20 54321") for line in OFFER]
    assert set(candidates(cleaned(lines))) == {"192.168.1.20"}
    refused = clean("\n".join(lines), "offer", max_bytes=65_536, loopback=False, private=False).sdp
    assert candidates(refused) == []


LINES = sorted({line for offer in OFFERS.values() for line in offer})
pieces = st.one_of(
    st.sampled_from(LINES),
    st.sampled_from(LINES).flatmap(lambda line: st.integers(0, len(line)).map(lambda at: line[:at])),
    st.tuples(st.sampled_from(LINES), st.text(max_size=20)).map(lambda both: both[0] + both[1]),
    st.tuples(st.sampled_from(LINES), st.integers(-5, 1 << 70)).map(lambda both: both[0].replace("0", str(both[1]))),
    st.text(max_size=60),
)


seeds = st.sampled_from(list(OFFERS.values()))
changes = st.lists(st.tuples(st.floats(0, 0.999), st.none() | pieces), max_size=6)


def changed(offer: list[str], changes: list[tuple[float, str | None]]) -> str:
    """A seed with some of its lines replaced, or left out."""
    lines: list[str | None] = [*offer]
    for share, line in changes:
        lines[int(share * len(lines))] = line
    return "\r\n".join(line for line in lines if line is not None)


texts = st.lists(pieces, max_size=60).map("\r\n".join) | st.text(max_size=500) | st.builds(changed, seeds, changes)


@settings(max_examples=300)
@given(texts, st.booleans())
def test_any_text_is_cleaned_or_refused(text: str, offered: bool) -> None:
    done: Cleaned | None
    told = ""
    try:
        done = clean(text, "offer" if offered else "answer", max_bytes=65_536, loopback=False)
    except (SdpError, TooLarge) as error:
        told = f"{error.message} {error.details}"
        done = None
    if done is None:
        assert not any(secret in told for secret in SECRETS)
        return
    medias = [line for line in re.split(r"\r\n|\n|\r", text) if line.startswith("m=")]
    assert done.sdp.count("m=") + len(done.refused) == len(medias)
    assert candidates(done.sdp) in ([], ["192.0.2.7"], ["192.0.2.7"] * 2)
    assert set(re.findall("[\r\n]+", done.sdp)) == {"\r\n"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.builds(changed, seeds, changes))
async def test_any_offer_is_answered_or_refused(text: str) -> None:
    peer = WebRtcPeer(LOCAL, Listening())
    try:
        with contextlib.suppress(SdpError, TooLarge):
            sdp, type_ = await peer.answer(text, "offer")
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
