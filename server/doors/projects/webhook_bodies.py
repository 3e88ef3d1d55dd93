"""What a host may say of a webhook. Unknown fields are ignored: clients of neighbouring systems send more."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from server.store.webhook_records import WebhookStatus
from server.webhooks.destinations import URL_MAX_CHARS
from server.webhooks.payloads import EventName

NAME_MAX_CHARS = 200


def _none_if_empty(value: str | None) -> str | None:
    return value or None


Secret = Annotated[str | None, Field(pattern=r"^$|^[!-~]{8,200}$"), AfterValidator(_none_if_empty)]


def _in_ascii(url: object) -> object:
    if isinstance(url, str) and not url.isascii():
        raise ValueError("write it in ASCII, a host such as münchen.example as xn--mnchen-3ya.example")
    return url


Url = Annotated[str, BeforeValidator(_in_ascii), Field(max_length=URL_MAX_CHARS, pattern=r"^https?://[!-~]+$")]
Events = Annotated[tuple[EventName, ...], Field(min_length=1, max_length=16)]


class WebhookBody(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str | None = Field(default=None, max_length=NAME_MAX_CHARS, pattern=r"\S", description="For people.")
    url: Url | None = Field(default=None, description="Where events are sent.")
    secret: Secret = Field(default=None, description="What they are signed with, in place of the one there is.")
    events: Events | None = Field(default=None, description="What it is told of.")
    status: WebhookStatus | None = Field(default=None, description="Only what is published is told anything.")
    rotate_secret: bool = Field(default=False, description="Make a new secret; the answer shows it.")

    @property
    def columns(self) -> dict[str, Any]:
        return self.model_dump(exclude={"rotate_secret"}, exclude_none=True)


class CreateWebhook(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str = Field(max_length=NAME_MAX_CHARS, pattern=r"\S", description="For people.")
    url: Url = Field(description="Where events are sent.")
    secret: Secret = Field(default=None, description="What they are signed with; none: one is made.")
    events: Events = Field(description="What it is told of.")
    status: WebhookStatus = Field(default="published", description="Only what is published is told anything.")
