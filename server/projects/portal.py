"""What participants of a project see and are asked, and how what they say is treated. Kept as JSON with the project."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

TEXT_MAX_CHARS = 4000
KEY_TERMS_MAX = 200
TERM_MAX_CHARS = 100

Line = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=TEXT_MAX_CHARS)]


# It becomes a link on a page that strangers see.
WebAddress = Annotated[str, Field(max_length=2000, pattern=r"^$|^https?://[\w.-]+(:[0-9]+)?([/?#]\S*)?$")]
KeyTerm = Annotated[str, Field(max_length=TERM_MAX_CHARS, pattern=r"\S")]


RETENTION_MAX_DAYS = 36_500
RetentionDays = Annotated[int, Field(ge=0, le=RETENTION_MAX_DAYS)]


class Portal(BaseModel):
    """Every field has a default, so that what was kept before a field was thought of can be read."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    title: Line = ""
    welcome_text: Text = ""
    finish_text: Text = ""
    ask_for_name: bool = True
    name_label: Line = ""
    ask_for_email: bool = False
    key_terms: tuple[KeyTerm, ...] = Field(default=(), max_length=KEY_TERMS_MAX)
    redacts: bool = False
    report_enabled: bool = False
    notifications_enabled: bool = False
    retention_days: RetentionDays = 0
    organiser_name: Line = ""
    legal_basis: Line = ""
    privacy_policy_url: WebAddress = ""
    logo_url: WebAddress = ""


def portal_of(kept: dict[str, Any]) -> Portal:
    return Portal.model_validate(kept)
