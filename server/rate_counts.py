"""What clients did in the window that runs, counted in this node's memory, for the library ``limits``."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from limits.aio.storage import Storage

# Clients that are remembered, some 200 bytes each. Whoever has more addresses than that is not stopped by counting.
CLIENTS_MAX = 50_000

Clock = Callable[[], float]


@dataclass
class _Window:
    ends_at: float
    count: int = 0


class BoundedMemory(Storage):
    """Counts in memory, of the clients seen last. The library's own keeps every client, and a task to forget them."""

    STORAGE_SCHEME = None

    def __init__(self, *, clients_max: int = CLIENTS_MAX, clock: Clock = time.time) -> None:
        super().__init__()
        self._clients_max = clients_max
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        window = self._open(key)
        if window is None:
            window = self._windows[key] = _Window(self._clock() + expiry)
            if len(self._windows) > self._clients_max:
                self._windows.popitem(last=False)  # the window that ends first, as all are of one length
        window.count += amount
        return window.count

    async def get(self, key: str) -> int:
        window = self._open(key)
        return window.count if window is not None else 0

    async def get_expiry(self, key: str) -> float:
        window = self._open(key)
        return window.ends_at if window is not None else self._clock()

    async def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    async def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    async def check(self) -> bool:
        return True

    def _open(self, key: str) -> _Window | None:
        window = self._windows.get(key)
        if window is not None and window.ends_at <= self._clock():
            del self._windows[key]
            return None
        return window
