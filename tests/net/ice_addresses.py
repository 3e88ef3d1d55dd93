"""Which local addresses an aiortc client uses, and when its ICE has come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from media.webrtc.guard import end_consent

LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
SETTLE_TURNS = 20


class IceAddresses:
    """On sockets of aioice's own: ``only`` these addresses, or the machine's and, with ``loopback``, those it omits."""

    def __init__(self, connection: Any, *, loopback: bool, only: Sequence[str] | None = None) -> None:
        self.connection = connection
        self._added = LOOPBACK_ADDRESSES if loopback else ()
        self._only = only
        self._gather = connection.get_component_candidates
        self._connect = connection.connect
        self._settled = asyncio.Event()
        self._settled.set()
        connection.get_component_candidates = self._candidates
        connection.connect = self._connecting

    async def settled(self) -> None:
        """After it was closed: until nobody waits in its ``connect``."""
        await self._settled.wait()
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def _candidates(self, component: int, addresses: Sequence[str], timeout: int = 5) -> Any:
        wanted = dict.fromkeys([*addresses, *self._added]) if self._only is None else self._only
        return await self._gather(component=component, addresses=[*wanted], timeout=timeout)

    async def _connecting(self) -> None:
        self._settled.clear()
        try:
            await self._connect()
            await end_consent(self.connection)
        finally:
            self._settled.set()
