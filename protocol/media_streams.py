"""Sound of telephone calls as Twilio's Media Streams and Telnyx's media streaming send it. Pure.

The two are told apart by how their ``start`` is spelled. Nothing is sent back to them: what they do not know they
report as a fault of ours.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from array import array
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from protocol.errors import AudioFormatError, InvalidMessage
from protocol.wire.json_object import text_object
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding

MESSAGE_MAX_BYTES = 64 * 1024  # a frame of 20 ms has some 300
TEXT_MAX_CHARS = 200
PARAMETERS_MAX = 50
TRACKS_MAX = 2
HEARD_MAX = 500  # chunks of which it is known that they were heard: ten seconds
AHEAD_MAX = 10  # chunks that came before one that is missing still; then it is not waited for any more
GAP_MIN_MS, GAP_MAX_MS = 60, 10 * 60_000

_ENCODINGS = {
    "audio/x-mulaw": Encoding.MULAW,
    "PCMU": Encoding.MULAW,
    "PCMA": Encoding.ALAW,
    "L16": Encoding.PCM_S16LE,
    "OPUS": Encoding.OPUS,
}
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*|auto")
_SILENCE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.PCM_S16LE: b"\0"}


@dataclass(frozen=True, slots=True)
class CallStart:
    """``call_id``: by which the other side knows the call. ``parameters``: what its instructions gave along."""

    provider: Literal["twilio", "telnyx"]
    call_id: str
    encoding: Encoding
    sample_rate: int
    parameters: Mapping[str, str] = field(repr=False)

    @property
    def language(self) -> str | None:
        return self.parameters.get("language") or None


@dataclass(frozen=True, slots=True)
class Media:
    """``chunk`` counts from 1 on each track; ``at_ms`` is since the stream began. None where they are not told."""

    track: str
    chunk: int | None
    at_ms: int | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stop:
    """The call, or the stream, is over."""


def parse(text: str | bytes) -> CallStart | Media | Stop | None:
    """One message; None for those that say nothing of sound: connected, mark, dtmf, error, and what is unknown.

    Raises ``InvalidMessage``, ``AudioFormatError``.
    """
    if len(text) > MESSAGE_MAX_BYTES:
        raise InvalidMessage(f"a message may hold {MESSAGE_MAX_BYTES} bytes")
    message = text_object(text)
    match message.get("event"):
        case "start":
            return _start(message)
        case "media":
            return _media(_object(message, "media"))
        case "stop":
            return Stop()
        case str():
            return None
    raise InvalidMessage("a message has an event")


class Order:
    """Chunks of one track in their order: one that comes late is waited for, for as long as ``AHEAD_MAX`` others."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._ahead: dict[int, Media] = {}
        self._heard: deque[int] = deque(maxlen=HEARD_MAX)

    def take(self, media: Media) -> list[Media]:
        """What can be heard now. One that comes too late to be waited for is heard as it comes, and one that comes
        again is not."""
        if media.chunk is None:
            return [media]
        if self._next is None:
            self._next = media.chunk
        if media.chunk < self._next:
            if media.chunk in self._heard:
                return []
            self._heard.append(media.chunk)
            return [media]
        self._ahead[media.chunk] = media
        found = self._ready()
        if not found and len(self._ahead) > AHEAD_MAX:
            self._next = min(self._ahead)
            found = self._ready()
        return found

    def rest(self) -> list[Media]:
        """Whatever waits still."""
        found = [self._ahead[chunk] for chunk in sorted(self._ahead)]
        self._ahead.clear()
        return found

    def _ready(self) -> list[Media]:
        found = []
        while self._next in self._ahead:
            found.append(self._ahead.pop(self._next))
            self._heard.append(self._next)
            self._next += 1
        return found


class Sound:
    """The payloads of one track as one run of samples: what was not sent, because nobody spoke, is silence."""

    def __init__(self, encoding: Encoding, sample_rate: int) -> None:
        self._encoding = encoding
        self._bytes_per_ms = BYTES_PER_SAMPLE.get(encoding, 0) * sample_rate // 1000
        self._began_ms: int | None = None
        self._length_bytes = 0
        self._is_swapped: bool | None = None  # L16 in network order

    def of(self, media: Media) -> bytes:
        """The silence before it, and what it holds."""
        payload = media.payload
        if self._encoding is Encoding.PCM_S16LE:
            payload = self._in_our_order(payload[: len(payload) // 2 * 2])
        if not self._bytes_per_ms or media.at_ms is None:
            return payload
        if self._began_ms is None:
            self._began_ms = media.at_ms
        gap_ms = media.at_ms - self._began_ms - self._length_bytes // self._bytes_per_ms
        silence = b""
        if GAP_MIN_MS <= gap_ms <= GAP_MAX_MS:
            silence = _SILENCE[self._encoding] * (gap_ms * self._bytes_per_ms)
        self._length_bytes += len(silence) + len(payload)
        return silence + payload

    def _in_our_order(self, samples: bytes) -> bytes:
        if self._is_swapped is None:
            self._is_swapped = is_in_network_order(samples)
        if not self._is_swapped:
            return samples
        swapped = array("h", samples)
        swapped.byteswap()
        return swapped.tobytes()


def is_in_network_order(samples: bytes) -> bool | None:
    """Of 16-bit samples, by their own sound: in the wrong order it is noise. None of silence, which tells nothing."""
    ours = array("h", samples)
    if sys.byteorder == "big":
        ours.byteswap()
    theirs = array("h", ours)
    theirs.byteswap()
    rough_ours, rough_theirs = _roughness(ours), _roughness(theirs)
    return None if rough_ours == rough_theirs else rough_theirs < rough_ours


def _roughness(samples: array[int]) -> int:
    return sum(abs(after - before) for before, after in pairwise(samples))


def _start(message: Mapping[str, Any]) -> CallStart:
    start = _object(message, "start")
    is_twilio = "mediaFormat" in start
    form = _object(start, "mediaFormat" if is_twilio else "media_format")
    name = str(form.get("encoding", ""))
    encoding = _ENCODINGS.get(name)
    rate = form.get("sampleRate" if is_twilio else "sample_rate", 8_000)
    if encoding is None or not isinstance(rate, int) or form.get("channels", 1) != 1 or not 8_000 <= rate <= 48_000:
        raise AudioFormatError("unsupported audio format", details={"format": name[:64], "known": sorted(_ENCODINGS)})
    given = start.get("customParameters" if is_twilio else "custom_parameters")
    parameters = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    if len(parameters) > PARAMETERS_MAX:
        raise InvalidMessage(f"at most {PARAMETERS_MAX} parameters, please")
    language = parameters.get("language", "")
    if language and not (_LANGUAGE.fullmatch(language) and len(language) <= 16):
        raise InvalidMessage("language is a code such as en or en-US")
    return CallStart(
        provider="twilio" if is_twilio else "telnyx",
        call_id=str(start.get("callSid" if is_twilio else "call_control_id", ""))[:TEXT_MAX_CHARS],
        encoding=encoding,
        sample_rate=rate,
        parameters=parameters,
    )


def _media(media: Mapping[str, Any]) -> Media:
    track = str(media.get("track", "inbound"))
    if track not in ("inbound", "outbound"):
        raise InvalidMessage("a track is inbound or outbound", details={"track": track[:64]})
    payload = media.get("payload", "")
    try:
        sound = base64.b64decode(payload if isinstance(payload, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidMessage("payload is not base64") from None
    return Media(track, _number(media.get("chunk")), _number(media.get("timestamp")), sound)


def _object(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = message.get(name)
    if not isinstance(found, dict):
        raise InvalidMessage(f"{name} is an object")
    return found


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
