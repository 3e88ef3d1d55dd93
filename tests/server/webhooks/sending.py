"""What sends webhooks, on a store that others may share; and what a receiver of its own making makes of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.metrics import Metrics
from server.store.store import Store
from server.store.webhook_records import Delivery, Webhook
from server.webhooks.payloads import EVENTS
from server.webhooks.sender import Sender
from server.webhooks.webhooks import Webhooks
from tests.fakes.node import node_settings
from tests.fakes.receiver import Received
from tests.server.webhooks.test_signing import hmac_by_hand

SECRET = "canary-of-the-secret"
DAY_S = 86400.0


class Clock:
    """Epoch seconds that stand still until told."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Node:
    """What sends webhooks, on a store that others may share."""

    store: Store
    hooks: Webhooks
    clock: Clock

    async def work(self) -> None:
        """Send what is due, all of it."""
        self.hooks.wake()
        while self.hooks._woken.is_set():  # also by what was sent before the round that began it was over
            self.hooks._woken.clear()
            await self.hooks.round()
            await self.hooks.sent()

    async def project(self) -> str:
        project = await self.store.projects.create(
            name="Talks", owner=None, language="nl", is_open=True, portal={}, tags=["youth"], tags_max=9, projects_max=9
        )
        return project.id

    async def webhook(self, project_id: str, url: str, *events: str, **values: Any) -> Webhook:
        return await self.store.webhooks.create(
            project_id, name="n", url=url, secret=SECRET, events=events or EVENTS, webhooks_max=9, **values
        )

    async def deliveries(self, webhook: Webhook) -> list[Delivery]:
        return (await self.store.webhooks.page(webhook.id, page=1, size=100))[0]

    async def now_of(self, webhook: Webhook) -> Webhook:
        return await self.store.webhooks.get(webhook.project_id, webhook.id)


@asynccontextmanager
async def a_node(url: str, clock: Clock, **options: Any) -> AsyncIterator[Node]:
    store = await Store.open(url, clock=clock)
    settings = node_settings(Path("data"), public_url="https://talks.example/", **options)
    sender = Sender(private=True, deadline_s=10)
    hooks = Webhooks(settings, store, Metrics(), sender=sender, clock=clock, jitter=lambda: 1.0)
    try:
        yield Node(store, hooks, clock)
    finally:
        await hooks.stop()
        await store.close()


def checked(request: Received) -> dict[str, Any]:
    """What it says, once its signatures are found good by an implementation of our own."""
    headers = request.headers
    dated = headers["x-earshot-timestamp"].encode() + b"." + request.body
    assert headers["x-earshot-signature"] == "v1=" + hmac_by_hand(SECRET.encode(), dated)
    assert headers["x-webhook-signature"] == "sha256=" + hmac_by_hand(SECRET.encode(), request.body)
    assert headers["x-dembrane-signature"] == hmac_by_hand(SECRET.encode(), request.body)
    told: dict[str, Any] = json.loads(request.body)
    assert told["event"] == headers["x-webhook-event"] == headers["x-earshot-event"]
    assert told["event_id"] == headers["x-earshot-event-id"]
    return told
