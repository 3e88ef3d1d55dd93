"""OpenAI's ``/v1/audio/transcriptions``: the fields of its form, and how words are told in each of its formats.

What is heard comes in as segments, and times leave as seconds. Subtitles are made where all of ours are.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocol.blocks import SAMPLE_RATE_HZ, seconds
from protocol.errors import ParameterRefused
from protocol.openai_languages import NAMES, UNSPACED
from protocol.wire.stream import Language
from protocol.words import Segment, Word

LISTS = ("timestamp_granularities", "include", "keywords", "languages", "known_speaker_names")
LOGPROBS = "logprobs"
LOGPROB_LEAST = -100.0  # of a word whose confidence is 0
PROMPT_MAX_CHARS = 4096
KEYWORDS_MAX = 200
KEYWORD_MAX_CHARS = 200
DIARIZES = "diarize"  # in the name of a model of theirs: it tells speakers apart


class ResponseFormat(StrEnum):
    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"
    DIARIZED_JSON = "diarized_json"


STREAMED = frozenset({ResponseFormat.JSON, ResponseFormat.TEXT, ResponseFormat.DIARIZED_JSON})


class Granularity(StrEnum):
    WORD = "word"
    SEGMENT = "segment"


class Expected(BaseModel):
    """What a client knows of the words before they are heard: the same for files and for Realtime sessions."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    language: Language | None = None
    languages: tuple[Language, ...] = Field(default=(), max_length=20)
    prompt: str = Field(default="", max_length=PROMPT_MAX_CHARS)
    keywords: tuple[str, ...] = Field(default=(), max_length=KEYWORDS_MAX)

    @property
    def spoken(self) -> str | None:
        """The language; None where that of the server is meant."""
        if self.language is not None or not self.languages:
            return self.language
        return self.languages[0] if len(self.languages) == 1 else "auto"

    @property
    def hotwords(self) -> tuple[str, ...]:
        wanted = (*(each[:KEYWORD_MAX_CHARS] for each in self.keywords), self.prompt.strip())
        return tuple(each for each in wanted if each.strip())[:KEYWORDS_MAX]


class Asked(Expected):
    """The fields of the form, besides its file. Others are ignored, such as ``temperature`` where nothing is drawn."""

    model: str = Field(default="", max_length=200, pattern="^[^\\n]*$")  # of two there would be a line for each
    response_format: ResponseFormat = ResponseFormat.JSON
    temperature: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    timestamp_granularities: tuple[Granularity, ...] = ()
    include: tuple[str, ...] = ()
    stream: bool = False

    @property
    def diarize(self) -> bool:
        return self.response_format is ResponseFormat.DIARIZED_JSON or DIARIZES in self.model

    @property
    def logprobs(self) -> bool:
        return LOGPROBS in self.include


def parse_form(fields: Mapping[str, str]) -> Asked:
    """The form's text fields; a list is one text with an item a line. Raises ``ParameterRefused``."""
    given: dict[str, Any] = {}
    written: dict[str, str] = {}  # by our names
    for field, text in fields.items():
        name = field.removesuffix("[]")
        written[name] = field
        if name in LISTS:
            given[name] = [item for item in text.split("\n") if item.strip()]
        elif text.strip():
            given[name] = text
    for name in ("known_speaker_names", "known_speaker_references"):
        if given.get(name):
            message = "speakers cannot be told by samples here: enrol their voices at /v1/voices, or leave this out"
            raise ParameterRefused(message, param=written[name], kind="unsupported_parameter")
    try:
        asked = Asked.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False)[0]
        name = str(problem["loc"][0])
        raise ParameterRefused(f"{written[name]}: {problem['msg']}", param=written[name]) from None
    _check_together(asked)
    return asked


def _check_together(asked: Asked) -> None:
    if asked.timestamp_granularities and asked.response_format is not ResponseFormat.VERBOSE_JSON:
        message = "timestamp_granularities go with response_format verbose_json alone"
        raise ParameterRefused(message, param="timestamp_granularities")
    if asked.stream and asked.response_format not in STREAMED:
        known = ", ".join(sorted(STREAMED))
        message = f"what is streamed is told as {known}: leave stream out, or choose one of these formats"
        raise ParameterRefused(message, param="stream", kind="unsupported_value")


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a file: its final segments in order, and how long it is."""

    segments: Sequence[Segment]
    duration_samples: int
    language: str | None = None

    @property
    def text(self) -> str:
        between = "" if (self.language or "").partition("-")[0] in UNSPACED else " "
        return between.join(filter(None, (segment.text.strip() for segment in self.segments)))

    @property
    def usage(self) -> dict[str, Any]:
        return {"type": "duration", "seconds": math.ceil(self.duration_samples / SAMPLE_RATE_HZ)}


def as_json(heard: Heard, *, with_logprobs: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"text": heard.text, "usage": heard.usage}
    if with_logprobs:
        answer["logprobs"] = logprobs(word for segment in heard.segments for word in segment.words)
    return answer


def as_verbose_json(heard: Heard, granularities: Sequence[Granularity]) -> dict[str, Any]:
    """``segments`` unless words alone are asked for, ``words`` where they are."""
    wanted = frozenset(granularities) or {Granularity.SEGMENT}
    code = (heard.language or "").partition("-")[0].lower()
    answer: dict[str, Any] = {
        "task": "transcribe",
        "language": NAMES.get(code, code),
        "duration": seconds(heard.duration_samples),
        "text": heard.text,
    }
    if Granularity.WORD in wanted:
        answer["words"] = [
            {"word": word.text, "start": seconds(word.start_samples), "end": seconds(word.end_samples)}
            for segment in heard.segments
            for word in segment.words
        ]
    if Granularity.SEGMENT in wanted:
        answer["segments"] = [_segment(number, segment) for number, segment in enumerate(heard.segments)]
    return {**answer, "usage": heard.usage}


def as_diarized_json(heard: Heard) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "duration": seconds(heard.duration_samples),
        "text": heard.text,
        "segments": [segment_event(segment) for segment in heard.segments],
        "usage": heard.usage,
    }


def segment_event(segment: Segment) -> dict[str, Any]:
    """Of one who spoke; in a stream as soon as it is known."""
    return {
        "type": "transcript.text.segment",
        "id": segment.segment_id,
        "start": seconds(segment.start_samples),
        "end": seconds(segment.end_samples),
        "text": segment.text,
        "speaker": segment.speaker or "",
    }


def delta_event(delta: str, segment: Segment, *, with_logprobs: bool, diarizes: bool) -> dict[str, Any]:
    event: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
    if with_logprobs:
        event["logprobs"] = logprobs(segment.words)
    if diarizes:
        event["segment_id"] = segment.segment_id
    return event


def done_event(heard: Heard, *, with_logprobs: bool) -> dict[str, Any]:
    answer = as_json(heard, with_logprobs=with_logprobs)
    return {"type": "transcript.text.done", **answer}


def logprobs(words: Iterable[Word]) -> list[dict[str, Any]]:
    """A word is a token here: its confidence is what there is."""
    return [
        {"token": word.text, "logprob": _logprob(word.confidence), "bytes": list(word.text.encode())} for word in words
    ]


def _logprob(confidence: float) -> float:
    return round(math.log(confidence), 4) if confidence > 0 else LOGPROB_LEAST


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """Whisper's own form. Of tokens, silence and temperature nothing is known that all recognisers know."""
    text = segment.text.encode()
    sure = [_logprob(word.confidence) for word in segment.words] or [_logprob(segment.confidence)]
    return {
        "id": number,
        "seek": 0,
        "start": seconds(segment.start_samples),
        "end": seconds(segment.end_samples),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(sure) / len(sure), 4),
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 4) if text else 0.0,
        "no_speech_prob": 0.0,
    }
