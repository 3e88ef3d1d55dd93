"""The WebSocket protocol of Vosk's server: a JSON ``config``, binary sound, one answer to each message. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocol.blocks import seconds
from protocol.errors import BadInput, InvalidMessage
from protocol.plain_words import plain_word
from protocol.wire.json_object import text_object
from protocol.words import Segment

MAX_CONTROL_BYTES = 64 * 1024
PHRASES_MAX, PHRASE_MAX_CHARS = 200, 100
Json = dict[str, Any]


class Control(Enum):
    EOF = "eof"
    RESET = "reset"


class Config(BaseModel):
    """What is unknown, such as a ``model``, is ignored; ``[unk]`` among the phrases, too."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sample_rate: float = Field(default=8_000, ge=8_000, le=48_000)  # as the original begins with
    words: bool = True
    max_alternatives: int = Field(default=0, ge=0, le=100)
    phrase_list: tuple[str, ...] = Field(default=(), max_length=PHRASES_MAX)

    @property
    def hotwords(self) -> tuple[str, ...]:
        return tuple(phrase for phrase in self.phrase_list if phrase.strip() and phrase != "[unk]")


@dataclass(frozen=True, slots=True)
class Changed:
    """A ``config``, with what went before it."""

    config: Config


def parse_text(text: str, before: Config) -> Changed | Control:
    """A text message. Raises ``InvalidMessage``, ``BadInput``."""
    if len(text) > MAX_CONTROL_BYTES:
        raise InvalidMessage(f"a message of text may hold {MAX_CONTROL_BYTES} bytes")
    message = text_object(text)
    if isinstance(given := message.get("config"), dict):
        try:
            config = Config.model_validate({**before.model_dump(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise BadInput(f"config.{field}: {first['msg']}", details={"field": field}) from None
        if any(len(phrase) > PHRASE_MAX_CHARS for phrase in config.phrase_list):
            raise BadInput(f"a phrase may hold {PHRASE_MAX_CHARS} characters")
        return Changed(config)
    for control in Control:
        if message.get(control.value):
            return control
    raise InvalidMessage("unknown message", details={"known": ["config", "eof", "reset"]})


def partial(segment: Segment | None) -> Json:
    return {"partial": _text(segment) if segment is not None else ""}


def result(segments: Sequence[Segment], config: Config) -> Json:
    """What was said since the result before, which may be nothing."""
    said = {"text": " ".join(filter(None, map(_text, segments)))}
    words = [word for segment in segments for word in segment.words]
    told = [
        {
            "conf": round(word.confidence, 6),
            "end": round(seconds(word.end_samples), 3),
            "start": round(seconds(word.start_samples), 3),
            "word": plain_word(word.text),
        }
        for word in words
    ]
    if config.max_alternatives:
        for word in told:
            del word["conf"]  # as the original: there a confidence is of the whole
        confidence = round(sum(word.confidence for word in words) / len(words), 6) if words else 1.0
        with_words = {"result": told} if config.words and told else {}
        return {"alternatives": [{"confidence": confidence, **with_words, **said}]}
    return {**({"result": told} if config.words and told else {}), **said}


def _text(segment: Segment) -> str:
    if not segment.words:
        return segment.text
    return " ".join(plain_word(word.text) for word in segment.words)
