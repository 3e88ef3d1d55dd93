"""Statements about webhooks and what they are told. Each runs inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound
from protocol.states import DELIVERY_MOVES, DeliveryState, move
from server.store.project_tables import webhook_deliveries, webhook_events, webhooks
from server.store.records import storable
from server.store.webhook_records import Claimed, Delivery, HookEvent, Outcome, Webhook

_LOOKED_AT = 64  # due deliveries, from which one of each webhook is claimed


def not_found() -> NotFound:
    return NotFound("no such webhook")


async def add(conn: AsyncConnection, webhook: Webhook, *, webhooks_max: int) -> None:
    """Raises ``Conflict`` where the project, which is held already, has as many as it may have."""
    count = sa.select(sa.func.count()).select_from(webhooks).where(webhooks.c.project_id == webhook.project_id)
    if (await conn.execute(count)).scalar_one() >= webhooks_max:
        raise Conflict("this project has as many webhooks as it may have", details={"max": webhooks_max})
    values = {name: getattr(webhook, name) for name in Webhook.__dataclass_fields__}
    values |= {"name": storable(webhook.name), "events": json.dumps(webhook.events)}
    await conn.execute(sa.insert(webhooks).values(**values))


async def get(conn: AsyncConnection, project_id: str, webhook_id: str) -> Webhook:
    row = (
        await conn.execute(sa.select(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.project_id == project_id))
    ).one_or_none()
    if row is None:
        raise not_found()
    return _webhook(row)


async def of_project(conn: AsyncConnection, project_id: str, *, hold: bool = False) -> list[Webhook]:
    """In the order they were made. ``hold``: none is deleted before the transaction is over."""
    own = sa.select(webhooks).where(webhooks.c.project_id == project_id).order_by(webhooks.c.created_at, webhooks.c.id)
    rows = await conn.execute(own.with_for_update(read=True, key_share=True) if hold else own)
    return [_webhook(row) for row in rows]


async def change(conn: AsyncConnection, webhook_id: str, values: dict[str, Any]) -> None:
    values = {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}
    if "events" in values:
        values["events"] = json.dumps(values["events"])
    await conn.execute(sa.update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


async def delete(conn: AsyncConnection, project_id: str, webhook_id: str) -> None:
    done = await conn.execute(
        sa.delete(webhooks).where(webhooks.c.id == webhook_id, webhooks.c.project_id == project_id)
    )
    if done.rowcount == 0:
        raise not_found()


async def delete_of(conn: AsyncConnection, project_id: str) -> None:
    """All of a project, with everything they were still to be told."""
    await conn.execute(sa.delete(webhooks).where(webhooks.c.project_id == project_id))
    await conn.execute(sa.delete(webhook_events).where(webhook_events.c.project_id == project_id))


# What happens.


async def note(
    conn: AsyncConnection,
    project_id: str,
    event: str,
    *,
    now: float,
    transcript_id: str | None = None,
    body: bytes | None = None,
    event_id: str = "",
) -> int:
    """Something happened: each webhook of the project that wants to know of it will be told. Returns how many.

    In the transaction in which it happens, so that neither is there without the other. Without a ``body`` it is about
    a conversation, and the body is made afterwards (``server/webhooks/webhooks.py``).
    """
    wanting = [
        webhook.id
        for webhook in await of_project(conn, project_id, hold=True)
        if webhook.status == "published" and event in webhook.events
    ]
    if wanting:
        made = HookEvent(event_id or ids.new_hook_event_id(), project_id, transcript_id, event, body, now)
        await add_event(conn, made)
        for webhook_id in wanting:
            await add_delivery(conn, webhook_id, made.id, now=now)
    return len(wanting)


async def is_wanted(conn: AsyncConnection, project_id: str, event: str) -> bool:
    return any(each.status == "published" and event in each.events for each in await of_project(conn, project_id))


async def add_event(conn: AsyncConnection, event: HookEvent) -> None:
    values = {name: getattr(event, name) for name in HookEvent.__dataclass_fields__}
    await conn.execute(sa.insert(webhook_events).values(**values))


async def add_delivery(
    conn: AsyncConnection, webhook_id: str, event_id: str, *, now: float, replay_of: str | None = None
) -> str:
    id_ = ids.new_delivery_id()
    await conn.execute(
        sa.insert(webhook_deliveries).values(
            id=id_,
            webhook_id=webhook_id,
            event_id=event_id,
            state=DeliveryState.WAITING.value,
            attempts=0,
            due_at=now,
            replay_of=replay_of,
            created_at=now,
        )
    )
    return id_


async def bodiless(conn: AsyncConnection, *, limit: int) -> list[HookEvent]:
    """Events whose body is to be made, the oldest first."""
    rows = await conn.execute(
        sa.select(webhook_events)
        .where(webhook_events.c.body.is_(None))
        .order_by(webhook_events.c.created_at, webhook_events.c.id)
        .limit(limit)
    )
    return [HookEvent(**row._mapping) for row in rows]


async def set_body(conn: AsyncConnection, event_id: str, body: bytes | None) -> None:
    """Once: what another node made before stays. None: there is nothing to tell of any more."""
    if body is None:
        await conn.execute(sa.delete(webhook_events).where(webhook_events.c.id == event_id))
        return
    await conn.execute(
        sa.update(webhook_events)
        .where(webhook_events.c.id == event_id, webhook_events.c.body.is_(None))
        .values(body=body)
    )


# Deliveries.

_SHOWN = sa.select(webhook_deliveries, webhook_events.c.event).join(
    webhook_events, webhook_events.c.id == webhook_deliveries.c.event_id
)


async def get_delivery(conn: AsyncConnection, webhook_id: str, delivery_id: str) -> Delivery:
    if not delivery_id.isascii() or not delivery_id.isprintable():  # which a database may refuse to look for
        raise NotFound("no such delivery")
    row = (
        await conn.execute(
            _SHOWN.where(webhook_deliveries.c.id == delivery_id, webhook_deliveries.c.webhook_id == webhook_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("no such delivery")
    return _delivery(row)


async def page(conn: AsyncConnection, webhook_id: str, *, number: int, size: int) -> tuple[list[Delivery], int]:
    """Newest first."""
    own = webhook_deliveries.c.webhook_id == webhook_id
    total = (await conn.execute(sa.select(sa.func.count()).select_from(webhook_deliveries).where(own))).scalar_one()
    rows = await conn.execute(
        _SHOWN.where(own)
        .order_by(webhook_deliveries.c.created_at.desc(), webhook_deliveries.c.id.desc())
        .limit(size)
        .offset((number - 1) * size)
    )
    return [_delivery(row) for row in rows], total


async def hold_event(conn: AsyncConnection, event_id: str) -> None:
    """It is not cleared away before the transaction ends."""
    held = sa.select(webhook_events.c.id).where(webhook_events.c.id == event_id)
    if (await conn.execute(held.with_for_update(read=True, key_share=True))).one_or_none() is None:
        raise NotFound("what it told of is gone")


async def claim(
    conn: AsyncConnection, lease: str, *, now: float, until: float, without: Sequence[str], limit: int
) -> list[Claimed]:
    """Deliveries that are due and that nobody sends, one of each webhook but for those in ``without``: ``lease``'s
    until then. Two nodes never claim the same one."""
    due = await conn.execute(
        sa.select(webhook_deliveries.c.id, webhook_deliveries.c.webhook_id)
        .join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook_id)
        .join(webhook_events, webhook_events.c.id == webhook_deliveries.c.event_id)
        .where(
            webhook_deliveries.c.state == DeliveryState.WAITING.value,
            webhook_deliveries.c.due_at <= now,
            sa.or_(webhook_deliveries.c.leased_until.is_(None), webhook_deliveries.c.leased_until < now),
            webhooks.c.status == "published",
            webhooks.c.id.not_in(without),
            webhook_events.c.body.is_not(None),
        )
        .order_by(webhook_deliveries.c.due_at, webhook_deliveries.c.created_at, webhook_deliveries.c.id)
        .limit(_LOOKED_AT)
        .with_for_update(of=webhook_deliveries, skip_locked=True)
    )
    first: dict[str, str] = {}
    for row in due:
        first.setdefault(row.webhook_id, row.id)
    chosen = list(first.values())[:limit]
    if not chosen:
        return []
    await conn.execute(
        sa.update(webhook_deliveries)
        .where(webhook_deliveries.c.id.in_(chosen))
        .values(lease=lease, leased_until=until, attempts=webhook_deliveries.c.attempts + 1)
    )
    claimed = []
    for id_ in chosen:
        delivery = _delivery((await conn.execute(_SHOWN.where(webhook_deliveries.c.id == id_))).one())
        webhook = (await conn.execute(sa.select(webhooks).where(webhooks.c.id == delivery.webhook_id))).one()
        body = sa.select(webhook_events.c.body).where(webhook_events.c.id == delivery.event_id)
        claimed.append(Claimed(delivery, _webhook(webhook), (await conn.execute(body)).scalar_one()))
    return claimed


async def release(conn: AsyncConnection, lease: str) -> None:
    """Whoever comes next may send what this node had claimed."""
    await conn.execute(
        sa.update(webhook_deliveries).where(webhook_deliveries.c.lease == lease).values(lease=None, leased_until=None)
    )


async def settle(
    conn: AsyncConnection, delivery_id: str, lease: str, state: DeliveryState, values: dict[str, Any]
) -> bool:
    """An attempt ended. A success counts whoever holds the lease by now; else only that of ``lease`` does. Whether it
    counted."""
    held = sa.select(webhook_deliveries.c.state, webhook_deliveries.c.lease).where(
        webhook_deliveries.c.id == delivery_id
    )
    row = (await conn.execute(held.with_for_update())).one_or_none()
    if row is None or row.state == DeliveryState.DELIVERED.value:
        return False
    if state is not DeliveryState.DELIVERED and (row.lease != lease or row.state != DeliveryState.WAITING.value):
        return False
    here = DeliveryState(row.state)
    there = here if state is here else move(DELIVERY_MOVES, here, state)
    await conn.execute(
        sa.update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery_id)
        .values(**values, state=there.value, lease=None, leased_until=None)
    )
    return True


async def give_up(
    conn: AsyncConnection, *, now: float, created_before: float | None = None, webhook_id: str = ""
) -> None:
    """Those of a webhook, or those made before a time, that still wait and that nobody sends right now are failed."""
    which = [
        webhook_deliveries.c.state == DeliveryState.WAITING.value,
        sa.or_(webhook_deliveries.c.leased_until.is_(None), webhook_deliveries.c.leased_until < now),
    ]
    if created_before is not None:
        which.append(webhook_deliveries.c.created_at < created_before)
    if webhook_id:
        which.append(webhook_deliveries.c.webhook_id == webhook_id)
    there = move(DELIVERY_MOVES, DeliveryState.WAITING, DeliveryState.FAILED)
    await conn.execute(
        sa.update(webhook_deliveries)
        .where(*which)
        .values(
            state=there.value,
            ended_at=now,
            lease=None,
            leased_until=None,
            outcome=sa.func.coalesce(webhook_deliveries.c.outcome, Outcome.OFF.value),
        )
    )


async def clear(conn: AsyncConnection, *, ended_before: float, kept_max: int) -> None:
    """Forget deliveries that ended before a time, of each webhook all but the newest ``kept_max``, and events of which
    nothing is left."""
    await conn.execute(sa.delete(webhook_deliveries).where(webhook_deliveries.c.ended_at < ended_before))
    counted = await conn.execute(
        sa.select(webhook_deliveries.c.webhook_id)
        .group_by(webhook_deliveries.c.webhook_id)
        .having(sa.func.count() > kept_max)
    )
    for webhook_id in counted.scalars().all():
        old = (
            sa.select(webhook_deliveries.c.id)
            .where(webhook_deliveries.c.webhook_id == webhook_id)
            .order_by(webhook_deliveries.c.created_at.desc(), webhook_deliveries.c.id.desc())
            .offset(kept_max)
        )
        await conn.execute(sa.delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(old.scalar_subquery())))
    told = sa.select(webhook_deliveries.c.id).where(webhook_deliveries.c.event_id == webhook_events.c.id)
    await conn.execute(sa.delete(webhook_events).where(~sa.exists(told)))


async def waiting(conn: AsyncConnection) -> int:
    count = sa.select(sa.func.count()).select_from(webhook_deliveries)
    wanted = count.where(webhook_deliveries.c.state == DeliveryState.WAITING.value)
    return (await conn.execute(wanted)).scalar_one()


def _webhook(row: sa.Row[Any]) -> Webhook:
    values = dict(row._mapping)
    values["events"] = tuple(json.loads(values["events"]))
    values["outcome"] = None if row.outcome is None else Outcome(row.outcome)
    return Webhook(**values)


def _delivery(row: sa.Row[Any]) -> Delivery:
    values = {name: row._mapping[name] for name in Delivery.__dataclass_fields__}
    values["state"] = DeliveryState(row.state)
    values["outcome"] = None if row.outcome is None else Outcome(row.outcome)
    return Delivery(**values)
