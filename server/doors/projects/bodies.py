"""What a host may say of a project. Names that clients of neighbouring systems send are taken, too."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from protocol.wire.stream import Language
from server.projects.portal import KEY_TERMS_MAX, KeyTerm, Line, Portal, Text, WebAddress

NAME_MAX_CHARS = 200
TAG_MAX_CHARS = 100


def _from_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(term for part in value.split(",") if (term := part.strip()))
    return tuple(value) if isinstance(value, list) else value


def _as(*names: str) -> AliasChoices:
    return AliasChoices(*names)


TagText = Annotated[str, Field(min_length=1, max_length=TAG_MAX_CHARS)]
KeyTerms = Annotated[tuple[KeyTerm, ...], Field(max_length=KEY_TERMS_MAX), BeforeValidator(_from_commas)]


class ProjectBody(BaseModel):
    """All of it optional; unknown fields are ignored: clients of neighbouring systems send more than we know."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, populate_by_name=True)

    name: str | None = Field(
        default=None, min_length=1, max_length=NAME_MAX_CHARS, description="What the host calls it."
    )
    language: Language | None = Field(default=None, description="Of what is said, and of the participants' page.")
    is_open: bool | None = Field(
        default=None,
        validation_alias=_as("is_open", "is_conversation_allowed"),
        description="Whether conversations may begin and go on.",
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
    key_terms: KeyTerms | None = Field(
        default=None,
        validation_alias=_as("key_terms", "default_conversation_transcript_prompt"),
        description="Names and words to listen for; a list, or a text with commas.",
    )
    redacts: bool | None = Field(
        default=None,
        validation_alias=_as("redacts", "anonymize_transcripts"),
        description="Whether addresses and numbers of people are taken out of what they say.",
    )
    report_enabled: Literal[False] | None = Field(
        default=None,
        validation_alias=_as("report_enabled", "is_project_notification_subscription_allowed"),
        description="Not built yet: only false.",
    )
    retention_days: Literal[0] | None = Field(default=None, description="Not built yet: only 0, for ever.")
    organiser_name: Line | None = None
    legal_basis: Line | None = None
    privacy_policy_url: WebAddress | None = None
    logo_url: WebAddress | None = Field(default=None, validation_alias=_as("logo_url", "whitelabel_logo_url"))

    @property
    def portal(self) -> dict[str, Any]:
        """What is given of the portal, as it is kept."""
        return self.model_dump(include=set(Portal.model_fields), exclude_none=True)

    @property
    def columns(self) -> dict[str, Any]:
        return self.model_dump(include={"name", "language", "is_open"}, exclude_none=True)


class CreateProject(ProjectBody):
    """Only the name is needed."""

    name: str = Field(min_length=1, max_length=NAME_MAX_CHARS, description="What the host calls it.")
    tags: tuple[TagText, ...] = Field(default=(), max_length=100, description="That participants choose from.")


class TagBody(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    text: TagText
