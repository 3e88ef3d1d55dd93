"""What a host may say of a project. Names that clients of neighbouring systems send are taken, too."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field

from protocol.wire.stream import Language
from server.projects.portal import KEY_TERMS_MAX, TERM_MAX_CHARS, KeyTerm, Line, Portal, RetentionDays, Text, WebAddress

NAME_MAX_CHARS = 200
TAG_MAX_CHARS = 100


def _from_commas(value: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
    if not isinstance(value, str):
        return value
    terms = [term[:TERM_MAX_CHARS] for part in value.split(",") if (term := part.strip())]
    return tuple(terms[:KEY_TERMS_MAX])


def _as(*names: str) -> AliasChoices:
    return AliasChoices(*names)


TagText = Annotated[str, Field(max_length=TAG_MAX_CHARS, pattern=r"\S")]
KeyTerms = Annotated[
    Annotated[tuple[KeyTerm, ...], Field(max_length=KEY_TERMS_MAX)] | Text | None, AfterValidator(_from_commas)
]


class ProjectBody(BaseModel):
    """All of it optional; unknown fields are ignored: clients of neighbouring systems send more than we know."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, populate_by_name=True)

    name: str | None = Field(
        default=None, max_length=NAME_MAX_CHARS, pattern=r"\S", description="What the host calls it."
    )
    language: Language | None = Field(default=None, description="Of what is said, and of the participants' page.")
    is_open: bool | None = Field(
        default=None,
        validation_alias=_as("is_open", "is_conversation_allowed"),
        description="Whether conversations may begin; those that did go on.",
    )
    title: Line | None = Field(
        default=None, validation_alias=_as("title", "default_conversation_title"), description="Heads the page."
    )
    welcome_text: Text | None = Field(
        default=None,
        validation_alias=_as("welcome_text", "default_conversation_description"),
        description="What participants read before they begin.",
    )
    finish_text: Text | None = Field(
        default=None,
        validation_alias=_as("finish_text", "default_conversation_finish_text"),
        description="What they read at the end.",
    )
    ask_for_name: bool | None = Field(
        default=None,
        validation_alias=_as("ask_for_name", "default_conversation_ask_for_participant_name"),
        description="Whether they are asked for their name.",
    )
    name_label: Line | None = Field(
        default=None,
        validation_alias=_as("name_label", "conversation_ask_for_participant_name_label"),
        description="What the field for the name is called.",
    )
    ask_for_email: bool | None = Field(
        default=None,
        validation_alias=_as("ask_for_email", "default_conversation_ask_for_participant_email"),
        description="Whether they are asked for their e-mail address.",
    )
    key_terms: KeyTerms = Field(
        default=None,
        validation_alias=_as("key_terms", "default_conversation_transcript_prompt"),
        description="Names and words to listen for: a list, or a text with commas, of which as much is taken as fits.",
    )
    redacts: bool | None = Field(
        default=None,
        validation_alias=_as("redacts", "anonymize_transcripts"),
        description="Whether addresses and numbers of people are taken out of what they say.",
    )
    organiser_name: Line | None = None
    legal_basis: Line | None = None
    privacy_policy_url: WebAddress | None = None
    logo_url: WebAddress | None = Field(default=None, validation_alias=_as("logo_url", "whitelabel_logo_url"))

    report_enabled: bool | None = Field(default=None, description="Whether participants may read published reports.")
    notifications_enabled: bool | None = Field(
        default=None,
        validation_alias=_as("notifications_enabled", "is_project_notification_subscription_allowed"),
        description="Whether they may leave an address to be told of reports, where they may read them.",
    )
    retention_days: RetentionDays | None = Field(
        default=None, description="Conversations that began so many days ago are deleted for good; 0: they are kept."
    )

    @property
    def portal(self) -> dict[str, Any]:
        """What is given of the portal, as it is kept."""
        return self.model_dump(include=set(Portal.model_fields), exclude_none=True)

    @property
    def columns(self) -> dict[str, Any]:
        return self.model_dump(include={"name", "language", "is_open"}, exclude_none=True)


class CreateProject(ProjectBody):
    """Only the name is needed."""

    name: str = Field(max_length=NAME_MAX_CHARS, pattern=r"\S", description="What the host calls it.")
    tags: tuple[TagText, ...] = Field(default=(), max_length=100, description="That participants choose from.")


class TagBody(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    text: TagText


class ReportBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    is_published: bool = Field(default=False, description="Whether participants may read it as soon as it is made.")


class ChangeReport(BaseModel):
    model_config = ConfigDict(extra="ignore")

    is_published: bool = Field(description="Whether participants may read it.")
