"""OpenAI's Realtime API, of which sessions that transcribe are spoken here: what clients send, and sessions as they
are told.

There are two dialects: that of the beta (``transcription_session.update``, flat names) and that which followed it
(``session.update``). Either may be sent at any time; a session is told in the one that its client speaks.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocol.errors import InvalidMessage, ParameterRefused
from protocol.openai_audio import DIARIZES, Expected
from protocol.wire.json_object import text_object
from protocol.wire.stream import UTTERANCE_SILENCE_MAX_MS, UTTERANCE_SILENCE_MIN_MS, Encoding

RATE_HZ = 24_000
G711_RATE_HZ = 8_000
LOGPROBS = "item.input_audio_transcription.logprobs"
USUAL_TURNS = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
EVENT_ID_MAX_CHARS = 512

# As the dialects call them: the newer, then the beta.
FORMATS = {
    Encoding.PCM_S16LE: ("audio/pcm", "pcm16"),
    Encoding.MULAW: ("audio/pcmu", "g711_ulaw"),
    Encoding.ALAW: ("audio/pcma", "g711_alaw"),
}


class Kind(StrEnum):
    """What a client may send."""

    UPDATE = "session.update"
    UPDATE_BETA = "transcription_session.update"
    APPEND = "input_audio_buffer.append"
    COMMIT = "input_audio_buffer.commit"
    CLEAR = "input_audio_buffer.clear"


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """``session``: of an update, as it was sent; ``sound``: of an append."""

    kind: Kind
    session: dict[str, Any] = field(default_factory=dict)
    sound: bytes = b""


@dataclass(frozen=True, slots=True)
class Session:
    """What was asked of a session until now. ``turns`` None: the client says where a turn ends, by its commits."""

    id: str
    expires_at: float
    is_beta: bool = False
    encoding: Encoding = Encoding.PCM_S16LE
    rate_hz: int = RATE_HZ
    transcription: Transcription = field(default_factory=lambda: Transcription())
    turns: dict[str, Any] | None = field(default_factory=lambda: dict(USUAL_TURNS))
    default_silence_ms: int = 500  # that ends a turn, unless another is asked for
    noise_reduction: dict[str, Any] | None = None
    include: tuple[str, ...] = ()

    @property
    def logprobs(self) -> bool:
        return LOGPROBS in self.include

    @property
    def silence_ms(self) -> int | None:
        """That ends a turn which the server finds; None: the house's."""
        wanted_ms = self.default_silence_ms if self.turns is None else int(self.turns["silence_duration_ms"])
        return None if wanted_ms == self.default_silence_ms else wanted_ms

    @property
    def diarize(self) -> bool:
        return DIARIZES in (self.transcription.model or "")


class Transcription(Expected):
    """``delay`` and unknown fields change nothing: words are told as soon as they are agreed on."""

    model: str | None = Field(default=None, max_length=200)
    delay: str | None = Field(default=None, max_length=20)

    def told(self) -> dict[str, Any]:
        return {"model": self.model, "language": self.language, "prompt": self.prompt, **self._more()}

    def _more(self) -> dict[str, Any]:
        more = {"languages": list(self.languages), "keywords": list(self.keywords), "delay": self.delay}
        return {name: value for name, value in more.items() if value}


class _Turns(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    prefix_padding_ms: int | None = Field(default=None, ge=0, le=60_000)
    silence_duration_ms: int | None = Field(default=None, ge=0, le=60_000)
    eagerness: str | None = Field(default=None, max_length=20)


class _NoiseReduction(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["near_field", "far_field"]


class _Format(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma", "pcm16", "g711_ulaw", "g711_alaw"]
    rate: int = Field(default=RATE_HZ, ge=8_000, le=48_000)


class _Update(BaseModel):
    """Both dialects, one of which a client sends. Null is something else than nothing for what may be switched off."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: _Format | None = None
    transcription: Transcription | None = None
    turn_detection: _Turns | None = None
    noise_reduction: _NoiseReduction | None = None
    include: tuple[str, ...] | None = Field(default=None, max_length=20)


def parse_message(text: str) -> dict[str, Any]:
    """Raises ``InvalidMessage`` for what is no event."""
    try:
        return text_object(text)
    except InvalidMessage:
        raise InvalidMessage("an event is an object in JSON") from None


def event_id_of(message: dict[str, Any]) -> str | None:
    """By which the client knows its event again in an error."""
    event_id = message.get("event_id")
    return event_id[:EVENT_ID_MAX_CHARS] if isinstance(event_id, str) else None


def parse_event(message: dict[str, Any]) -> ClientEvent:
    """Raises ``ParameterRefused`` for an event that is not taken here, or not as it should be."""
    try:
        kind = Kind(str(message.get("type")))
    except ValueError:
        shown, known = str(message.get("type"))[:64], ", ".join(Kind)
        problem = f"{shown!r} is not taken here, where sessions transcribe: {known}"
        raise ParameterRefused(problem, param="type") from None
    if kind is Kind.APPEND:
        return ClientEvent(kind, sound=_sound_of(message.get("audio")))
    session = message.get("session", {})
    if not isinstance(session, dict):
        raise ParameterRefused("session is an object", param="session")
    return ClientEvent(kind, session)


def _sound_of(audio: object) -> bytes:
    if not isinstance(audio, str):
        raise ParameterRefused("audio is sound in base64", param="audio")
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise ParameterRefused("audio is not base64", param="audio") from None


def updated(session: Session, asked: dict[str, Any], *, is_beta: bool) -> Session:
    """The session once ``asked`` holds, too; what that leaves out stays. Raises ``ParameterRefused``."""
    if asked.get("type", "transcription") != "transcription":
        message = "sessions here transcribe: ask for the type transcription"
        raise ParameterRefused(message, param="session.type", kind="unsupported_value")
    names, given = _flat(asked)
    if "transcription" in given and isinstance(given["transcription"], dict):
        given["transcription"] = {**session.transcription.model_dump(), **given["transcription"]}
    try:
        update = _Update.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False)[0]
        first, *rest = (str(part) for part in problem["loc"])
        param = ".".join(["session", names.get(first, first), *rest])
        raise ParameterRefused(f"{param}: {problem['msg']}", param=param) from None
    changes: dict[str, Any] = {"is_beta": is_beta}
    if update.format is not None:
        changes |= _format(update.format)
    if "turn_detection" in given:
        changes["turns"] = update.turn_detection and _turns(update.turn_detection, session.default_silence_ms)
    if "noise_reduction" in given:
        changes["noise_reduction"] = update.noise_reduction and update.noise_reduction.model_dump()
    if update.transcription is not None:
        changes["transcription"] = update.transcription
    if update.include is not None:
        changes["include"] = update.include
    return replace(session, **changes)


def _flat(asked: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """What was asked, by names that both dialects share; and the names as the client wrote them."""
    names, given = {}, {}
    heard = _object(_object(asked, "audio", "session.audio"), "input", "session.audio.input")
    for before, source, prefix in (("input_audio_", asked, ""), ("", heard, "audio.input.")):
        for name in ("format", "transcription", "noise_reduction"):
            if before + name in source:
                names[name], given[name] = prefix + before + name, source[before + name]
        if "turn_detection" in source:
            names["turn_detection"], given["turn_detection"] = f"{prefix}turn_detection", source["turn_detection"]
    if "include" in asked:
        names["include"], given["include"] = "include", asked["include"]
    if isinstance(given.get("format"), str):
        given["format"] = {"type": given["format"]}
    return names, given


def _object(within: dict[str, Any], name: str, param: str) -> dict[str, Any]:
    """Null is as nothing at all."""
    found = within.get(name)
    if found is not None and not isinstance(found, dict):
        raise ParameterRefused(f"{param} is an object", param=param)
    return found or {}


def _turns(asked: _Turns, default_silence_ms: int) -> dict[str, Any]:
    """As they are from now on: what is told of the silence is what holds."""
    wanted_ms = default_silence_ms if asked.silence_duration_ms is None else asked.silence_duration_ms
    silence_ms = max(UTTERANCE_SILENCE_MIN_MS, min(wanted_ms, UTTERANCE_SILENCE_MAX_MS))
    return {**USUAL_TURNS, **asked.model_dump(exclude_none=True), "silence_duration_ms": silence_ms}


def _format(asked: _Format) -> dict[str, Any]:
    encoding = next(each for each, called in FORMATS.items() if asked.type in called)
    rate_hz = asked.rate if encoding is Encoding.PCM_S16LE else G711_RATE_HZ
    return {"encoding": encoding, "rate_hz": rate_hz}


def session_view(session: Session) -> dict[str, Any]:
    """As the session's client reads it."""
    newer, beta = FORMATS[session.encoding]
    head = {"id": session.id, "object": "realtime.transcription_session", "expires_at": int(session.expires_at)}
    told = session.transcription.told()
    if session.is_beta:
        return {
            **head,
            "input_audio_format": beta,
            "input_audio_transcription": told,
            "turn_detection": session.turns,
            "input_audio_noise_reduction": session.noise_reduction,
            "include": list(session.include),
        }
    rate = {"rate": session.rate_hz} if session.encoding is Encoding.PCM_S16LE else {}
    heard = {
        "format": {"type": newer, **rate},
        "transcription": told,
        "noise_reduction": session.noise_reduction,
        "turn_detection": session.turns,
    }
    return {"type": "transcription", **head, "audio": {"input": heard}, "include": list(session.include)}


def session_event(session: Session, what: Literal["created", "updated"]) -> dict[str, Any]:
    name = "transcription_session" if session.is_beta else "session"
    return event(f"{name}.{what}", session=session_view(session))


def event(type_: str, **fields: Any) -> dict[str, Any]:
    """One that we send, with an id of its own."""
    return {"type": type_, "event_id": new_id("event"), **fields}


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(10)}"
