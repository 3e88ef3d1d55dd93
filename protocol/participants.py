"""Who takes part in a meeting that a bot attends, and what they do there, as the bot sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class ParticipantAction(StrEnum):
    JOIN = "join"
    LEAVE = "leave"
    UPDATE = "update"
    SPEECH_ON = "speech_on"
    SPEECH_OFF = "speech_off"
    WEBCAM_ON = "webcam_on"
    WEBCAM_OFF = "webcam_off"
    SCREENSHARE_ON = "screenshare_on"
    SCREENSHARE_OFF = "screenshare_off"
    CHAT_MESSAGE = "chat_message"


class MeetingParticipant(BaseModel):
    """``id`` is unique inside the meeting alone; None of the others is certain to be known."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: str | None = None
    is_host: bool | None = None
    platform: str | None = None
    extra_data: Any = None
    email: str | None = None
