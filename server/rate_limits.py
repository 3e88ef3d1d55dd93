"""How often one client may do what costs us something: make things, and try credentials.

The counting is that of the library ``limits``, over windows of a minute. No real client meets these limits: they are
for one that runs wild, and for one that guesses.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage

from protocol.errors import RateLimited
from server.rate_counts import BoundedMemory, Clock

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Stand:
    """How a client stands to a limit, ``left_s`` before its window ends. ``refusal``: why it gets no more now."""

    per_minute: int
    remaining: int
    left_s: float
    refusal: RateLimited | None

    @property
    def headers(self) -> tuple[Header, ...]:
        """As ``draft-ietf-httpapi-ratelimit-headers`` named it for long."""
        if not self.per_minute:
            return ()
        return (
            ("RateLimit-Limit", str(self.per_minute)),
            ("RateLimit-Remaining", str(self.remaining)),
            ("RateLimit-Reset", str(math.ceil(self.left_s))),
        )

    def check(self) -> None:
        """Raises ``RateLimited`` where there is a refusal."""
        if self.refusal is not None:
            raise self.refusal


_UNLIMITED = Stand(0, 0, 0.0, None)


class RateLimit:
    """One limit: so many a minute of one client. 0: as many as they like."""

    def __init__(self, name: str, per_minute: int, message: str, counts: Storage, *, clock: Clock = time.time) -> None:
        self._name = name
        self._message = message
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._counts = counts
        self._clock = clock

    async def take(self, client: str) -> Stand:
        """Count one of this client's, which may be one too many."""
        if self._item is None:
            return _UNLIMITED
        key = self._key(client)
        count = await self._counts.incr(key, self._item.get_expiry())
        return await self._stand(key, count, is_over=count > self._item.amount)

    async def look(self, client: str) -> Stand:
        """Count nothing. There is a refusal when this client has none left."""
        if self._item is None:
            return _UNLIMITED
        key = self._key(client)
        count = await self._counts.get(key)
        return await self._stand(key, count, is_over=count >= self._item.amount)

    def _key(self, client: str) -> str:
        """Where it is kept others may read it. Addresses are few, so whoever tries them all learns who is meant."""
        assert self._item is not None
        return self._item.key_for(self._name, hashlib.sha256(client.encode()).hexdigest()[:32])

    async def _stand(self, key: str, count: int, *, is_over: bool) -> Stand:
        assert self._item is not None
        per_minute, left_s = self._item.amount, 0.0
        if count:
            # Nothing is left where Redis went away in between: then it may be as long as it can be.
            left_s = await self._counts.get_expiry(key) - self._clock()
            left_s = left_s if left_s > 0 else float(self._item.get_expiry())
        details = {"limit": self._name, "per_minute": per_minute}
        refusal = RateLimited(self._message, details=details, retry_after_s=left_s) if is_over else None
        return Stand(per_minute, max(0, per_minute - count), left_s, refusal)


class RateLimits:
    """The limits of a node. Its clients are counted by who they are or, where that is not known, by their address.

    With a Redis nodes count together, and without it each for itself. ``close`` them.
    """

    def __init__(
        self,
        *,
        creations_per_minute: int,
        failed_sign_ins_per_minute: int,
        upload_urls_per_minute: int,
        redis_url: str | None = None,
    ) -> None:
        self._shared = None
        if redis_url is not None:
            from server.shared_counts import SharedCounts  # here: its client takes half a second to import

            self._shared = SharedCounts(redis_url)
        counts = self._shared or BoundedMemory()
        self.creations = RateLimit(
            "creations_per_minute", creations_per_minute, "too much is made at once; try again later", counts
        )
        self.failed_sign_ins = RateLimit(
            "failed_sign_ins_per_minute",
            failed_sign_ins_per_minute,
            "too many wrong credentials came from this address; try again later",
            counts,
        )
        self.upload_urls = RateLimit(
            "upload_urls_per_minute",
            upload_urls_per_minute,
            "too many upload addresses for this conversation at once; try again later",
            counts,
        )

    async def start(self) -> None:
        """A Redis that does not answer is told of in the log at once."""
        if self._shared is not None:
            await self._shared.check()

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()
