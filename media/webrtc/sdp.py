"""Session descriptions: what we take of a peer's, and what we add to ours (RFC 8866, RFC 8829, RFC 7587).

A peer's description is hostile text until ``clean`` has rewritten it: only lines we know pass, so that aiortc's parser
meets nothing else. One audio section with Opus and at most one data channel section, bundled; no video. Candidates
that lead where a peer has no business (this machine, link-local hosts, a cloud's metadata) are ignored, and so are mDNS
names: such a peer is found by its own checks, as peer-reflexive (RFC 8445 section 7.3.1.3). ``end-of-candidates`` is
dropped for the same reason: ICE must not fail before those checks came.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal

from aiortc.sdp import SessionDescription

from protocol.errors import SdpError, TooLarge

LINES_MAX = 1000
SECTIONS_MAX = 4
CANDIDATES_MAX = 50
OPUS_FMTP = "minptime=10;maxplaybackrate=16000;maxaveragebitrate=32000;stereo=0;useinbandfec=1;usedtx=1"
"""Wideband, as recognisers hear nothing above 8 kHz; with a copy of each packet in the next; little for silence."""

_METADATA = {ipaddress.ip_address(each) for each in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")}
_SECTION_LINE = re.compile(r"m=(\S{1,32}) (\d{1,5})(?:/\d+)? ([A-Z/]{1,32}) (.{1,2000})")
_OPUS_LINE = re.compile(r"a=rtpmap:(\d{1,3}) opus/48000/2", re.IGNORECASE)
_FINGERPRINT = re.compile(r"[A-Za-z0-9-]{1,16} [0-9A-Fa-f:]{1,256}")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_TRANSPORT = ("ice-ufrag", "ice-pwd", "ice-lite", "fingerprint", "setup")


@dataclass
class _Section:
    kind: str
    port: int
    profile: str
    formats: str
    lines: list[str] = field(default_factory=list)

    def values(self, attribute: str) -> list[str]:
        """Values of the attribute's lines; an attribute without a value has an empty one."""
        flag, prefix = f"a={attribute}", f"a={attribute}:"
        return [line[len(prefix) :] for line in self.lines if line == flag or line.startswith(prefix)]

    def value(self, attribute: str) -> str | None:
        found = self.values(attribute)
        return found[-1] if found else None


def clean(sdp: str, type: Literal["offer", "answer"], *, max_bytes: int, loopback: bool) -> str:
    """The peer's description, reduced to what we use. Raises TooLarge and SdpError, nothing else."""
    try:
        size_bytes = len(sdp.encode())
    except UnicodeEncodeError as exc:
        raise SdpError("the session description is not text") from exc
    if size_bytes > max_bytes:
        raise TooLarge("the session description is too long", details={"max_bytes": max_bytes})
    session, sections = _read(sdp)
    audio = _the_audio(sections)
    leader = _leader(session, sections)
    transport = _transport(session, leader, type, loopback=loopback)
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE " + " ".join(_mids(leader, sections))]
    for section in sections:
        own = _audio_lines(audio) if section is audio else _channel_lines(section)
        lines += [own[0], f"a=mid:{section.value('mid')}", *own[1:], *transport]
    text = "\r\n".join(lines) + "\r\n"
    try:
        SessionDescription.parse(text)
    except Exception as exc:  # the parser asserts and unpacks; whatever it raises, the text was theirs
        raise SdpError("the session description cannot be read") from exc
    return text


def polish(sdp: str) -> str:
    """Our own description with what we want to hear of Opus, which aiortc leaves out."""
    lines = []
    for line in sdp.splitlines():
        lines.append(line)
        match = _OPUS_LINE.fullmatch(line)
        if match:
            lines.append(f"a=fmtp:{match[1]} {OPUS_FMTP}")
    return "\r\n".join(lines) + "\r\n"


def is_sensible(host: str, *, loopback: bool) -> bool:
    """Whether a peer may have us send checks to ``host``."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return loopback
    return not (
        address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in _METADATA
        or str(address) == "255.255.255.255"
    )


def _read(sdp: str) -> tuple[_Section, list[_Section]]:
    lines = re.split(r"\r\n|\n|\r", sdp)
    if len(lines) > LINES_MAX:
        raise TooLarge("the session description has too many lines", details={"max_lines": LINES_MAX})
    session = _Section("session", 0, "", "")
    sections: list[_Section] = []
    if not lines[0].startswith("v="):
        raise SdpError("not a session description: it does not begin with v=")
    for line in lines[1:]:
        if not line.startswith("m="):
            (sections[-1] if sections else session).lines.append(line.strip())
            continue
        match = _SECTION_LINE.fullmatch(line.strip())
        if match is None:
            raise SdpError("a media line cannot be read")
        if len(sections) == SECTIONS_MAX:
            raise TooLarge("the session description has too many media sections", details={"max": SECTIONS_MAX})
        sections.append(_Section(match[1], int(match[2]), match[3], match[4]))
    return session, sections


def _the_audio(sections: list[_Section]) -> _Section:
    for section in sections:
        if section.kind == "video":
            raise SdpError("offer audio only: this server takes no video", details={"kind": "video"})
        if section.kind not in ("audio", "application"):
            raise SdpError("an unknown kind of media", details={"kind": section.kind})
    audio = [section for section in sections if section.kind == "audio"]
    if len(audio) != 1 or len(sections) - len(audio) > 1:
        raise SdpError("one audio section is needed, and at most one data channel section may be there")
    if any(section.port == 0 for section in sections):
        raise SdpError("a media section is refused or stopped")
    return audio[0]


def _leader(session: _Section, sections: list[_Section]) -> _Section:
    """The section whose transport all share."""
    by_mid = {section.value("mid"): section for section in sections}
    if not all(mid is not None and re.fullmatch(r"[!-~]{1,32}", mid) for mid in by_mid) or len(by_mid) < len(sections):
        raise SdpError("every media section needs its own mid")
    group = next((value.split()[1:] for value in session.values("group") if value.split()[:1] == ["BUNDLE"]), [])
    if len(sections) > 1 and set(group) != set(by_mid):
        raise SdpError("audio and data channel must be bundled")
    return by_mid[group[0]] if group and group[0] in by_mid else sections[0]


def _mids(leader: _Section, sections: list[_Section]) -> list[str]:
    ordered = [leader, *(section for section in sections if section is not leader)]
    return [str(section.value("mid")) for section in ordered]


def _transport(session: _Section, leader: _Section, type: str, *, loopback: bool) -> list[str]:
    found = {name: leader.values(name) or session.values(name) for name in _TRANSPORT}
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]{4,256}", "".join(found["ice-ufrag"][-1:])):
        raise SdpError("a=ice-ufrag is missing or wrong")
    if not re.fullmatch(r"[A-Za-z0-9+/=_-]{22,256}", "".join(found["ice-pwd"][-1:])):
        raise SdpError("a=ice-pwd is missing or wrong")
    fingerprints = [each for each in found["fingerprint"] if _FINGERPRINT.fullmatch(each)]
    if not fingerprints or len(fingerprints) > 8:
        raise SdpError("a=fingerprint is missing or wrong")
    roles = ("actpass", "active", "passive") if type == "offer" else ("active", "passive")
    if not found["setup"] or found["setup"][-1] not in roles:
        raise SdpError("a=setup is missing or wrong", details={"allowed": list(roles)})
    candidates = leader.values("candidate")
    if len(candidates) > CANDIDATES_MAX:
        raise TooLarge("too many candidates", details={"max_candidates": CANDIDATES_MAX})
    return [
        *(["a=ice-lite"] if found["ice-lite"] else []),
        f"a=ice-ufrag:{found['ice-ufrag'][-1]}",
        f"a=ice-pwd:{found['ice-pwd'][-1]}",
        *(f"a=fingerprint:{each}" for each in fingerprints),
        f"a=setup:{found['setup'][-1]}",
        *(f"a=candidate:{each}" for each in candidates if is_usable(each, loopback=loopback)),
    ]


def is_usable(candidate: str, *, loopback: bool) -> bool:
    """Whether we would send checks to a peer's candidate, written as after ``a=candidate:``."""
    # foundation component transport priority address port "typ" type ... (RFC 8839 section 5.1)
    parts = candidate.split()
    if len(parts) < 8 or parts[1] != "1" or parts[2].lower() != "udp" or parts[6] != "typ":
        return False
    if parts[7] not in ("host", "srflx", "relay") or len(parts[0]) > 32:
        return False
    if not re.fullmatch(r"\d{1,10}", parts[3], re.ASCII) or not re.fullmatch(r"\d{4,5}", parts[5], re.ASCII):
        return False
    # No browser binds a port below 1024, but services that should not be knocked at do.
    return 1024 <= int(parts[5]) <= 65535 and is_sensible(parts[4], loopback=loopback)


def _audio_lines(section: _Section) -> list[str]:
    payload_type = next((m[1] for line in section.lines if (m := _OPUS_LINE.fullmatch(line))), None)
    if payload_type is None or payload_type not in section.formats.split() or not 96 <= int(payload_type) <= 127:
        raise SdpError("the audio section offers no Opus (opus/48000/2 with a dynamic payload type)")
    if section.value("rtcp-mux") is None:
        raise SdpError("a=rtcp-mux is needed")
    directions = [line[2:] for line in section.lines if line[2:] in _DIRECTIONS and line.startswith("a=")]
    direction = directions[-1] if directions else "sendrecv"
    if direction in ("recvonly", "inactive"):
        raise SdpError("the audio section sends no sound", details={"direction": direction})
    return [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type}",
        f"a={direction}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        f"a=rtpmap:{payload_type} opus/48000/2",
    ]


def _channel_lines(section: _Section) -> list[str]:
    if section.profile not in ("UDP/DTLS/SCTP", "TCP/DTLS/SCTP", "DTLS/SCTP"):
        raise SdpError("an application section that is no data channel", details={"profile": section.profile[:32]})
    legacy = section.profile == "DTLS/SCTP"
    port = section.formats.split()[0] if legacy else section.value("sctp-port") or ""
    size = section.value("max-message-size") or "65536"
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise SdpError("the data channel section names no SCTP port")
    if not re.fullmatch(r"\d{1,19}", size, re.ASCII):
        raise SdpError("a=max-message-size is wrong")
    if legacy:
        return [f"m=application 9 DTLS/SCTP {port}", f"a=sctpmap:{port} webrtc-datachannel 1024"]
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        f"a=sctp-port:{port}",
        f"a=max-message-size:{size}",
    ]
