"""The transcripts that this node holds: it alone works on them, until it lets go of them or is found to be gone."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from protocol.errors import HeldElsewhere, NotFound
from server.store.node_store import Before, Holder
from server.store.store import Store

COME_BACK_S = 1.0


async def _nothing_left(_: str) -> None:
    pass


class Holding:
    """What this node knows to hold. ``node_id`` is another one after others found that it was gone (``Membership``).

    Who takes or leaves a transcript has its lock (``Hub.lock_of``).
    """

    def __init__(self, store: Store, node_id: str) -> None:
        self._store = store
        self.node_id = node_id
        self._held: dict[str, float] = {}  # since when each was last asked for
        self._kept: Counter[str] = Counter()  # by how many, besides sessions
        self.is_leaving = False  # no more is begun or taken over
        self.unfinished: set[str] = set()  # what this node, which stops, leaves to the next one; also when let go of
        # Of those held: where something that the node before left open is still to be opened (``Recovery``).
        self.left: dict[str, Before] = {}
        self.left_found = asyncio.Event()
        # Until all is stored that was told of one as its holder: nothing is taken from who holds it no more.
        self.all_stored: Callable[[str], Awaitable[None]] = _nothing_left

    @property
    def held(self) -> frozenset[str]:
        return frozenset(self._held)

    async def hold(self, transcript_id: str) -> str:
        """Hold it from now on, as the node whose id this returns. What counts is what the database says, not what is
        known here. Raises ``NotFound``, and ``HeldElsewhere`` with where to go."""
        node_id = self.node_id
        try:
            held = await self._store.nodes.hold(transcript_id, node_id)
            if isinstance(held, Holder):
                raise elsewhere(held)
            if node_id != self.node_id:
                raise HeldElsewhere("this node was gone meanwhile: connect again", retry_after_s=COME_BACK_S)
        except HeldElsewhere:
            self._held.pop(transcript_id, None)
            self.left.pop(transcript_id, None)
            raise
        self._held[transcript_id] = time.monotonic()
        if held is not None and transcript_id not in self.unfinished:
            self.left[transcript_id] = held
            self.left_found.set()
        return node_id

    @asynccontextmanager
    async def beginning(self, transcript_id: str) -> AsyncIterator[None]:
        """As ``hold``, for a session that begins in it: where another node took the transcript over meanwhile, and
        perhaps forgot the track, that is raised, with where to go."""
        await self.hold(transcript_id)
        try:
            yield
        except (NotFound, HeldElsewhere):
            await self.hold(transcript_id)
            raise

    @asynccontextmanager
    async def kept(self, transcript_id: str, lock: asyncio.Lock) -> AsyncIterator[str]:
        """Hold it until the end of this, whatever else is done with it; gives the id of the node that holds it. Then
        whoever had it may let go of it.

        ``lock``: the transcript's. Raises as ``hold`` does.
        """
        async with lock:
            node_id = await self.hold(transcript_id)
            self._kept[transcript_id] += 1
        try:
            yield node_id
        finally:
            self._kept[transcript_id] -= 1
            if not self._kept[transcript_id]:
                del self._kept[transcript_id]

    async def check(self, transcript_id: str) -> None:
        """Raises ``HeldElsewhere`` when another node holds it."""
        if transcript_id in self._held:
            return
        holder = await self._store.nodes.holder(transcript_id)
        if holder is not None and holder.node_id != self.node_id:
            raise elsewhere(holder)

    async def let_go(self, transcript_id: str) -> None:
        """Others may take it; one of the ``unfinished`` they do as if this node were gone. Nothing happens where it is
        not held, or kept, or something that was left of it is still to be opened here. Raises ``StoreUnavailable``,
        also while what was told of it still waits for the store: then it is held as before."""
        if transcript_id in self._kept or transcript_id in self.left or transcript_id not in self._held:
            return
        await self.all_stored(transcript_id)
        since_s = self._held.pop(transcript_id, None)
        if since_s is None:
            return
        try:
            unfinished = transcript_id in self.unfinished
            await self._store.nodes.let_go(transcript_id, self.node_id, unfinished=unfinished)
        except BaseException:
            self._held.setdefault(transcript_id, since_s)  # to be let go of later
            raise

    def took(self, transcript_ids: Iterable[str], node_id: str) -> None:
        """The store gave them to the node of that id, which this one may not be any more."""
        if node_id == self.node_id:
            self._held.update(dict.fromkeys(transcript_ids, time.monotonic()))

    def took_over(self, left: Mapping[str, Before], node_id: str) -> None:
        """As ``took``, from nodes that left something of them open."""
        self.took(left, node_id)
        if node_id == self.node_id:
            self.left.update(left)

    def was_left(self, transcript_id: str) -> bool:
        """Whether the node before stopped, and told the sources of what is still to be opened to go on elsewhere."""
        return self.left.get(transcript_id) is Before.STOPPED

    def idle(self, *, for_s: float) -> list[str]:
        """Those that nobody asked for, for so long."""
        before_s = time.monotonic() - for_s
        return [transcript_id for transcript_id, at_s in self._held.items() if at_s < before_s]

    def lost(self, node_id: str) -> None:
        """This node was found to be gone: it holds nothing, and is another from now on."""
        self._held.clear()
        self.unfinished.clear()
        self.left.clear()
        self.node_id = node_id


def elsewhere(holder: Holder) -> HeldElsewhere:
    """``details.server_url`` is where clients find the node, if it has an address of its own."""
    where = f"connect to {holder.url}" if holder.url else "connect again"
    error = HeldElsewhere(
        f"another node has this transcript now: {where}",
        details={"server_url": holder.url or None, "retry_after_s": COME_BACK_S},
        retry_after_s=COME_BACK_S,
    )
    error.node_id = holder.node_id
    return error
