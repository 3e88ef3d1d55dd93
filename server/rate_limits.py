"""How often one client may do what costs us something: make things, and try credentials.

The counting is that of the library ``limits``, over windows of a minute. No real client meets these limits: they are
for one that runs wild, and for one that guesses.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from protocol.errors import RateLimited

# Clients that are remembered, some 200 bytes each. Whoever has more addresses than that is not stopped by counting.
CLIENTS_MAX = 50_000

Clock = Callable[[], float]
Header = tuple[str, str]


@dataclass
class _Window:
    ends_at: float
    count: int = 0


class BoundedMemory(Storage):
    """Counts in memory, of the clients seen last. The library's own keeps every client, and a thread to forget them."""

    STORAGE_SCHEME = ["bounded-memory"]  # noqa: RUF012 - the library's registry reads a list

    def __init__(self, *, clients_max: int = CLIENTS_MAX, clock: Clock = time.time) -> None:
        super().__init__()
        self._clients_max = clients_max
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        window = self._open(key)
        if window is None:
            window = self._windows[key] = _Window(self._clock() + expiry)
            if len(self._windows) > self._clients_max:
                self._windows.popitem(last=False)  # the window that ends first, as all are of one length
        window.count += amount
        return window.count

    def get(self, key: str) -> int:
        window = self._open(key)
        return window.count if window is not None else 0

    def get_expiry(self, key: str) -> float:
        window = self._open(key)
        return window.ends_at if window is not None else self._clock()

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    def check(self) -> bool:
        return True

    def _open(self, key: str) -> _Window | None:
        window = self._windows.get(key)
        if window is not None and window.ends_at <= self._clock():
            del self._windows[key]
            return None
        return window


class RateLimit:
    """One limit: so many a minute of one client. 0: as many as they like."""

    def __init__(
        self, name: str, per_minute: int, message: str, *, clients_max: int = CLIENTS_MAX, clock: Clock = time.time
    ) -> None:
        self._name = name
        self._message = message
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(BoundedMemory(clients_max=clients_max, clock=clock))

    def take(self, client: str) -> None:
        """Count one of this client's. Raises ``RateLimited`` for one too many."""
        if self._item is not None and not self._limiter.hit(self._item, client):
            raise self._refusal(client)

    def check(self, client: str) -> None:
        """Count nothing. Raises ``RateLimited`` when this client has none left."""
        if self._item is not None and not self._limiter.test(self._item, client):
            raise self._refusal(client)

    def headers(self, client: str) -> tuple[Header, ...]:
        """How this client stands, as ``draft-ietf-httpapi-ratelimit-headers`` named it for long."""
        if self._item is None:
            return ()
        return (
            ("RateLimit-Limit", str(self._item.amount)),
            ("RateLimit-Remaining", str(self._limiter.get_window_stats(self._item, client).remaining)),
            ("RateLimit-Reset", str(math.ceil(self._left_s(client)))),
        )

    def _refusal(self, client: str) -> RateLimited:
        assert self._item is not None
        details = {"limit": self._name, "per_minute": self._item.amount}
        return RateLimited(self._message, details=details, retry_after_s=self._left_s(client))

    def _left_s(self, client: str) -> float:
        assert self._item is not None
        return max(0.0, self._limiter.get_window_stats(self._item, client).reset_time - self._clock())


class RateLimits:
    """The limits of a node. Its clients are counted by who they are or, where that is not known, by their address."""

    def __init__(
        self,
        *,
        creations_per_minute: int,
        failed_sign_ins_per_minute: int,
        upload_urls_per_minute: int = 0,
        clock: Clock = time.time,
    ) -> None:
        self.creations = RateLimit(
            "creations_per_minute", creations_per_minute, "too much is made at once; try again later", clock=clock
        )
        self.failed_sign_ins = RateLimit(
            "failed_sign_ins_per_minute",
            failed_sign_ins_per_minute,
            "too many wrong credentials came from this address; try again later",
            clock=clock,
        )
        self.upload_urls = RateLimit(
            "upload_urls_per_minute",
            upload_urls_per_minute,
            "too many upload addresses for this conversation at once; try again later",
            clock=clock,
        )
