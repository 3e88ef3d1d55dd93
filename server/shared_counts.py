"""What clients did in the window that runs, counted in Redis by all nodes together, for the library ``limits``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from limits.aio.storage import RedisStorage, Storage
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.rate_counts import BoundedMemory

log = logging.getLogger("earshot.rate_limits")

CONNECTIONS_MAX = 4  # an answer takes less than a millisecond
WAIT_S = 1.0  # each question waits so long at most; only those who find out that Redis is away wait for nothing
AGAIN_S = 5.0  # while it is away, one question finds out so often whether it is back
PREFIX = "earshot:rate"

T = TypeVar("T")


def check_redis_url(url: str) -> None:
    """Raises ``ValueError`` for what no Redis can be asked at, without the address: it may hold a password."""
    with suppress(ValueError, TypeError, RedisError):
        pool: Any = ConnectionPool.from_url(url)
        pool.make_connection()  # it connects to nothing
        return
    raise ValueError("must be an address such as redis://:password@host:6379/0, or rediss://, or unix://")


class SharedCounts(Storage):
    """Counts in the Redis of that address; while it is away or too slow, those of this node alone.

    ``close`` it.
    """

    STORAGE_SCHEME = None

    def __init__(self, redis_url: str) -> None:
        super().__init__()
        self._pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
            redis_url,
            retry=Retry(NoBackoff(), 1),  # a connection that Redis closed meanwhile is no failure
        )
        # Set here, as the address may name others.
        self._pool.max_connections, self._pool.timeout = CONNECTIONS_MAX, WAIT_S
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
        return await self._ask(lambda storage: storage.incr(key, expiry, amount), finds_out=True)

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
        """Whether Redis counts."""
        await self.incr("nobody", 60)
        return not self._is_away

    async def close(self) -> None:
        """Never waits long, nor raises: what is gone is closed."""
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await self._pool.disconnect()

    async def _ask(self, question: Callable[[Storage], Awaitable[T]], *, finds_out: bool = False) -> T:
        """``finds_out``: it writes. Where only reading works, nothing is counted."""
        was_away = self._is_away
        if was_away and (not finds_out or time.monotonic() < self._ask_again_at):
            return await question(self._own)
        self._ask_again_at = time.monotonic() + AGAIN_S
        try:
            async with asyncio.timeout(WAIT_S):
                answer = await question(self._shared)
        except (RedisError, OSError, TimeoutError) as error:
            self._went_away(error)
            return await question(self._own)
        if was_away:
            self._is_back()
        return answer

    def _went_away(self, error: Exception) -> None:
        if not self._is_away:
            # Its text may name whom it was asked for, or by which password.
            log.warning("rate limits: Redis is away (%s); each node counts for itself meanwhile", type(error).__name__)
        self._is_away = True

    def _is_back(self) -> None:
        log.warning("rate limits: Redis is back; nodes count together again")
        self._is_away = False
