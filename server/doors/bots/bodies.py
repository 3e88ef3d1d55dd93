"""What is asked about bots."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from protocol.wire.stream import Language
from server.bots.signatures import key_of

NAME_DEFAULT = "Meeting Notetaker"
METADATA_MAX = 50

Short = Annotated[str, Field(max_length=500)]


def _checked(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


class BotIn(BaseModel):
    """Unknown fields are ignored: those that send bots say more than we use."""

    model_config = ConfigDict(extra="ignore")

    bot_name: str = Field(default=NAME_DEFAULT, min_length=1, max_length=100)
    meeting_url: str | None = Field(default=None, max_length=2000, description="Where the meeting is; it is kept.")
    metadata: dict[Short, Short] = Field(default_factory=dict, max_length=METADATA_MAX, description="Kept, and told.")
    signing_secret: Annotated[SecretStr, AfterValidator(_checked)] | None = Field(
        default=None,
        description="whsec_ and a key in base64: then the bot must sign that it connects, as Svix does. Kept, and "
        "never told.",
    )
    language: Language | None = Field(default=None, description="Of what is said; without it that of the server.")
