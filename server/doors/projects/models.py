"""The forms of what projects answer, for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from server.doors.participant.models import Conversation
from server.doors.v1.models import Form, Page


class Tag(Form):
    id: str
    text: str
    created_at: datetime


class PublicTag(Form):
    id: str
    text: str


class Project(Form):
    """All of it, for its host."""

    id: str
    name: str
    user_id: str | None = Field(description="Whose it is; null: nobody's in particular.")
    language: str
    is_open: bool = Field(description="Whether conversations may begin; those that did go on.")
    title: str
    welcome_text: str
    finish_text: str
    ask_for_name: bool
    name_label: str
    ask_for_email: bool
    key_terms: list[str]
    redacts: bool = Field(description="Whether addresses and numbers of people are taken out of what they say.")
    report_enabled: bool = Field(description="Whether participants may read published reports.")
    notifications_enabled: bool = Field(description="Whether they may leave an address to be told of reports.")
    retention_days: int = Field(description="So many days after they began, conversations go; 0: never.", ge=0)
    organiser_name: str
    legal_basis: str
    privacy_policy_url: str
    logo_url: str
    tags: list[Tag]
    portal_url: str = Field(description="What participants are given.")
    created_at: datetime
    updated_at: datetime


class ProjectPage(Page):
    items: list[Project]


class PublicProject(Form):
    """What whoever has the id may know."""

    id: str
    title: str
    language: str
    is_open: bool
    is_conversation_allowed: bool = Field(description="The same as is_open.")
    tags: list[PublicTag]
    welcome_text: str
    finish_text: str
    ask_for_name: bool
    name_label: str
    ask_for_email: bool
    organiser_name: str
    legal_basis: str
    privacy_policy_url: str
    logo_url: str
    default_conversation_title: str
    default_conversation_description: str = Field(description="The same as welcome_text.")
    default_conversation_finish_text: str
    default_conversation_ask_for_participant_name: bool
    default_conversation_ask_for_participant_email: bool
    conversation_ask_for_participant_name_label: str
    report_enabled: bool = Field(description="Whether there may be a report for participants.")
    retention_days: int = Field(description="So many days after they began, conversations go; 0: never.", ge=0)
    is_project_notification_subscription_allowed: bool
    whitelabel_logo_url: str
    is_get_reply_enabled: bool
    is_verify_enabled: bool
    is_verify_on_finish_enabled: bool
    verification_topics: list[str]
    default_conversation_tutorial_slug: str


class Report(Form):
    """A document about a project's conversations."""

    id: str
    project_id: str
    state: Literal["queued", "working", "done", "failed"]
    progress: float = Field(description="In per cent.", ge=0, le=100)
    conversations: int = Field(description="It is about so many.", ge=0)
    is_published: bool = Field(description="Whether participants may read it.")
    status: Literal["published", "draft"] = Field(description="The same in a word.")
    error: str | None = Field(description="Why it failed.")
    note: str | None = Field(description="What of it is not as it should be.")
    html_url: str | None
    pdf_url: str | None
    created_at: datetime
    finished_at: datetime | None


class ReportPage(Page):
    items: list[Report]


class Subscriber(Form):
    email: str
    unsubscribe_token: str = Field(description="Ends the subscription; put it into what you write to them.")
    created_at: datetime


class SubscriberPage(Page):
    items: list[Subscriber]


class HostedConversation(Conversation):
    """As its participant sees it, and what there is of it so far."""

    duration_s: float = Field(description="Seconds of sound.", ge=0)
    words: int = Field(description="Those written down.", ge=0)
    level_dbfs: float | None = Field(
        description="How loud it is now, as its page tells: the peak in dB below full scale; null: it tells nothing.",
        ge=-100,
        le=0,
    )


class HostedConversationPage(Page):
    items: list[HostedConversation]
