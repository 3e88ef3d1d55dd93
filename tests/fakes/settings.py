"""Settings of what is given alone."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from server.settings import Settings


def settings_of(**options: Any) -> Settings:
    """Checked as any are. No look at the environment and at a file, which takes as long as half of a node's start."""
    settings = Settings.__new__(Settings)
    BaseModel.__init__(settings, **options)
    return settings
