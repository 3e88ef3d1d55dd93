"""This node among those that share its database: that it is there, and which of the others are no more.

Each says every quarter of its lease that it is there. Who was not seen for a lease is gone: any other node says so, in
one statement, and takes over what it held (``server.recovery``). A node that finds itself to be gone lets go of
everything and joins anew. Whoever could not reach the database waits for a whole lease before it says that of others:
they may not have reached it either.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from protocol import ids
from protocol.errors import EarshotError, StoreUnavailable
from server.nodes.holding import Holding
from server.nodes.slot import Slot
from server.rounds import repeat
from server.settings import Settings
from server.store.store import Store

log = structlog.get_logger(__name__)

BEATS_A_LEASE = 4
ADOPTED_AT_ONCE = 16


async def _nothing(_: Sequence[str] = ()) -> None:
    pass


class Membership:
    """One node's. ``stop`` it when nothing is held any more."""

    def __init__(self, settings: Settings, store: Store, slot: Slot, holding: Holding, keys_digest: str) -> None:
        self._settings = settings
        self._store = store
        self._slot = slot
        self._keys_digest = keys_digest
        self._tasks: list[asyncio.Task[None]] = []
        self._sees_since_s: float | None = None  # since when the database answers, without a break
        self._said_s = 0.0  # monotonic: when it began to say last that it is there, and was heard
        self.holding = holding
        self._adopted: Callable[[Sequence[str]], Awaitable[object]] = _nothing
        self._lost: Callable[[], Awaitable[None]] = _nothing
        self._woken = asyncio.Event()  # a node is gone

    @classmethod
    async def join(cls, settings: Settings, store: Store, slot: Slot, key: bytes) -> Membership:
        """Be there, in the place of those of ``slot`` that are no more. ``key``: one that all nodes must share.

        Raises ``StoreUnavailable`` when another node that is there has another.
        """
        joined = cls(settings, store, slot, Holding(store, ""), hashlib.sha256(key).hexdigest())
        await joined._join(slot.gone)
        await joined._check_keys()
        joined._tasks.append(asyncio.create_task(joined._beat_on(), name="node"))
        return joined

    async def begin(
        self, *, adopted: Callable[[Sequence[str]], Awaitable[object]], lost: Callable[[], Awaitable[None]]
    ) -> None:
        """From now on take over what nodes that are no more held: ``adopted`` goes on with it, and returns when all of
        it can be heard. What there is now is taken over before this returns.

        ``lost``: this node was found to be gone; it returns when nothing is worked on any more.
        """
        self._adopted, self._lost = adopted, lost
        while await self._adopt(unheld=True):
            pass
        every_s = self._settings.node_lease_s / BEATS_A_LEASE
        # Beside the beats: what is taken over may take longer than a lease.
        round_ = repeat(self._adopt, every_s=every_s, name="taking over", woken=self._woken)
        self._tasks.append(asyncio.create_task(round_, name="taking over"))

    async def stop(self) -> None:
        """Be no more: what is still held is anybody's at once. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            try:
                await self._store.nodes.leave(self.holding.node_id)
            except EarshotError as error:
                log.warning("others wait until this node's lease is over", code=error.code)

    @property
    def is_sure(self) -> bool:
        """Nobody can have found this node to be gone yet, whether the database can be reached or not."""
        return time.monotonic() - self._said_s < self._settings.node_lease_s

    async def _join(self, gone: Sequence[str] = ()) -> None:
        node_id = ids.new_node_id()
        began_s = time.monotonic()
        await self._store.nodes.join(
            node_id, url=self._settings.node_url.rstrip("/"), keys_digest=self._keys_digest, gone=gone
        )
        self.holding.lost(node_id)
        await asyncio.to_thread(self._slot.name, node_id)
        self._sees_since_s, self._said_s = time.monotonic(), began_s
        log.info("node joined", node=node_id, url=self._settings.node_url or None)

    async def _check_keys(self) -> None:
        for other in await self._store.nodes.others(self.holding.node_id, seen_within_s=self._settings.node_lease_s):
            if other.keys_digest != self._keys_digest:
                await self._store.nodes.leave(self.holding.node_id)
                raise StoreUnavailable(
                    f"another node of this database{f' ({other.url})' if other.url else ''} signs with other keys: "
                    f"set shared_secret, the same on all; or wait {self._settings.node_lease_s:.0f} s if it was stopped"
                )

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._settings.node_lease_s / BEATS_A_LEASE)
            try:
                await self._beat()
            except EarshotError as error:
                self._sees_since_s = None
                log.warning("this node could not say that it is there", code=error.code)
            except Exception:
                log.exception("a node's round failed; there will be another")

    async def _beat(self) -> None:
        began_s = time.monotonic()
        if not await self._store.nodes.beat(self.holding.node_id):
            log.critical("this node was found to be gone, and begins anew", node=self.holding.node_id)
            await self._lost()
            await self._join()
            return
        self._said_s = began_s
        now_s = time.monotonic()
        if self._sees_since_s is None:
            self._sees_since_s = now_s
        if now_s - self._sees_since_s >= self._settings.node_lease_s:
            for node_id in await self._store.nodes.bury(lease_s=self._settings.node_lease_s):
                log.warning("a node is gone; what it held is taken over", node=node_id)
                self._woken.set()

    async def _adopt(self, *, unheld: bool = False) -> int:
        if self.holding.is_leaving:
            return 0
        node_id = self.holding.node_id
        found = await self._store.nodes.adopt(node_id, limit=ADOPTED_AT_ONCE, unheld=unheld)
        self.holding.took_over(found, node_id)
        if found:
            await self._adopted(list(found))
        return len(found)
