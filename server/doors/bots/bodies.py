"""What is asked about bots."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from protocol.wire.recall_events import EventName
from protocol.wire.stream import Language
from server.bots.endpoints import ENDPOINTS_MAX
from server.bots.signatures import key_of
from server.store.endpoint_store import EndpointType

NAME_DEFAULT = "Meeting Notetaker"
METADATA_MAX = 50
EVENTS_MAX = 50

DELIVERED = get_args(EventName)
Named = Annotated[str, Field(min_length=1, max_length=64)]
Short = Annotated[str, Field(max_length=500)]


def _checked(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


class EndpointIn(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: EndpointType
    url: str = Field(min_length=1, max_length=2000, description="Of http or https, or of ws or wss.")
    events: list[Named] = Field(
        min_length=1,
        max_length=EVENTS_MAX,
        description=f"What it wants to hear of. Others than these are taken, and never come: {', '.join(DELIVERED)}.",
    )


class RecordingConfigIn(BaseModel):
    """As BotIn."""

    model_config = ConfigDict(extra="ignore")

    realtime_endpoints: list[EndpointIn] = Field(
        default_factory=list, max_length=ENDPOINTS_MAX, description="Told what happens while it does."
    )


class BotIn(BaseModel):
    """Unknown fields are ignored: those that send bots say more than we use."""

    model_config = ConfigDict(extra="ignore")

    bot_name: str = Field(default=NAME_DEFAULT, min_length=1, max_length=100)
    meeting_url: str | None = Field(default=None, max_length=2000, description="Where the meeting is; it is kept.")
    metadata: dict[Short, Short] = Field(default_factory=dict, max_length=METADATA_MAX, description="Kept, and told.")
    recording_config: RecordingConfigIn = Field(default_factory=RecordingConfigIn)
    signing_secret: Annotated[SecretStr, AfterValidator(_checked)] | None = Field(
        default=None,
        description="whsec_ and a key in base64: then the bot must sign that it connects, as Svix does. Kept, and "
        "never told.",
    )
    language: Language | None = Field(default=None, description="Of what is said; without it that of the server.")
