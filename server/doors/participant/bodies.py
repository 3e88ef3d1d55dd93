"""What a participant's device says."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from protocol.words import PARSED
from server.blob_urls import CONTENT_TYPE, CONTENT_TYPE_MAX_CHARS
from server.doors.v1.asked import Moment
from server.reports.unsubscribing import TOKEN_MAX_CHARS

NAME_MAX_CHARS = 200
TEXT_MAX_CHARS = 20_000
BYTES_MAX = 2048 << 20  # the greatest that chunk_max_mb can be
SOURCE_PATTERN = r"^[A-Z][A-Z0-9_]{0,31}$"

Source = Annotated[str, Field(pattern=SOURCE_PATTERN)]
ContentType = Annotated[str, Field(max_length=CONTENT_TYPE_MAX_CHARS, pattern=f"^{CONTENT_TYPE}$")]


def _none_if_empty(value: str | None) -> str | None:
    return value or None


Email = Annotated[str | None, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$|^$"), AfterValidator(_none_if_empty)]


Address = Annotated[str, Field(max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]


class _Body(BaseModel):
    """Unknown fields are ignored: clients of neighbouring systems send more than we know."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, populate_by_name=True, **PARSED)


class Initiate(_Body):
    name: str | None = Field(default=None, max_length=NAME_MAX_CHARS, description="Who speaks.")
    email: Email = None
    tag_id_list: tuple[str, ...] = Field(default=(), max_length=100, description="Tags of the project.")
    source: Source = "PORTAL_AUDIO"


class InitiateIn(Initiate):
    project_id: str = Field(max_length=64)


class UploadUrl(_Body):
    filename: str = Field(default="chunk", max_length=500)
    content_type: ContentType = Field(default="audio/webm", description="What is sent with the PUT, exactly so.")
    size_bytes: int | None = Field(
        default=None, ge=1, le=BYTES_MAX, description="How long it is; another length is refused."
    )
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="In hex; other bytes are refused.")
    source: Source = "PORTAL_AUDIO"


class Confirm(_Body):
    chunk_id: str = Field(max_length=64)
    timestamp: Moment | None = Field(default=None, description="When its sound begins.")


class Uploaded(_Body):
    """The fields beside the file. An empty one is none: forms have no other way to say so."""

    timestamp: Annotated[Moment | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, description="When its sound begins."
    )
    source: Annotated[Source, BeforeValidator(lambda value: value or "PORTAL_AUDIO")] = "PORTAL_AUDIO"


class Typed(_Body):
    content: str = Field(max_length=TEXT_MAX_CHARS, pattern=r"[^\s\x00]")
    timestamp: Moment | None = Field(default=None, description="When it was written.")
    source: Source = "PORTAL_TEXT"


class Finish(_Body):
    expected_chunks: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        validation_alias=AliasChoices("expected_chunks", "chunk_count"),
        description="So many are waited for.",
    )


class Subscribe(_Body):
    emails: tuple[Address, ...] = Field(min_length=1, max_length=10, description="Who wants to be told.")
    project_id: str = Field(max_length=64)
    conversation_id: str | None = Field(default=None, max_length=64, description="One of the project, if it is of one.")


class Unsubscribe(_Body):
    token: str = Field(max_length=TOKEN_MAX_CHARS, description="That came with what was told.")
    email_opt_in: bool = Field(default=False, description="Whether to be told all the same.")
