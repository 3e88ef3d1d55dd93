"""Nodes that share a database, and who of them holds what."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from protocol.errors import HeldElsewhere, NotFound
from protocol.events import Failed
from protocol.states import TranscriptState
from server.store.node_store import Before, Holder
from server.store.node_tables import nodes
from server.store.records import NewEvent
from server.store.store import Store


async def join(store: Store, *node_ids: str) -> None:
    for node_id in node_ids:
        await store.nodes.join(node_id, url=f"http://{node_id}", keys_digest="k")


async def age(database_url: str, node_id: str, by_s: float) -> None:
    """So long ago it was seen last."""
    engine = create_async_engine(database_url)
    async with engine.begin() as conn:
        await conn.execute(sa.update(nodes).where(nodes.c.id == node_id).values(seen_at=nodes.c.seen_at - by_s))
    await engine.dispose()


async def test_one_node_holds_a_transcript_until_it_lets_go(store: Store) -> None:
    await join(store, "a", "b")
    made = await store.create_transcript()
    assert await store.nodes.holder(made.id) is None
    assert await store.nodes.hold(made.id, "a") is None
    assert await store.nodes.hold(made.id, "a") is None
    held = await store.nodes.hold(made.id, "b")
    assert isinstance(held, Holder)
    assert (held.node_id, held.url) == ("a", "http://a")
    await store.nodes.let_go(made.id, "b")  # which does not hold it
    there = await store.nodes.holder(made.id)
    assert there is not None
    assert there.node_id == "a"
    await store.nodes.let_go(made.id, "a")
    assert await store.nodes.hold(made.id, "b") is None


async def test_of_many_that_want_it_at_once_one_gets_it(store: Store) -> None:
    names = [f"n{number}" for number in range(8)]
    await join(store, *names)
    made = await store.create_transcript()
    answers = await asyncio.gather(*(store.nodes.hold(made.id, name) for name in names))
    assert sum(answer is None for answer in answers) == 1
    [holder] = {answer.node_id for answer in answers if isinstance(answer, Holder)}
    assert answers[names.index(holder)] is None


async def test_there_is_nothing_to_hold_of_what_there_is_not(store: Store) -> None:
    await join(store, "a")
    with pytest.raises(NotFound):
        await store.nodes.hold("no-such", "a")
    made = await store.create_transcript()
    await store.delete_transcript(made.id)
    assert await store.nodes.hold(made.id, "a") is None  # what was live on it comes to its end
    await store.destroy_transcript(made.id)
    with pytest.raises(NotFound):
        await store.nodes.hold(made.id, "a")


async def test_a_node_that_was_not_seen_for_its_lease_is_gone(store: Store, database_url: str) -> None:
    await join(store, "a", "b", "c")
    await age(database_url, "a", 100)
    await age(database_url, "b", 5)
    assert [each.node_id for each in await store.nodes.others("c", seen_within_s=10)] == ["b"]
    assert await store.nodes.bury(lease_s=10) == ["a"]
    assert await store.nodes.bury(lease_s=10) == []
    assert not await store.nodes.beat("a")
    assert await store.nodes.beat("b")
    assert await store.nodes.bury(lease_s=4) == []


async def test_what_it_held_is_taken_over_once_the_oldest_first(store: Store) -> None:
    await join(store, "a", "b", "c")
    made = [(await store.create_transcript()).id for _ in range(5)]
    for transcript_id in made[:4]:
        await store.nodes.hold(transcript_id, "a")
    assert await store.nodes.adopt("b", limit=9) == {}
    await store.delete_transcript(made[1])
    await store.nodes.leave("a")
    assert await store.nodes.adopt("b", limit=1) == {made[0]: Before.GONE}
    taken = await asyncio.gather(store.nodes.adopt("b", limit=9), store.nodes.adopt("c", limit=9))
    assert sorted([*taken[0], *taken[1]]) == sorted([made[2], made[3]])
    assert await store.nodes.adopt("b", limit=9) == {}
    assert await store.nodes.hold(made[1], "c") is Before.GONE  # of one that is gone, too
    assert await store.nodes.hold(made[4], "c") is None


@pytest.mark.parametrize("by", ["hold", "adopt"])
async def test_what_a_node_left_unfinished_is_told_from_what_it_gave_back(by: str, store: Store) -> None:
    await join(store, "a", "b")
    left, back = (await store.create_transcript()).id, (await store.create_transcript()).id
    for transcript_id in (left, back):
        await store.nodes.hold(transcript_id, "a")
        await store.nodes.let_go(transcript_id, "a", unfinished=transcript_id == left)
    if by == "adopt":
        assert await store.nodes.adopt("b", limit=9) == {left: Before.STOPPED}
    else:
        assert await store.nodes.hold(left, "b") is Before.STOPPED
    assert await store.nodes.hold(left, "b") is None
    assert await store.nodes.hold(back, "b") is None


async def test_a_track_that_nobody_went_on_with_is_taken_only_where_that_is_wanted(store: Store) -> None:
    await join(store, "a")
    made = await store.create_transcript()
    track = await store.create_track(made.id, source="stream", started_at=1.0)
    assert await store.nodes.adopt("a", limit=9) == {}
    assert await store.nodes.adopt("a", limit=9, unheld=True) == {made.id: Before.GONE}
    await store.nodes.let_go(made.id, "a")
    await store.update_track(track.id, state="finished")
    assert await store.nodes.adopt("a", limit=9, unheld=True) == {}


async def test_who_joins_may_say_who_is_gone(store: Store) -> None:
    await join(store, "a", "b")
    made = await store.create_transcript()
    await store.nodes.hold(made.id, "a")
    await store.nodes.join("c", url="", keys_digest="k", gone=["a", "never-there"])
    assert await store.nodes.holder(made.id) is None
    assert await store.nodes.adopt("c", limit=9) == {made.id: Before.GONE}
    assert not await store.nodes.beat("a")
    assert await store.nodes.beat("b")


async def test_events_and_moves_of_a_node_that_lost_it_are_not_stored(store: Store) -> None:
    await join(store, "a", "b")
    made, other = await store.create_transcript(), await store.create_transcript()
    for transcript in (made, other):
        await store.nodes.hold(transcript.id, "a")
    body = Failed(code="X", message="x", recoverable=True)
    first = NewEvent.of(made.id, body, holder="a")
    assert [event and event.seq for event in await store.append_events([first])] == [1]
    await store.nodes.leave("a")
    await store.nodes.adopt("b", limit=1)
    late = NewEvent.of(made.id, body, holder="a")
    mine = NewEvent.of(other.id, body, holder="a")
    anybodys = NewEvent.of(made.id, body)
    told = await store.append_events([late, mine, anybodys])
    assert [event and event.seq for event in told] == [None, 1, 2]
    # What was stored before it was lost is found, though it is asked for after.
    assert [event and event.seq for event in await store.append_events([first, late], again=True)] == [1, None]
    with pytest.raises(HeldElsewhere):
        await store.set_state(made.id, TranscriptState.RECORDING, holder="a")
    assert (await store.set_state(made.id, TranscriptState.RECORDING, holder="b")).state is TranscriptState.RECORDING


async def test_nodes_long_gone_are_forgotten_and_what_they_held_is_not(store: Store, database_url: str) -> None:
    await join(store, "a")
    made = await store.create_transcript()
    await store.nodes.hold(made.id, "a")
    await store.nodes.leave("a")
    engine = create_async_engine(database_url)
    async with engine.begin() as conn:
        await conn.execute(sa.update(nodes).values(left_at=nodes.c.left_at - 100_000))
    await join(store, "b")
    async with engine.begin() as conn:
        assert list((await conn.execute(sa.select(nodes.c.id))).scalars()) == ["b"]
    await engine.dispose()
    assert await store.nodes.adopt("b", limit=9) == {made.id: Before.GONE}


async def test_who_comes_as_it_is_let_go_of_gets_it_or_is_told_of_the_one_before(store: Store) -> None:
    await join(store, "a", "b")
    made = await store.create_transcript()
    for _ in range(40):
        await store.nodes.hold(made.id, "a")
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(store.nodes.hold(made.id, "b"))
            group.create_task(store.nodes.let_go(made.id, "a"))
        await store.nodes.let_go(made.id, "b")
