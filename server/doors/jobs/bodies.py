"""What is asked about a transcript, which is sent along or named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import PARSED
from server.doors.errors import not_as_documented, validation_failed
from server.language_models.catalogue import UNCHOSEN
from server.language_models.summary_jobs import Spoken
from server.language_models.transcripts import SEGMENTS_MAX
from server.summaries.extract import SummaryForm

BODY_MAX_BYTES = 4 << 20  # some days of speech
TEXT_MAX_CHARS = 4_000_000
SEGMENT_MAX_CHARS = 20_000
MESSAGE_MAX_CHARS = 50_000
TIME_MAX_S = 1e7  # of a transcript that goes on for months


class _Body(BaseModel):
    """Unknown fields are ignored: clients of neighbouring systems send more than we know."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=(), **PARSED)


class SpokenSegment(_Body):
    start: float = Field(ge=0, le=TIME_MAX_S, allow_inf_nan=False, description="Seconds since the beginning.")
    end: float = Field(ge=0, le=TIME_MAX_S, allow_inf_nan=False, description="Seconds since the beginning.")
    text: str = Field(max_length=SEGMENT_MAX_CHARS)
    speaker: str | None = Field(default=None, max_length=200)

    def in_samples(self) -> Spoken:
        begin, end = round(self.start * SAMPLE_RATE_HZ), round(self.end * SAMPLE_RATE_HZ)
        return begin, max(begin, end), self.speaker or "", self.text


class _AboutTranscript(_Body):
    # Looked at one by one when they are taken (``spoken``), so that other threads run meanwhile.
    transcript: Iterable[SpokenSegment] = Field(default=(), max_length=SEGMENTS_MAX)
    full_text: str | None = Field(
        default=None, max_length=TEXT_MAX_CHARS, description="In place of segments, where there are none with words."
    )
    transcript_id: str | None = Field(
        default=None, max_length=64, description="A transcript of this server, in place of one that is sent."
    )
    model_name: str = Field(
        default=UNCHOSEN, max_length=200, description="One that is listed; the default means whichever there is."
    )

    def spoken(self) -> tuple[Spoken, ...]:
        """The segments, once; takes a while for many: not on the event loop. Raises ``ValidationFailed``, also where
        there is nothing to read at all."""
        try:
            found = tuple(segment.in_samples() for segment in self.transcript)
        except ValidationError as error:
            problems = error.errors(include_input=False, include_context=False)
            raise validation_failed([{**each, "loc": ("transcript", *each["loc"])} for each in problems]) from None
        if not (found or (self.full_text or "").strip() or self.transcript_id):
            problem = "send segments, or full_text, or a transcript_id"
            raise not_as_documented([{"field": "transcript", "problem": problem}])
        return found


class SummaryIn(_AboutTranscript):
    max_length: int = Field(default=500, ge=1, le=10_000, description="Words that the summary may have.")
    format: SummaryForm = "paragraph"


class ChatMessageIn(_Body):
    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=MESSAGE_MAX_CHARS)


class ChatIn(_AboutTranscript):
    messages: tuple[ChatMessageIn, ...] = Field(
        min_length=1, max_length=100, description="The conversation so far; the last message of the user is answered."
    )
    temperature: float = Field(default=0.7, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int = Field(default=500, ge=1, le=100_000, description="Tokens that the answer may have.")
    stream: bool = Field(default=False, description="Whether the answer comes piece by piece, as text/event-stream.")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not any(message.role == "user" and message.content.strip() for message in self.messages):
            raise ValueError("messages: one of them must be the user's, and say something")
        return self
