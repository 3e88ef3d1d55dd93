"""Who wants to be told of reports. Every method is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol import ids
from protocol.errors import Conflict, NotFound
from server.store import projects
from server.store.database import Transaction
from server.store.project_tables import projects as all_projects
from server.store.project_tables import report_subscriptions as subscriptions
from server.store.records import storable
from server.store.report_records import Subscription


class SubscriptionStore:
    """Addresses are given, and kept, in lower case. Raises as ``Store`` does."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def subscribe(self, project_id: str, emails: Sequence[str], *, subscriptions_max: int) -> None:
        """Who is subscribed stays so; who ended it begins anew.

        Raises ``Conflict`` where the project would have more than ``subscriptions_max``.
        """
        now = self._clock()
        wanted = dict.fromkeys(storable(email) for email in emails)
        of_project = subscriptions.c.project_id == project_id
        async with self._write() as conn:
            await projects.get(conn, project_id, hold=True)
            rows = await conn.execute(sa.select(subscriptions).where(of_project, subscriptions.c.email.in_(wanted)))
            known = {row.email: row for row in rows}
            new = [email for email in wanted if email not in known]
            count = sa.select(sa.func.count()).select_from(subscriptions).where(of_project)
            if new and (await conn.execute(count)).scalar_one() + len(new) > subscriptions_max:
                raise Conflict("this project has as many subscriptions as it may have")
            if new:
                values = {"project_id": project_id, "opted_in": True, "updated_at": now}
                # A moment apart, so that they stay in the order that they were given in.
                made = [
                    {"id": ids.new_subscription_id(), "email": email, "created_at": now + at / 1e6, **values}
                    for at, email in enumerate(new)
                ]
                await conn.execute(sa.insert(subscriptions), made)
            ended = [row.id for row in known.values() if not row.opted_in]
            if ended:
                await conn.execute(
                    sa.update(subscriptions).where(subscriptions.c.id.in_(ended)).values(opted_in=True, updated_at=now)
                )

    async def get(self, project_id: str, subscription_id: str) -> Subscription:
        async with self._read() as conn:
            return await _get(conn, project_id, subscription_id)

    async def opt(self, project_id: str, subscription_id: str, *, opted_in: bool) -> Subscription:
        async with self._write() as conn:
            await _get(conn, project_id, subscription_id)
            await conn.execute(
                sa.update(subscriptions)
                .where(subscriptions.c.id == subscription_id)
                .values(opted_in=opted_in, updated_at=self._clock())
            )
            return await _get(conn, project_id, subscription_id)

    async def page(self, project_id: str, *, page: int, size: int) -> tuple[list[Subscription], int]:
        """Those who want to be told, in the order that they came, from page 1."""
        wanted = sa.select(subscriptions).where(
            subscriptions.c.project_id == project_id, subscriptions.c.opted_in.is_(True)
        )
        async with self._read() as conn:
            total = (await conn.execute(sa.select(sa.func.count()).select_from(wanted.subquery()))).scalar_one()
            rows = await conn.execute(
                wanted.order_by(subscriptions.c.created_at, subscriptions.c.id).limit(size).offset((page - 1) * size)
            )
            return [_subscription(row) for row in rows], total

    async def forget_deleted_projects(self) -> int:
        """Of projects that were deleted: nothing will be told of them. How many went."""
        gone = sa.select(all_projects.c.id).where(all_projects.c.deleted_at.is_not(None))
        async with self._write() as conn:
            done = await conn.execute(sa.delete(subscriptions).where(subscriptions.c.project_id.in_(gone)))
            return done.rowcount


async def _get(conn: AsyncConnection, project_id: str, subscription_id: str) -> Subscription:
    row = (
        await conn.execute(
            sa.select(subscriptions).where(
                subscriptions.c.id == subscription_id, subscriptions.c.project_id == project_id
            )
        )
    ).one_or_none()
    if row is None:
        raise NotFound("no such subscription")
    return _subscription(row)


def _subscription(row: sa.Row[Any]) -> Subscription:
    return Subscription(**{name: getattr(row, name) for name in Subscription.__dataclass_fields__})
