"""The forms of what webhooks answer, for the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from protocol.states import DeliveryState
from server.doors.v1.models import Form, Page
from server.store.webhook_records import Outcome, WebhookStatus
from server.webhooks.webhooks import Health


class Webhook(Form):
    """Where events of a project are sent."""

    id: str
    project_id: str
    name: str
    url: str = Field(description="Without its path and query, for whoever may not change the project.")
    events: list[str]
    status: WebhookStatus
    has_secret: Literal[True]
    health: Health = Field(
        description="off: not published; unknown: not told anything yet; retrying: the last attempt failed; failing: "
        "so did all for days."
    )
    failing_since: datetime | None
    last_tried_at: datetime | None
    last_outcome: Outcome | None = Field(description="Of the last attempt.")
    last_status_code: int | None
    message: str | None = Field(description="How the last attempt went, for people.")
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook):
    """One whose secret is new, or not."""

    secret: str | None = Field(description="Shown this once, when it is new; else null.")


class WebhookList(Form):
    items: list[Webhook]
    total: int = Field(ge=0)


class WebhookTested(Form):
    """How a test went."""

    success: bool
    status_code: int | None = Field(description="Of the receiver's answer; null: there was none.")
    message: str
    outcome: Outcome
    took_ms: int = Field(ge=0)


class Delivery(Form):
    """One event to one webhook."""

    id: str
    webhook_id: str
    event_id: str = Field(description="The same for every delivery of the event, replays included.")
    event: str
    state: DeliveryState
    attempts: int = Field(ge=0)
    next_attempt_at: datetime | None = Field(description="While it waits: not before this.")
    outcome: Outcome | None = Field(description="Of the last attempt.")
    status_code: int | None
    message: str | None = Field(description="How the last attempt went, for people.")
    took_ms: int | None
    replay_of: str | None = Field(description="The delivery that this one repeats.")
    created_at: datetime
    ended_at: datetime | None


class DeliveryPage(Page):
    items: list[Delivery]
