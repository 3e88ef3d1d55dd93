"""Session descriptions: what we take of a peer's, and what we add to ours (RFC 8866, RFC 8829, RFC 7587).

A peer's description is hostile text until ``clean`` has rewritten it: only lines we know pass, so that aiortc's parser
meets nothing else. What we want is one audio section with Opus and at most one data channel section, bundled. What an
offer has besides (video, a second microphone, media nobody knows) is refused section by section: aiortc never hears of
it, and ``polish`` answers it with port 0 in its place (RFC 3264 section 6). ``end-of-candidates`` is dropped, because
ICE must not fail before a peer that cannot name its address was found by its own checks.

One section that we do not take cannot be refused so: the first of a bundle, when the audio has no transport but its
(a client's ``max-bundle``). It is answered as inactive instead, which sends as little.

An error names the line and what was expected, and never repeats what stood there: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiortc.sdp import SessionDescription

from media.webrtc.candidates import is_usable
from protocol.errors import SdpError, TooLarge

LINES_MAX = 1000
SECTIONS_MAX = 4
CANDIDATES_MAX = 50
MEDIA_LINE = "m=<media> <port> <protocol> <formats>"

_SECTION_LINE = re.compile(r"m=([A-Za-z0-9-]{1,32}) (\d{1,5})(?:/\d+)? ([A-Z/]{1,32}) ([!-~][ -~]{0,1999})", re.ASCII)
_OPUS_LINE = re.compile(r"a=rtpmap:(\d{1,3}) opus/48000/2", re.IGNORECASE | re.ASCII)
_FORMAT_LINE = re.compile(r"[ -~]{1,300}")
_MID = re.compile(r"[!-~]{1,32}")
_FINGERPRINT_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}  # those that a certificate is compared with
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_SHARED = ("a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=end-of-candidates")
_CHANNEL_PROFILES = ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP")


@dataclass(frozen=True, slots=True)
class OpusWishes:
    """What we ask of a peer's Opus. For the length of packets libwebrtc heeds ``a=ptime``, and nothing else."""

    wideband: bool = True
    """Recognisers hear nothing above 8 kHz."""
    dtx: bool = True
    """Next to nothing is sent for silence."""
    packet_ms: int = 20

    @property
    def fmtp(self) -> str:
        parts = ["minptime=10"]
        if self.wideband:
            # With the rate, or an encoder thinks that it must save.
            parts += ["maxplaybackrate=16000", "maxaveragebitrate=32000"]
        parts += ["stereo=0", "useinbandfec=1"]  # with a copy of each packet in the next, where the sender can
        if self.dtx:
            parts.append("usedtx=1")
        return ";".join(parts)


@dataclass(frozen=True, slots=True)
class Refused:
    """A media section of an offer that we do not take: its place, and the answer's lines there.

    ``mid`` is set where the answer must keep it in the bundle, as it holds the transport.
    """

    index: int
    lines: tuple[str, ...]
    mid: str | None = None


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A peer's description, reduced to what we use, and what was left out of it."""

    sdp: str
    refused: tuple[Refused, ...]


@dataclass
class _Section:
    kind: str
    port: int
    profile: str
    formats: str
    number: int
    lines: list[tuple[int, str]] = field(default_factory=list)

    def values(self, attribute: str) -> list[str]:
        """Values of the attribute's lines; an attribute without a value has an empty one."""
        flag, prefix = f"a={attribute}", f"a={attribute}:"
        return [line[len(prefix) :] for _, line in self.lines if line == flag or line.startswith(prefix)]

    def value(self, attribute: str) -> str | None:
        found = self.values(attribute)
        return found[-1] if found else None

    def number_of(self, attribute: str) -> int:
        """Where the attribute stands; where the section begins when it has none."""
        starts = (f"a={attribute}", f"a={attribute}:")
        return next(
            (n for n, line in reversed(self.lines) if line == starts[0] or line.startswith(starts[1])), self.number
        )

    @property
    def bundle_only(self) -> bool:
        return self.value("bundle-only") is not None

    @property
    def stopped(self) -> bool:
        return self.port == 0 and not self.bundle_only  # RFC 8843 section 6


def clean(
    sdp: str,
    type: Literal["offer", "answer"],
    *,
    max_bytes: int,
    loopback: bool,
    private: bool = True,
    own: Collection[str] = (),
    speaks: bool = False,
) -> Cleaned:
    """The peer's description, reduced to what we use. Raises TooLarge and SdpError, nothing else.

    ``loopback``, ``private``, ``own``: which candidates are checked, as in ``is_sensible``. ``speaks``: there is
    something to hear from us, so the peer may be one that only listens.
    """
    try:
        size_bytes = len(sdp.encode())
    except UnicodeEncodeError as exc:
        raise SdpError("the session description is not text") from exc
    if size_bytes > max_bytes:
        raise TooLarge("the session description is too long", details={"max_bytes": max_bytes})
    session, sections = _read(sdp)
    audio = _the_audio(sections, speaks=speaks)
    bundle = _bundle(session, sections, audio)
    channel = _the_channel(bundle)
    taken = [each for each in sections if each is audio or each is channel]
    left = [each for each in sections if each not in taken]
    if type == "answer" and left:
        raise _wrong(left[0].number, "an answer must take what was offered: audio and data channel, bundled")
    leader = next((each for each in bundle if each in taken and not each.bundle_only), audio)
    holder = bundle[0] if bundle[0] in left and _shares(leader, bundle[0]) else None
    transport = _transport(session, holder or leader, type)
    candidates = [each for each in transport.candidates if is_usable(each, loopback=loopback, private=private, own=own)]
    shared = [*transport.lines, *(f"a=candidate:{each}" for each in candidates)]
    mids = [str(each.value("mid")) for each in sorted(taken, key=lambda each: each is not leader)]
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE " + " ".join(mids)]
    for section in taken:
        own = _audio_lines(section) if section is audio else _channel_lines(section)
        lines += [own[0], f"a=mid:{section.value('mid')}", *own[1:], *shared]
    text = "\r\n".join(lines) + "\r\n"
    try:
        SessionDescription.parse(text)
    except Exception as exc:  # the parser asserts and unpacks; whatever it raises, the text was theirs
        raise SdpError("the session description cannot be read") from exc
    return Cleaned(text, tuple(_refusal(sections.index(each), each, holds=each is holder) for each in left))


def polish(sdp: str, wishes: OpusWishes, refused: Sequence[Refused] = ()) -> str:
    """Our own description with what we want to hear of Opus, which aiortc leaves out, and with what we refuse."""
    blocks: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            blocks.append([])
        blocks[-1].append(line)
        match = _OPUS_LINE.fullmatch(line)
        if match:
            blocks[-1] += [f"a=fmtp:{match[1]} {wishes.fmtp}", f"a=ptime:{wishes.packet_ms}"]
    shared = [line for line in blocks[-1] if line.startswith(_SHARED)]
    for each in refused:  # in the order of their places
        blocks.insert(1 + each.index, [*each.lines, *(shared if each.mid is not None else ())])
        if each.mid is not None:
            blocks[0] = [line.replace("a=group:BUNDLE", f"a=group:BUNDLE {each.mid}") for line in blocks[0]]
    return "\r\n".join(line for block in blocks for line in block) + "\r\n"


def _wrong(number: int, expected: str) -> SdpError:
    return SdpError(f"line {number}: {expected}", details={"line": number})


def _read(sdp: str) -> tuple[_Section, list[_Section]]:
    lines = re.split(r"\r\n|\n|\r", sdp)
    if len(lines) > LINES_MAX:
        raise TooLarge("the session description has too many lines", details={"max_lines": LINES_MAX})
    session = _Section("session", 0, "", "", 1)
    sections: list[_Section] = []
    if not lines[0].startswith("v="):
        raise _wrong(1, "a session description begins with v=0")
    for number, line in enumerate(lines[1:], 2):
        if not line.startswith("m="):
            (sections[-1] if sections else session).lines.append((number, line.strip()))
            continue
        match = _SECTION_LINE.fullmatch(line.strip())
        if match is None:
            raise _wrong(number, f"a media line must look like {MEDIA_LINE}")
        if len(sections) == SECTIONS_MAX:
            raise TooLarge(
                f"line {number}: too many media sections", details={"line": number, "max_sections": SECTIONS_MAX}
            )
        sections.append(_Section(match[1], int(match[2]), match[3], match[4], number))
    return session, sections


def _the_audio(sections: list[_Section], *, speaks: bool) -> _Section:
    """The first audio section that brings Opus."""
    problems = []
    for section in sections:
        if section.kind == "audio":
            problem = _audio_problem(section, speaks=speaks)
            if problem is None:
                return section
            problems.append(problem)
    if problems:
        raise problems[0]
    number = sections[0].number if sections else 1
    raise _wrong(number, "there is no audio section, and sound is all that this server takes")


def _audio_problem(section: _Section, *, speaks: bool) -> SdpError | None:
    if section.stopped:
        return _wrong(section.number, "the audio section is stopped: a port other than 0 is expected")
    payload_type = _payload_type(section)
    if payload_type is None or payload_type not in section.formats.split() or not 96 <= int(payload_type) <= 127:
        return _wrong(section.number, "the audio section offers no Opus: a=rtpmap:<96 to 127> opus/48000/2 is expected")
    if section.value("rtcp-mux") is None:
        return _wrong(section.number, "the audio section needs a=rtcp-mux")
    direction = _direction(section)
    if direction == "inactive" or (direction == "recvonly" and not speaks):
        return _wrong(section.number_of(direction), "the audio section sends no sound: a=sendonly is expected")
    return None


def _bundle(session: _Section, sections: list[_Section], audio: _Section) -> list[_Section]:
    """The sections that share the audio's transport, in the order of the group (RFC 8843); the first names it."""
    by_mid: dict[str, _Section] = {}
    for section in sections:
        mid = section.value("mid")
        if mid is None and section is not audio:
            continue
        if mid is None or not _MID.fullmatch(mid) or mid in by_mid:
            raise _wrong(section.number_of("mid"), "each media section needs a=mid with a name of its own")
        by_mid[mid] = section
    for value in session.values("group"):
        kind, *mids = value.split() or [""]
        group = [by_mid[mid] for mid in dict.fromkeys(mids) if mid in by_mid]
        if kind == "BUNDLE" and audio in group:
            return group
    return [audio]


def _the_channel(bundle: list[_Section]) -> _Section | None:
    return next(
        (
            each
            for each in bundle
            if each.kind == "application" and each.profile in _CHANNEL_PROFILES and not each.stopped
        ),
        None,
    )


@dataclass(frozen=True, slots=True)
class _Transport:
    lines: list[str]
    candidates: list[str]


def _shares(section: _Section, first: _Section) -> bool:
    """Whether the section has no transport but the bundle's (a client's ``max-bundle``)."""
    ufrag = section.value("ice-ufrag")
    return section.bundle_only or ufrag is None or ufrag == first.value("ice-ufrag")


def _transport(session: _Section, source: _Section, type: str) -> _Transport:
    """What the sections share, and where it stands: in one of them or, as far as it has it not, in the session."""

    def found(name: str) -> list[str]:
        return source.values(name) or session.values(name)

    def require(name: str, form: str, expected: str) -> str:
        values = found(name)
        if not values or not re.fullmatch(form, values[-1], re.ASCII):
            where = source if source.values(name) or not session.values(name) else session
            raise _wrong(where.number_of(name), f"a={name} {expected} is expected")
        return values[-1]

    ufrag = require("ice-ufrag", r"[A-Za-z0-9+/=_-]{4,256}", "of 4 to 256 letters and digits")
    pwd = require("ice-pwd", r"[A-Za-z0-9+/=_-]{22,256}", "of 22 to 256 letters and digits")
    fingerprints = _fingerprints(
        source if source.values("fingerprint") or not session.values("fingerprint") else session
    )
    roles = ("actpass", "active", "passive") if type == "offer" else ("active", "passive")
    setup = require("setup", "|".join(roles), "with " + " or ".join(roles))
    candidates = source.values("candidate")
    if len(candidates) > CANDIDATES_MAX:
        raise TooLarge("too many candidates", details={"max_candidates": CANDIDATES_MAX})
    lines = [
        *(["a=ice-lite"] if found("ice-lite") else []),
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
        *(f"a=fingerprint:{each}" for each in fingerprints),
        f"a=setup:{setup}",
    ]
    return _Transport(lines, candidates)


def _fingerprints(where: _Section) -> list[str]:
    """Those by hashes that we can check, each of which must be right; there may be others too (RFC 8122 section 5)."""
    known: list[str] = []
    number = where.number_of("fingerprint")
    for each in where.values("fingerprint"):
        name, _, value = each.partition(" ")
        size_bytes = _FINGERPRINT_BYTES.get(name.lower())
        if size_bytes is None:
            continue
        if not re.fullmatch(rf"[0-9A-Fa-f]{{2}}(:[0-9A-Fa-f]{{2}}){{{size_bytes - 1}}}", value):
            raise _wrong(number, f"a=fingerprint by {name.lower()} has {size_bytes} bytes in hexadecimal, with colons")
        known.append(each)
    if not known:
        raise _wrong(number, "a=fingerprint by sha-256, sha-384 or sha-512 is expected")
    if len(known) > 8:
        raise _wrong(number, "no more than 8 fingerprints are expected")
    return known


def _refusal(index: int, section: _Section, *, holds: bool) -> Refused:
    """The answer's section. Its lines repeat the offer's as far as they must."""
    mid = section.value("mid")
    payload_type = section.formats.split()[0]
    named = "c=IN IP4 0.0.0.0", *([f"a=mid:{mid}"] if mid is not None else []), "a=inactive"
    if not holds:
        return Refused(index, (f"m={section.kind} 0 {section.profile} {payload_type}", *named))
    about = (f"a=rtpmap:{payload_type} ", f"a=fmtp:{payload_type} ")
    format_ = [line for _, line in section.lines if line.startswith(about) and _FORMAT_LINE.fullmatch(line)][:2]
    lines = (f"m={section.kind} 9 {section.profile} {payload_type}", *named, "a=rtcp-mux", *format_)
    return Refused(index, lines, mid)


def _payload_type(section: _Section) -> str | None:
    return next((m[1] for _, line in section.lines if (m := _OPUS_LINE.fullmatch(line))), None)


def _direction(section: _Section) -> str:
    found = [line[2:] for _, line in section.lines if line[2:] in _DIRECTIONS and line.startswith("a=")]
    return found[-1] if found else "sendrecv"


def _audio_lines(section: _Section) -> list[str]:
    payload_type = _payload_type(section)
    return [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}",
        f"a={_direction(section)}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        f"a=rtpmap:{payload_type} opus/48000/2",
    ]


def _channel_lines(section: _Section) -> list[str]:
    legacy = section.profile == "DTLS/SCTP"
    port = section.formats.split()[0] if legacy else section.value("sctp-port") or ""
    size = section.value("max-message-size") or "65536"
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise _wrong(section.number_of("sctp-port"), "the data channel's section needs a=sctp-port of 1 to 65535")
    if not re.fullmatch(r"\d{1,19}", size, re.ASCII):
        raise _wrong(section.number_of("max-message-size"), "a=max-message-size in bytes is expected")
    if legacy:
        return [f"m=application 9 DTLS/SCTP {port}", f"a=sctpmap:{port} webrtc-datachannel 1024"]
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        f"a=sctp-port:{port}",
        f"a=max-message-size:{size}",
    ]
