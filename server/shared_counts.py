"""What clients did in the window that runs, counted in Redis by all nodes together, for the library ``limits``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from limits.aio.storage import RedisStorage, Storage
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.rate_counts import BoundedMemory

log = logging.getLogger("earshot.rate_limits")

CONNECTIONS_MAX = 16
WAIT_S = 0.25  # a request that is counted waits so long for Redis at most
AGAIN_S = 5.0  # while Redis is away it is asked so often
PREFIX = "earshot:rate"

T = TypeVar("T")


class SharedCounts(Storage):
    """Counts in the Redis of that address; while it is away or too slow, those of this node alone.

    ``close`` it.
    """

    STORAGE_SCHEME = None

    def __init__(self, redis_url: str) -> None:
        super().__init__()
        self._pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS_MAX,
            timeout=WAIT_S,
            retry=Retry(NoBackoff(), 1),  # a connection that Redis closed meanwhile is no failure
        )
        # The address is the pool's.
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._shared = RedisStorage("async+redis://", implementation="redispy", key_prefix=PREFIX, **options)
        self._own = BoundedMemory()
        self._is_away = False
        self._ask_again_at = 0.0

    @property
    def base_exceptions(self) -> type[Exception]:
        return RedisError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return await self._ask(lambda storage: storage.incr(key, expiry, amount))

    async def get(self, key: str) -> int:
        return await self._ask(lambda storage: storage.get(key))

    async def get_expiry(self, key: str) -> float:
        """As exact as Redis tells: to the second."""
        return await self._ask(lambda storage: storage.get_expiry(key))

    async def clear(self, key: str) -> None:
        await self._ask(lambda storage: storage.clear(key))

    async def reset(self) -> int | None:
        return await self._ask(lambda storage: storage.reset())

    async def check(self) -> bool:
        """Whether Redis answers."""
        await self._ask(lambda storage: storage.get("nobody"))
        return not self._is_away

    async def close(self) -> None:
        await self._pool.disconnect()

    async def _ask(self, question: Callable[[Storage], Awaitable[T]]) -> T:
        if not self._is_away or time.monotonic() >= self._ask_again_at:
            try:
                async with asyncio.timeout(WAIT_S):
                    answer = await question(self._shared)
            except (RedisError, OSError, TimeoutError) as error:
                self._went_away(error)
            else:
                self._is_back()
                return answer
        return await question(self._own)

    def _went_away(self, error: Exception) -> None:
        self._ask_again_at = time.monotonic() + AGAIN_S
        if not self._is_away:
            # Its text may name whom it was asked for, or by which password.
            log.warning("rate limits: Redis is away (%s); each node counts for itself meanwhile", type(error).__name__)
        self._is_away = True

    def _is_back(self) -> None:
        if self._is_away:
            log.warning("rate limits: Redis is back; nodes count together again")
        self._is_away = False
