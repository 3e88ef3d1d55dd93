"""A balancer of TCP as there are many: each new connection goes to the next target that takes one; it knows no more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from tests.net.relay import Address, TcpRelay


class Balancer(TcpRelay):
    """On loopback. ``async with Balancer(targets) as balancer: balancer.address``."""

    def __init__(self, targets: Sequence[Address]) -> None:
        super().__init__(targets[0])
        self._targets = list(targets)

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._targets:
            self.target, *others = self._targets
            self._targets = [*others, self.target]
            with contextlib.suppress(ConnectionRefusedError):
                return await super().connected()
        raise ConnectionRefusedError
