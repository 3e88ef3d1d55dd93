"""The speaking socket ``/v1/transcripts_stream/{id}``: JSON control text, binary audio."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from protocol.errors import AudioFormatError, InvalidMessage
from protocol.wire.v1 import parse_object

MAX_CONTROL_BYTES = 16 * 1024  # hotwords are the longest thing in a start message
UTTERANCE_SILENCE_MIN_MS, UTTERANCE_SILENCE_MAX_MS = 100, 5000


Language = Annotated[str, Field(max_length=16, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$|^auto$")]
TrackName = Annotated[str, Field(max_length=64, pattern=r"^[\w.-]+$")]
Speakers = Annotated[int, Field(ge=1, le=20)]  # of one recording


class Encoding(StrEnum):
    PCM_S16LE = "pcm_s16le"
    PCM_S32LE = "pcm_s32le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"
    OPUS = "opus"  # one packet a frame
    CONTAINER = "container"  # webm, ogg, mp4 or wav bytes as they come


# What clients also call them.
_ENCODING_ALIASES = {
    "webm": "container",
    "ogg": "container",
    "mp4": "container",
    "wav": "container",
    "linear16": "pcm_s16le",
}

BYTES_PER_SAMPLE: dict[Encoding, int] = {
    Encoding.PCM_S16LE: 2,
    Encoding.PCM_S32LE: 4,
    Encoding.PCM_F32LE: 4,
    Encoding.MULAW: 1,
    Encoding.ALAW: 1,
}


class Participant(BaseModel):
    model_config = ConfigDict(frozen=True, str_max_length=200)

    id: str | None = None
    name: str | None = None


class HowManySpeak(BaseModel):
    """Part of a message or body: what is known of how many voices a recording mixes."""

    speakers_expected: Speakers | None = Field(default=None, description="So many speak, if that is known.")
    max_speakers: Speakers | None = Field(default=None, description="No more than so many speak.")

    @field_validator("max_speakers")
    @classmethod
    def _holds_those_expected(cls, most: int | None, info: ValidationInfo) -> int | None:
        if most is not None and most < (info.data.get("speakers_expected") or 0):
            raise ValueError("fewer than speakers_expected")
        return most


class Start(HowManySpeak):
    """The first message. Unknown fields are ignored. ``resume`` is the token of an earlier ``started``.

    ``diarize``: whether voices are told apart; None: where it is one channel, and no participant's.
    """

    model_config = ConfigDict(frozen=True, str_max_length=4096)

    type: Literal["start"] = "start"
    encoding: Encoding = Encoding.PCM_S16LE
    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000)
    channels: int = Field(default=1, ge=1, le=8)
    language: Language | None = None
    track: TrackName | None = None
    participant: Participant | None = None
    resume: str | None = Field(default=None, max_length=128)
    events: bool = True
    interim: bool = True
    utterance_silence_ms: int | None = Field(default=None, ge=UTTERANCE_SILENCE_MIN_MS, le=UTTERANCE_SILENCE_MAX_MS)
    hotwords: tuple[str, ...] = Field(default=(), max_length=200)
    diarize: bool | None = None


class Control(StrEnum):
    FINALIZE = "finalize"
    PAUSE = "pause"
    RESUME = "resume"
    KEEPALIVE = "keepalive"
    STOP = "stop"
    GET_STATUS = "get_status"
    PONG = "pong"  # to our pings; welcome and not needed


def parse_client(text: str | bytes) -> Start | Control:
    """A control message. Raises ``AudioFormatError`` for a format we do not take, else ``InvalidMessage``."""
    message = parse_object(text, limit_bytes=MAX_CONTROL_BYTES)
    kind = message.get("type", message.get("action"))
    if kind != "start":
        try:
            return Control(str(kind).lower())
        except ValueError:
            raise InvalidMessage(
                "unknown message type",
                details={"type": str(kind)[:64], "known": ["start", *(control.value for control in Control)]},
            ) from None
    data = message.get("data", message.get("params", {}))
    if not isinstance(data, dict):
        raise InvalidMessage("data must be an object", details={"got": type(data).__name__})
    encoding = data.get("encoding")
    if isinstance(encoding, str):
        data = {**data, "encoding": _ENCODING_ALIASES.get(encoding.lower(), encoding.lower())}
    try:
        return Start.model_validate({**data, "type": "start"})
    except ValidationError as error:
        raise _start_error(error, data) from None


def _start_error(error: ValidationError, data: dict[str, Any]) -> InvalidMessage | AudioFormatError:
    problems = {".".join(str(part) for part in item["loc"]): item["msg"] for item in error.errors()}
    if problems.keys() & {"encoding", "sample_rate", "channels"}:
        return AudioFormatError(
            "unsupported audio format",
            details={
                "format": str(data.get("encoding", Encoding.PCM_S16LE.value))[:64],
                "sample_rate": str(data.get("sample_rate", 16_000))[:64],
                "problems": problems,
                "encodings": [encoding.value for encoding in Encoding],
            },
        )
    return InvalidMessage("the start message is not as documented", details={"problems": problems})


def started(
    *,
    session_id: str,
    resume_token: str,
    position: int,
    max_message_bytes: int,
    keepalive_s: float,
    catch_up_factor: float | None = None,
) -> dict[str, Any]:
    """``catch_up_factor``: how many times faster than real time sound is taken; left out where None."""
    data: dict[str, Any] = {
        "session_id": session_id,
        "resume_token": resume_token,
        "position": position,
        "max_message_bytes": max_message_bytes,
        "keepalive_s": keepalive_s,
    }
    if catch_up_factor is not None:
        data["catch_up_factor"] = catch_up_factor
    return {"type": "started", "data": data}


def ack(position: int) -> dict[str, Any]:
    """Everything before ``position`` is durable: samples per channel at the client's rate, or bytes of a container."""
    return {"type": "ack", "data": {"position": position}}


def finalized(position: int) -> dict[str, Any]:
    return {"type": "finalized", "data": {"position": position}}


def stopped(*, duration_s: float, segments: int, words: int) -> dict[str, Any]:
    return {"type": "stopped", "data": {"duration": round(duration_s, 3), "segments": segments, "words": words}}
