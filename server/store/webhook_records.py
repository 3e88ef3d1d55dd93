"""Webhooks, what they are told, and how it went: what the store returns, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from protocol.states import DeliveryState

# The words of neighbouring systems: only what is published is told anything.
WebhookStatus = Literal["published", "draft", "archived"]


class Outcome(StrEnum):
    """How an attempt went."""

    OK = "ok"
    STATUS = "status"  # it answered with an error
    GONE = "gone"  # 410: it wants to be told nothing any more
    REDIRECT = "redirect"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    REFUSED = "refused"  # an address that we do not send to
    UNRESOLVED = "unresolved"
    OFF = "off"  # the webhook was switched off for good before it was sent


@dataclass(frozen=True, slots=True)
class Webhook:
    """``*_at`` and ``failing_since`` are epoch seconds. ``outcome`` and ``status_code`` are of the last attempt."""

    id: str
    project_id: str
    name: str
    url: str = field(repr=False)  # its query may hold a secret
    secret: str = field(repr=False)
    events: tuple[str, ...]
    status: WebhookStatus
    failing_since: float | None
    tried_at: float | None
    outcome: Outcome | None
    status_code: int | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class HookEvent:
    """What happened. ``body`` None: not made yet, of the conversation ``transcript_id``."""

    id: str
    project_id: str
    transcript_id: str | None
    event: str
    body: bytes | None = field(repr=False)
    created_at: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be told, with its bytes, before it happens."""

    event: str
    event_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event to one webhook."""

    id: str
    webhook_id: str
    event_id: str
    event: str
    state: DeliveryState
    attempts: int
    due_at: float  # of the next attempt, while it waits
    outcome: Outcome | None
    status_code: int | None
    took_ms: int | None
    replay_of: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this node alone sends now."""

    delivery: Delivery
    webhook: Webhook
    body: bytes = field(repr=False)
