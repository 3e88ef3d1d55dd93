"""Fragments of session descriptions that bring candidates after the offer (trickle ICE, RFC 8840 section 9)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from media.webrtc.candidates import is_usable
from media.webrtc.sdp import LINES_MAX
from protocol.errors import SdpError, TooLarge

_LINE = re.compile(r"[a-z]=.*")
_UFRAG = re.compile(r"[A-Za-z0-9+/=_-]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/=_-]{22,256}")
_MEDIA = "m="


@dataclass(frozen=True, slots=True)
class Fragment:
    """``ufrag`` and ``pwd`` name the ICE session that the candidates belong to; None: not said.

    ``candidates`` are those that we would check.
    """

    ufrag: str | None
    pwd: str | None
    candidates: tuple[RTCIceCandidate, ...]


def read_fragment(
    text: str, *, max_bytes: int, loopback: bool, private: bool = True, own: Collection[str] = ()
) -> Fragment:
    """A peer's fragment. Raises TooLarge and SdpError, nothing else.

    Candidates that we cannot or may not check are left out, as in offers; so are unknown lines, and the end of the
    candidates, as a peer may still be found by its own checks.
    """
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise TooLarge("the fragment is too long", details={"max_bytes": max_bytes})
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text)]
    if len(lines) > LINES_MAX:
        raise TooLarge("the fragment has too many lines", details={"max_lines": LINES_MAX})
    lines = [line for line in lines if line]
    if not lines or not all(_LINE.fullmatch(line) for line in lines):
        raise SdpError("not a fragment of a session description (application/trickle-ice-sdpfrag)")
    ufrag = _only(lines, "a=ice-ufrag:", _UFRAG)
    pwd = _only(lines, "a=ice-pwd:", _PWD)
    if (ufrag is None) != (pwd is None):
        raise SdpError("a=ice-ufrag and a=ice-pwd belong together")
    if not any(line.startswith((_MEDIA, "a=candidate:", "a=end-of-candidates", "a=ice-ufrag:")) for line in lines):
        raise SdpError("the fragment says nothing of candidates")
    candidates = [line.removeprefix("a=candidate:") for line in lines if line.startswith("a=candidate:")]
    usable = [each for each in candidates if is_usable(each, loopback=loopback, private=private, own=own)]
    try:
        return Fragment(ufrag, pwd, tuple(candidate_from_sdp(each) for each in usable))
    except ValueError as exc:  # a related port that is no number, for one
        raise SdpError("a candidate cannot be read") from exc


def _only(lines: list[str], prefix: str, form: re.Pattern[str]) -> str | None:
    """The one value of an attribute: all sections share a transport (RFC 9725 section 4.4.1)."""
    values = {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}
    if not values:
        return None
    value = values.pop()
    if values or not form.fullmatch(value):
        raise SdpError(f"{prefix.rstrip(':')} is wrong, or there are several")
    return value
