"""The settings of jobs; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class JobSettings(BaseSettings):
    """What files by other recognisers may cost."""

    other_models_max: int = Field(
        1,
        ge=0,
        le=16,
        description="Models besides the one in use that are loaded at once, for files that ask for them; each takes "
        "memory and a process of its own. 0: files are heard by the one in use alone.",
    )
