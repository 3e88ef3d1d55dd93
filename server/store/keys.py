"""API keys and tickets as the store keeps them: by digests, so that what is stolen from it opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from protocol.errors import Conflict
from server.store.database import Transaction
from server.store.records import storable
from server.store.standing import Viewer, owned_by
from server.store.tables import api_keys, tickets

USED_EVERY_S = 60.0  # how exactly it is known when a key was used last
REVOKED_KEPT_S = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class ApiKey:
    """``*_at`` are epoch seconds. The key itself is nowhere."""

    id: str
    owner: str | None
    name: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None

    def is_valid(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class KeyStore:
    """Raises as ``Store`` does. Every method is one transaction."""

    def __init__(self, read: Transaction, write: Transaction, clock: Callable[[], float]) -> None:
        self._read = read
        self._write = write
        self._clock = clock

    async def create(
        self,
        id_: str,
        *,
        owner: str | None,
        name: str,
        digest: str,
        scopes: Sequence[str],
        expires_at: float | None,
        keys_max: int,
    ) -> ApiKey:
        """Raises ``Conflict`` when the owner has as many as they may."""
        now = self._clock()
        own = owned_by(api_keys, Viewer(owner))
        async with self._write() as conn:
            await conn.execute(sa.delete(api_keys).where(own, api_keys.c.revoked_at < now - REVOKED_KEPT_S))
            there = sa.select(sa.func.count()).select_from(api_keys).where(own, api_keys.c.revoked_at.is_(None))
            if (await conn.execute(there)).scalar_one() >= keys_max:
                raise Conflict("you have as many API keys as may be; revoke one first", details={"max": keys_max})
            await conn.execute(
                sa.insert(api_keys).values(
                    id=id_,
                    owner=owner,
                    name=storable(name),
                    hash=digest,
                    scopes=" ".join(scopes),
                    created_at=now,
                    expires_at=expires_at,
                )
            )
            return _key((await conn.execute(_KEYS.where(api_keys.c.id == id_))).one())

    async def by_digest(self, digest: str) -> ApiKey | None:
        async with self._read() as conn:
            row = (await conn.execute(_KEYS.where(api_keys.c.hash == digest))).one_or_none()
        return _key(row) if row is not None else None

    async def get(self, id_: str) -> ApiKey | None:
        async with self._read() as conn:
            row = (await conn.execute(_KEYS.where(api_keys.c.id == id_))).one_or_none()
        return _key(row) if row is not None else None

    async def of(self, viewer: Viewer, limit: int) -> list[ApiKey]:
        """Those that are not revoked, newest first."""
        wanted = sa.true() if viewer.sees_all else owned_by(api_keys, viewer)
        newest = _KEYS.where(wanted, api_keys.c.revoked_at.is_(None)).order_by(
            api_keys.c.created_at.desc(), api_keys.c.id.desc()
        )
        async with self._read() as conn:
            return [_key(row) for row in await conn.execute(newest.limit(limit))]

    async def revoke(self, id_: str) -> bool:
        """False: there is none of this id that is not revoked already."""
        async with self._write() as conn:
            done = await conn.execute(
                sa.update(api_keys)
                .where(api_keys.c.id == id_, api_keys.c.revoked_at.is_(None))
                .values(revoked_at=self._clock())
            )
        return bool(done.rowcount)

    async def used(self, key: ApiKey) -> None:
        """Keep that the key was used, as exactly as is worth a write."""
        now = self._clock()
        if key.last_used_at is not None and now - key.last_used_at < USED_EVERY_S:
            return
        async with self._write() as conn:
            await conn.execute(sa.update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now))

    async def put_ticket(self, digest: str, body: str, expires_at: float) -> None:
        """Keep a ticket; forget those that nobody came with in time."""
        async with self._write() as conn:
            await conn.execute(sa.delete(tickets).where(tickets.c.expires_at < self._clock()))
            await conn.execute(sa.insert(tickets).values(hash=digest, body=body, expires_at=expires_at))

    async def look_at_ticket(self, digest: str) -> str | None:
        """The body of one that may be shown more than once; None when it is late."""
        async with self._read() as conn:
            found = sa.select(tickets.c.body, tickets.c.expires_at).where(tickets.c.hash == digest)
            row = (await conn.execute(found)).one_or_none()
        return row.body if row is not None and self._clock() < row.expires_at else None

    async def take_ticket(self, digest: str) -> str | None:
        """The ticket's body, for whoever comes first, on whichever node; None for all others and when it is late."""
        taken = sa.delete(tickets).where(tickets.c.hash == digest).returning(tickets.c.body, tickets.c.expires_at)
        async with self._write() as conn:
            row = (await conn.execute(taken)).one_or_none()
        return row.body if row is not None and self._clock() < row.expires_at else None


_KEYS = sa.select(
    *(
        api_keys.c[name]
        for name in ("id", "owner", "name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    )
)


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        owner=row.owner,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
