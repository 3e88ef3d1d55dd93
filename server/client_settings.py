"""The settings of doors for clients of other speech services; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class ClientSettings(BaseSettings):
    """What is kept of what comes through OpenAI's API."""

    openai_kept: bool = Field(
        False,
        description="Keep what was said through OpenAI's API as transcripts; else nothing of it is kept once it is "
        "answered, as its clients expect.",
    )
