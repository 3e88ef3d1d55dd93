"""What is noted to be told to webhooks, whether or not it arrives."""

from __future__ import annotations

from server.services import Services
from server.store.webhook_records import Webhook


async def wanting(services: Services, project_id: str, *events: str) -> Webhook:
    """One that wants to be told of these, and leads nowhere."""
    return await services.store.webhooks.create(
        project_id, name="n", url="http://127.0.0.1:9/", secret="s" * 16, events=events, webhooks_max=9
    )


async def noted(services: Services, webhook: Webhook) -> list[str]:
    """The events, the newest first."""
    found, _ = await services.store.webhooks.page(webhook.id, page=1, size=100)
    return [each.event for each in found]
