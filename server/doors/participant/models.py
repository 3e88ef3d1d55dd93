"""The forms of what participants are answered, for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, RootModel

from server.doors.v1.models import Form, Status


class Conversation(Form):
    id: str
    project_id: str
    title: str | None
    description: str | None
    participant_name: str | None
    participant_email: str | None
    tag_id_list: list[str]
    source: str
    status: Status
    created_at: datetime
    is_finished: bool = Field(description="Nothing more is expected, but for what was announced.")
    is_all_chunks_transcribed: bool = Field(description="All of it is written down.")
    expected_chunks: int | None
    chunks_received: int = Field(ge=0)
    chunks_settled: int = Field(description="Those written down, or found to be no sound.", ge=0)
    chunks_given_up: int = Field(description="Those tried often enough: their host has them tried again.", ge=0)
    is_anonymized: bool


class Chunk(Form):
    id: str
    conversation_id: str
    path: str | None = Field(description="Key of its bytes; null: it was typed.")
    source: str
    state: Literal["announced", "uploaded", "confirmed", "transcribed", "failed"]
    timestamp: datetime | None = Field(description="When its sound begins; null: not confirmed yet.")
    size_bytes: int | None
    transcript: str | None = Field(description="Its words; null: not written down yet.")
    error: str | None = Field(description="Why it cannot be written down.")
    is_given_up: bool = Field(description="It was tried often enough: its host has it tried again.")
    created_at: datetime


class Chunks(RootModel[list[Chunk]]):
    """In the order of what was said."""


class Probe(Form):
    ok: bool
    probe_url: str = Field(description="Where to PUT a few bytes as text/plain.")
    probe_headers: dict[str, str] = Field(description="What to send with that PUT.")


class UploadUrl(Form):
    chunk_id: str = Field(description="What to confirm it by.")
    upload_url: str = Field(description="Where to PUT the bytes, with these headers.")
    key: str
    file_url: str
    method: Literal["PUT"]
    headers: dict[str, str] = Field(description="What to send with the PUT.")
    fields: dict[str, str]


class Pong(Form):
    ok: bool


class ParticipantReport(Form):
    id: str
    status: Literal["published"]
    project_id: str
    show_portal_link: bool
    created_at: datetime
    html_url: str
    pdf_url: str


class LatestReport(RootModel[ParticipantReport | None]):
    """Null where there is none."""


class ParticipantReportDetail(ParticipantReport):
    content: str = Field(description="A whole page of HTML, which runs nothing.")


class Subscribed(Form):
    status: Literal["success"]


class Unsubscribed(Form):
    success: bool


class Eligible(Form):
    eligible: bool


class Eligibility(Form):
    data: Eligible
