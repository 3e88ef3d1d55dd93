"""The settings of projects and their conversations; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class ProjectSettings(BaseSettings):
    """How much there may be, and how long is waited for what is missing."""

    projects_max: int = Field(1000, ge=1, le=1_000_000, description="Projects at most; one more gets 503.")
    conversation_chunks_max: int = Field(5000, ge=1, le=100_000, description="Chunks of a conversation at most.")
    conversation_idle_s: float = Field(
        300.0, ge=10, le=86400, description="A conversation of which nothing came for so long is finished."
    )
    conversation_wait_s: float = Field(
        86400.0,
        ge=60,
        le=30 * 86400,
        description="Chunks that are expected and do not come are waited for so long.",
    )
    chunk_max_mb: int = Field(200, ge=1, le=2048, description="Largest chunk.")
    chunk_url_s: int = Field(3600, ge=60, le=7 * 86400, description="So long an address to upload a chunk to holds.")
    upload_urls_per_minute: int = Field(
        40,
        ge=0,
        le=10_000,
        description="Addresses a minute for the chunks of one conversation; one more gets 429; 0: no limit.",
    )
    project_tags_max: int = Field(100, ge=1, le=1000, description="Tags of a project at most.")
