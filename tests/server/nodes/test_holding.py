"""What a node holds, and when it lets go of it."""

from __future__ import annotations

import asyncio

from server.bus import InProcessBus
from server.journal import Journal
from server.nodes.holding import Holding
from server.store.store import Store
from tests.server.spoken import status


async def test_nothing_is_let_go_of_before_all_that_was_told_of_it_is_stored(store: Store) -> None:
    """After an outage the journal tries again a little later than whoever lets go."""
    await store.nodes.join("nod_a", url="", keys_digest="")
    holding = Holding(store, "nod_a")
    journal = Journal(store, InProcessBus(), commit_interval_s=0.5, node_id=lambda: holding.node_id)
    holding.all_stored = journal.flushed
    journal.start()
    try:
        made = (await store.create_transcript()).id
        await holding.hold(made)
        await journal.append(made, status("first"))  # the next ones wait for company
        last = journal.give(made, [status("last")], held=True)
        async with asyncio.timeout(30):
            await holding.let_go(made)
        assert await store.nodes.holder(made) is None
        told = await journal.outcome(last)
        assert [event.seq for event in told] == [2]
    finally:
        await journal.stop()
