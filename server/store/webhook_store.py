"""Webhooks and what they are told, as the store keeps them. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from protocol import ids
from protocol.errors import NotFound
from protocol.states import DeliveryState
from server.store import projects, webhooks
from server.store.database import Transaction
from server.store.webhook_records import Claimed, Delivery, HookEvent, Outcome, Webhook, WebhookStatus


class WebhookStore:
    """Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def create(
        self,
        project_id: str,
        *,
        name: str,
        url: str,
        secret: str,
        events: Sequence[str],
        status: WebhookStatus = "published",
        webhooks_max: int,
    ) -> Webhook:
        """Raises ``Conflict`` when the project has as many as it may have."""
        now = self._clock()
        webhook = Webhook(
            id=ids.new_webhook_id(),
            project_id=project_id,
            name=name,
            url=url,
            secret=secret,
            events=tuple(dict.fromkeys(events)),
            status=status,
            failing_since=None,
            tried_at=None,
            outcome=None,
            status_code=None,
            created_at=now,
            updated_at=now,
        )
        async with self._write() as conn:
            await projects.get(conn, project_id, hold=True)
            await webhooks.add(conn, webhook, webhooks_max=webhooks_max)
            return await webhooks.get(conn, project_id, webhook.id)

    async def get(self, project_id: str, webhook_id: str) -> Webhook:
        async with self._read() as conn:
            return await webhooks.get(conn, project_id, webhook_id)

    async def of_project(self, project_id: str) -> list[Webhook]:
        """In the order they were made."""
        async with self._read() as conn:
            return await webhooks.of_project(conn, project_id)

    async def change(self, project_id: str, webhook_id: str, values: dict[str, Any]) -> Webhook:
        """Of one that is published anew the failures are forgotten; of one that is archived, what still waits."""
        now = self._clock()
        async with self._write() as conn:
            found = await webhooks.get(conn, project_id, webhook_id)
            if values.get("status") == "published" != found.status or values.get("url", found.url) != found.url:
                values = values | {"failing_since": None, "outcome": None, "status_code": None}
            if values.get("status") == "archived":
                await webhooks.give_up(conn, now=now, webhook_id=webhook_id)
            await webhooks.change(conn, webhook_id, values | {"updated_at": now})
            return await webhooks.get(conn, project_id, webhook_id)

    async def delete(self, project_id: str, webhook_id: str) -> None:
        """With its deliveries, those that wait included."""
        async with self._write() as conn:
            await webhooks.delete(conn, project_id, webhook_id)

    # What happens.

    async def is_wanted(self, project_id: str, event: str) -> bool:
        """Whether any webhook of the project would be told of it."""
        async with self._read() as conn:
            return await webhooks.is_wanted(conn, project_id, event)

    async def note(
        self,
        project_id: str,
        event: str,
        *,
        transcript_id: str | None = None,
        body: bytes | None = None,
        event_id: str = "",
    ) -> int:
        """As ``webhooks.note``."""
        async with self._write() as conn:
            return await webhooks.note(
                conn,
                project_id,
                event,
                now=self._clock(),
                transcript_id=transcript_id,
                body=body,
                event_id=event_id,
            )

    async def bodiless(self, *, limit: int) -> list[HookEvent]:
        async with self._read() as conn:
            return await webhooks.bodiless(conn, limit=limit)

    async def set_body(self, event_id: str, body: bytes | None) -> None:
        async with self._write() as conn:
            await webhooks.set_body(conn, event_id, body)

    # Deliveries.

    async def page(self, webhook_id: str, *, page: int, size: int) -> tuple[list[Delivery], int]:
        """Newest first, from page 1, and how many there are in all."""
        async with self._read() as conn:
            return await webhooks.page(conn, webhook_id, number=page, size=size)

    async def replay(self, webhook_id: str, delivery_id: str) -> Delivery:
        """The same bytes once more, as a delivery of its own."""
        async with self._write() as conn:
            found = await webhooks.get_delivery(conn, webhook_id, delivery_id)
            await webhooks.hold_event(conn, found.event_id)
            id_ = await webhooks.add_delivery(
                conn, webhook_id, found.event_id, now=self._clock(), replay_of=delivery_id
            )
            return await webhooks.get_delivery(conn, webhook_id, id_)

    async def claim(
        self, lease: str, *, now: float, lease_s: float, without: Sequence[str], limit: int
    ) -> list[Claimed]:
        async with self._write() as conn:
            return await webhooks.claim(conn, lease, now=now, until=now + lease_s, without=without, limit=limit)

    async def release(self, lease: str) -> None:
        async with self._write() as conn:
            await webhooks.release(conn, lease)

    async def settle(
        self,
        claimed: Claimed,
        lease: str,
        *,
        now: float,
        outcome: Outcome,
        status_code: int | None,
        took_ms: int,
        again_at: float | None,
    ) -> DeliveryState | None:
        """An attempt ended; ``again_at``: when it is tried again, None: never. Where the delivery stands now; None: it
        was settled by another.

        A webhook that is gone is switched off, and nothing that waits for it is sent any more.
        """
        state = DeliveryState.WAITING if again_at is not None else DeliveryState.FAILED
        if outcome is Outcome.OK:
            state = DeliveryState.DELIVERED
        tried = {"outcome": outcome.value, "status_code": status_code}
        values: dict[str, Any] = {**tried, "took_ms": took_ms}
        values |= {"due_at": again_at} if state is DeliveryState.WAITING else {"ended_at": now}
        webhook = claimed.webhook
        async with self._write() as conn:
            if not await webhooks.settle(conn, claimed.delivery.id, lease, state, values):
                return None
            try:
                webhook = await webhooks.get(conn, webhook.project_id, webhook.id)
            except NotFound:
                return state
            if webhook.url != claimed.webhook.url:
                return state  # it says nothing of where it goes now
            failing_since = None if outcome is Outcome.OK else (webhook.failing_since or now)
            of_webhook: dict[str, Any] = {**tried, "tried_at": now, "failing_since": failing_since}
            if outcome is Outcome.GONE:
                of_webhook |= {"status": "draft"}
                await webhooks.give_up(conn, now=now, webhook_id=webhook.id)
            await webhooks.change(conn, webhook.id, of_webhook)
        return state

    async def clear(self, *, created_before: float, ended_before: float, kept_max: int) -> int:
        """Give up what waits since before ``created_before``, forget what is old or too much; how many wait."""
        async with self._write() as conn:
            await webhooks.give_up(conn, now=self._clock(), created_before=created_before)
            await webhooks.clear(conn, ended_before=ended_before, kept_max=kept_max)
            return await webhooks.waiting(conn)
