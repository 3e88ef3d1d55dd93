"""What is done once in the whole fleet: the rounds that look at everything, and things that are made one by one.

A duty is a row in the database that names the node that has it. It holds as long as that node is there
(``Membership``), so a node that dies gives up its duties with its lease, and there is nothing to renew. A round stays
with the node that took it first; a thing that is made is given back when it is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from protocol.errors import EarshotError
from server.store.node_store import NodeStore

log = structlog.get_logger(__name__)


class Duties:
    """One node's. ``node_id`` gives another id after others found that the node was gone."""

    def __init__(self, nodes: NodeStore, node_id: Callable[[], str]) -> None:
        self._nodes = nodes
        self._node_id = node_id
        self._here: set[str] = set()  # what some task of this process does now

    @property
    def node_id(self) -> str:
        return self._node_id()

    async def mine(self, name: str) -> bool:
        """Whether this node does it, from now on or already."""
        return await self._nodes.take_duty(name, self._node_id())

    def round(self, name: str, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
        """``work`` for ``repeat`` that is done on one node alone: this one, if it was the first, or is the next."""

        async def once() -> None:
            if await self.mine(name):
                await work()

        return once

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[bool]:
        """Whether it is to be done here; if so, nobody else does it until the end of this."""
        if name in self._here:
            yield False
            return
        self._here.add(name)
        try:
            node_id = self._node_id()
            is_mine = await self._nodes.take_duty(name, node_id)
            try:
                yield is_mine
            finally:
                if is_mine:
                    await self._give_back(name, node_id)
        finally:
            self._here.discard(name)

    async def _give_back(self, name: str, node_id: str) -> None:
        try:
            await self._nodes.drop_duty(name, node_id)
        except EarshotError as error:  # it stays this node's, which may take it up again
            log.warning("a duty is not given back", duty=name, code=error.code)
