"""What a bot sends while the store is away waits here, and is taken when the store is back.

Whoever has a track is heard and recorded meanwhile: that needs no store. So only what needs it waits, and what the same
participant sends after that.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from protocol.errors import BadInput, Overloaded, StoreUnavailable
from protocol.wire.bot_items import Head, Item, Moment, Picture, ProviderData, Sound, Told, Unknown

RETRIED_EVERY_S = 1.0
WAITING_MAX = 20_000  # of one connection
WAITING_MAX_BYTES = 32 << 20  # of what is in them: of sound 17 minutes

log = structlog.get_logger(__name__)


class Outage:
    """Of one connection, for one task. ``take`` takes an item, or raises ``StoreUnavailable``, and may then be given it
    again; ``clock`` gives epoch seconds."""

    def __init__(self, take: Callable[[Item], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._take = take
        self._clock = clock
        self._items: deque[Item] = deque()
        self._of: Counter[int | None] = Counter()  # whose wait
        self._bytes = 0
        self._tried_s = 0.0

    async def take(self, item: Item) -> None:
        """Now, or when the store is back. Raises what ``take`` raises, but ``StoreUnavailable`` only where no more may
        wait."""
        if self._items and time.monotonic() - self._tried_s >= RETRIED_EVERY_S:
            await self._retry()
        if not self._of[_whose(item)]:
            try:
                await self._take(item)
            except StoreUnavailable as error:
                self._put(item, error)
        else:
            self._put(item, StoreUnavailable("the store is away, and no more may wait for it"))

    async def close(self) -> None:
        """What waits is taken, or was in vain. Idempotent."""
        await self._retry()
        if self._items:
            log.error("the store was away for too long: what a bot sent is lost", count=len(self._items))
            self._items.clear()
            self._of.clear()

    def _put(self, item: Item, error: StoreUnavailable) -> None:
        size_bytes = _size_bytes(item)
        if len(self._items) >= WAITING_MAX or self._bytes + size_bytes > WAITING_MAX_BYTES:
            raise error
        if not self._items:
            log.warning("the store is away: what a bot sends waits for it", code=error.code)
            self._tried_s = time.monotonic()
        if isinstance(item, Sound) and item.moment == Moment():  # which is when it comes
            length_s = len(item.pcm) / 2 / item.rate_hz
            item = replace(item, moment=Moment(at=self._clock() - length_s))
        self._items.append(item)
        self._of[_whose(item)] += 1
        self._bytes += size_bytes

    async def _retry(self) -> None:
        while self._items:
            item = self._items[0]
            try:
                await self._take(item)
            except StoreUnavailable:
                self._tried_s = time.monotonic()
                return
            except (BadInput, Overloaded) as error:
                log.info("what a bot sent is refused late", code=error.code, why=error.message)
            self._items.popleft()
            self._of[_whose(item)] -= 1
            self._bytes -= _size_bytes(item)


def _whose(item: Item) -> int | None:
    """None: of nobody in particular."""
    if isinstance(item, Head | Unknown) or item.participant is None:
        return None
    return item.participant.id


def _size_bytes(item: Item) -> int:
    match item:
        case Sound():
            return len(item.pcm)
        case Picture():
            return len(item.data)
        case Told() | ProviderData():
            return len(repr(item.payload))
    return 0
