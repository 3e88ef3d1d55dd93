"""The forms of answers about transcripts, for the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from server.doors.v1.models import Form


class SummaryStarted(Form):
    job_id: str = Field(description="What to ask for it by.")
    status: Literal["processing"]
    message: str


class SummaryStatus(Form):
    job_id: str
    status: Literal["processing", "completed", "failed"]
    message: str = Field(description="For people; of one that failed, why.")
    progress: int = Field(description="Per cent.", ge=0, le=100)


class MadeSummary(Form):
    summary: str
    topics: list[str]
    length: int = Field(description="Words of the summary.", ge=0)
    model_used: str = Field(description="extractive: sentences that were said, without a language model.")


class ChatModel(Form):
    id: str = Field(description="What to name it by.")
    name: str
    description: str


class ChatModels(Form):
    models: list[ChatModel] = Field(description="The one that is asked where nobody chooses comes first.")
    problem: str | None = Field(description="Why there may be more than are listed.")


class ChatMessage(Form):
    role: Literal["assistant"]
    content: str


class ChatUsage(Form):
    """Tokens."""

    prompt: int = Field(ge=0)
    completion: int = Field(ge=0)
    total: int = Field(ge=0)
    estimated: bool = Field(description="The model's server did not count them.")


class Quote(Form):
    """A segment that the answer cites."""

    start: float | None = Field(description="Seconds since the beginning; null: nobody knows.")
    end: float | None
    text: str
    speaker: str | None


class ChatReply(Form):
    message: ChatMessage
    model_used: str
    usage: ChatUsage
    quotes: list[Quote]
    finish_reason: Literal["stop", "length"] = Field(description="length: it ended for want of tokens.")
    parts: int = Field(description="In so many parts the model was given the transcript.", ge=0)
    parts_read: int = Field(description="So many of them were read for this answer.", ge=0)
