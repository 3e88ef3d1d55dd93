"""Wyoming, by which Home Assistant's satellites speak: a line of JSON, then the data and payload it tells of. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol.errors import AudioFormatError, InvalidMessage
from protocol.wire.json_object import text_object
from protocol.wire.stream import BYTES_PER_SAMPLE, Encoding

HEADER_MAX_BYTES = 64 * 1024
DATA_MAX_BYTES = 64 * 1024
PAYLOAD_MAX_BYTES = 1 << 20
PIECE_BYTES = 4096
RATE_MIN_HZ, RATE_MAX_HZ, CHANNELS_MAX = 8_000, 48_000, 8
HOTWORDS_MAX, HOTWORD_MAX_CHARS = 100, 100
VERSION = "1.5.4"  # whose events these are
_ENCODINGS = {2: Encoding.PCM_S16LE, 4: Encoding.PCM_S32LE}


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Header:
    """The line. What follows it: ``data_bytes`` of JSON, then ``payload_bytes``."""

    type: str
    data: Mapping[str, Any]
    data_bytes: int
    payload_bytes: int

    def event(self, data: bytes, payload: bytes) -> WyomingEvent:
        """With what followed. Raises ``InvalidMessage``."""
        more = text_object(data) if data else {}
        return WyomingEvent(self.type, {**self.data, **more}, payload)


def parse_header(line: bytes) -> Header:
    """Raises ``InvalidMessage``."""
    message = text_object(line)
    type_, data = message.get("type"), {} if message.get("data") is None else message["data"]
    data_bytes, payload_bytes = message.get("data_length") or 0, message.get("payload_length") or 0
    if not isinstance(type_, str) or not isinstance(data, dict):
        raise InvalidMessage("an event has a type, and data that is an object")
    if not _is_within(data_bytes, 0, DATA_MAX_BYTES) or not _is_within(payload_bytes, 0, PAYLOAD_MAX_BYTES):
        raise InvalidMessage(f"an event may have {DATA_MAX_BYTES} bytes of data, and {PAYLOAD_MAX_BYTES} of payload")
    return Header(type_, data, data_bytes, payload_bytes)


def render(event: WyomingEvent) -> bytes:
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    header: dict[str, Any] = {"type": event.type, "version": VERSION}
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return json.dumps(header).encode() + b"\n" + data + event.payload


def start_data(asked: Mapping[str, Any], sound: Mapping[str, Any]) -> dict[str, Any]:
    """A start message's data for our speaking socket. ``asked``: of ``transcribe``; ``sound``: of ``audio-start``.

    Raises ``AudioFormatError``.
    """
    width, rate, channels = sound.get("width", 2), sound.get("rate", 16_000), sound.get("channels", 1)
    encoding = _ENCODINGS.get(width) if isinstance(width, int) else None
    if encoding is None or not _is_within(rate, RATE_MIN_HZ, RATE_MAX_HZ) or not _is_within(channels, 1, CHANNELS_MAX):
        raise AudioFormatError(
            f"send samples of 2 or 4 bytes, of {RATE_MIN_HZ} to {RATE_MAX_HZ} Hz, on {CHANNELS_MAX} channels at most",
            details={"width": str(width)[:64], "rate": str(rate)[:64], "channels": str(channels)[:64]},
        )
    data: dict[str, Any] = {"encoding": encoding.value, "sample_rate": rate, "channels": channels, "interim": False}
    if language := asked.get("language"):
        data["language"] = str(language)[:16]
    terms = [*_texts(asked.get("transcript_names")), *_texts(asked.get("transcript_terms"))]
    if terms:
        data["hotwords"] = terms[:HOTWORDS_MAX]
    return {**data, "diarize": False}


def check_form(sound: Mapping[str, Any], start: Mapping[str, Any]) -> None:
    """Raises ``AudioFormatError`` for a chunk in another form than that in which its recording began."""
    if sound.keys() & {"width", "rate", "channels"}:
        form = start_data({}, sound)
        if any(form[name] != start[name] for name in ("encoding", "sample_rate", "channels")):
            raise AudioFormatError("all chunks are in the form of their audio-start: end it before another begins")


def pieces(payload: bytes, start: Mapping[str, Any]) -> Iterator[bytes]:
    """As our speaking socket takes them, whatever its server is set to; between them no sample is cut."""
    frame_bytes = BYTES_PER_SAMPLE[Encoding(start["encoding"])] * start["channels"]
    step = max(1, PIECE_BYTES // frame_bytes) * frame_bytes
    for at in range(0, len(payload), step):
        yield payload[at : at + step]


def info(model: str, languages: Sequence[str], version: str) -> WyomingEvent:
    """What there is, for whoever asks to ``describe`` it."""
    described = {
        "attribution": {"name": "Earshot", "url": ""},
        "installed": True,
        "version": version,
        "name": model,
        "description": model,
    }
    program = {
        **described,
        "name": "earshot",
        "description": "Realtime speech server",
        "supports_transcript_streaming": True,
        "models": [{**described, "languages": list(languages)}],
    }
    none: dict[str, list[Any]] = {kind: [] for kind in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return WyomingEvent("info", {"asr": [program], **none})


def chunk(text: str, *, is_first: bool) -> WyomingEvent:
    return WyomingEvent("transcript-chunk", {"text": text if is_first else f" {text}"})


def transcript(texts: Sequence[str], language: str | None) -> WyomingEvent:
    told = {"language": language} if language else {}
    return WyomingEvent("transcript", {"text": " ".join(texts), **told})


def error(code: str, message: str) -> WyomingEvent:
    return WyomingEvent("error", {"text": message, "code": code})


def _texts(value: object) -> list[str]:
    texts = value if isinstance(value, list) else []
    return [text[:HOTWORD_MAX_CHARS] for text in texts if isinstance(text, str) and text.strip()]


def _is_within(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
