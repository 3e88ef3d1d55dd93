"""The settings of webhooks; part of ``server.settings.Settings``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class WebhookSettings(BaseSettings):
    """What webhooks may cost, and where they may lead."""

    public_url: str = Field(
        "",
        max_length=2000,
        pattern=r"^$|^https?://[!-~]+$",
        description="Address that people reach this server by, for links in webhooks; unset: there are none in them.",
    )
    webhooks_private: bool = Field(
        False, description="Whether webhooks may lead to this machine and to private networks, such as 192.168.1.20."
    )
    webhooks_max: int = Field(20, ge=0, le=1000, description="Webhooks of a project at most.")
    webhook_deadline_s: float = Field(15.0, ge=0.5, le=60, description="Longest wait for the answer of a webhook.")
    webhook_deliveries_max: int = Field(
        1000, ge=10, le=100_000, description="Deliveries of a webhook that are kept; the oldest go first."
    )
    webhook_deliveries_days: int = Field(7, ge=1, le=365, description="So long deliveries that ended are kept.")
    webhook_failing_days: int = Field(
        3, ge=1, le=365, description="A webhook that was not told anything for so long is said to be failing."
    )
