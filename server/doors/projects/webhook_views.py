"""Webhooks and deliveries as hosts see them. No secret is among it."""

from __future__ import annotations

from typing import Any

from protocol.states import DeliveryState
from server.doors.v1.views import iso
from server.store.webhook_records import Delivery, Outcome, Webhook
from server.webhooks.destinations import origin_of
from server.webhooks.sender import words_of
from server.webhooks.webhooks import Health


def webhook_view(webhook: Webhook, health: Health, *, may_change: bool) -> dict[str, Any]:
    """``may_change``: who asks may, and reads the whole address, which may be a secret by itself."""
    return {
        "id": webhook.id,
        "project_id": webhook.project_id,
        "name": webhook.name,
        "url": webhook.url if may_change else origin_of(webhook.url),
        "events": list(webhook.events),
        "status": webhook.status,
        "has_secret": True,
        "health": health,
        "failing_since": _moment(webhook.failing_since),
        "last_tried_at": _moment(webhook.tried_at),
        "last_outcome": webhook.outcome,
        "last_status_code": webhook.status_code,
        "message": _message(webhook.outcome, webhook.status_code),
        "created_at": iso(webhook.created_at),
        "updated_at": iso(webhook.updated_at),
    }


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "event_id": delivery.event_id,
        "event": delivery.event,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt_at": iso(delivery.due_at) if delivery.state is DeliveryState.WAITING else None,
        "outcome": delivery.outcome,
        "status_code": delivery.status_code,
        "message": _message(delivery.outcome, delivery.status_code),
        "took_ms": delivery.took_ms,
        "replay_of": delivery.replay_of,
        "created_at": iso(delivery.created_at),
        "ended_at": _moment(delivery.ended_at),
    }


def _message(outcome: Outcome | None, status_code: int | None) -> str | None:
    return None if outcome is None else words_of(outcome, status_code)


def _moment(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else iso(epoch_s)
