"""The settings of language models; part of ``server.settings.Settings``."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings


class LanguageModelSettings(BaseSettings):
    """Which language model is asked, and what asking it may cost."""

    llm_base_url: str = Field(
        "",
        max_length=2000,
        description="Address of an API like OpenAI's, such as http://127.0.0.1:11434/v1, which transcripts are then "
        "sent to; unset: no language model is asked.",
    )
    llm_api_key: SecretStr | None = Field(None, description="Key of that API; unset: none is sent.")
    llm_model: str = Field(
        "", max_length=200, description="Model that is asked where none is named; unset: the first that the API lists."
    )
    # What Ollama gives a model unless it is told otherwise; it cuts off what is longer, and says nothing.
    llm_context_tokens: int = Field(
        4096, ge=2048, le=10_000_000, description="Tokens that the model takes, question and answer together."
    )
    llm_deadline_s: float = Field(
        120.0, ge=0.1, le=3600, description="Longest time that one answer of the language model may take as a whole."
    )
    llm_at_once: int = Field(4, ge=1, le=1000, description="Requests to the language model at once; others wait.")
    llm_waiting_max: int = Field(
        32, ge=0, le=10_000, description="Questions that may wait for their turn; one more gets 503."
    )
    auto_summaries: Literal["off", "at_end", "rolling"] = Field(
        "rolling", description="When a transcript gets a summary unasked: when it ends, and, rolling, while it grows."
    )
    auto_summaries_by: Literal["extractive", "language_model"] = Field(
        "extractive",
        description="Who makes it: nobody, of sentences as they were said, or the language model, to which all "
        "transcripts are then sent.",
    )
    auto_summary_interval_s: float = Field(
        60.0, ge=1, le=86400, description="Shortest time between two summaries of a transcript that grows."
    )
    summaries_waiting_max: int = Field(
        100, ge=1, le=10_000, description="Summaries asked for and not made yet; one more gets 503."
    )
    summaries_kept_max: int = Field(
        1000, ge=1, le=1_000_000, description="Summaries asked for by one user that are kept; the oldest go first."
    )
    summaries_kept_days: int = Field(7, ge=1, le=365, description="So long a summary that was asked for is kept.")

    @field_validator("llm_base_url")
    @classmethod
    def _is_plain_url(cls, url: str) -> str:
        if not url:
            return url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a URL is needed, such as http://127.0.0.1:11434/v1")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("the URL must be plain: without user, query and fragment; the key is llm_api_key")
        return url.rstrip("/")
