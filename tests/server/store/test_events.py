"""Numbered events: no holes, nothing twice, whoever writes."""

from __future__ import annotations

import asyncio

import pytest

from protocol.events import EventBody, Failed, SpeakerTurn, Summarised
from server.store.records import NewEvent
from server.store.store import Store
from tests.server.spoken import final, put, status

MISSING = "00000000-0000-4000-8000-000000000000"


async def test_events_are_numbered_from_one_per_transcript(store: Store) -> None:
    a, b = (await store.create_transcript()).id, (await store.create_transcript()).id
    told = await store.append_events([NewEvent.of(key, status()) for key in (a, b, a, a)])
    assert [(event.transcript_id, event.seq) for event in told if event] == [(a, 1), (b, 1), (a, 2), (a, 3)]
    told = await store.append_events([NewEvent.of(b, status())])
    assert [event.seq for event in told if event] == [2]
    assert (await store.get_transcript(a)).last_seq == 3


async def test_every_body_is_read_back_as_it_was_told(store: Store) -> None:
    made = (await store.create_transcript()).id
    bodies: list[EventBody] = [
        final(text="naïve 😀 \x00 \u2028"),
        SpeakerTurn(
            speaker="Ann", speaker_id="1", track="trk_1", start_samples=0, end_samples=5, track_started_at=1000.125
        ),
        status("on"),
        Summarised(summary="s", topics=("a", "b")),
        Failed(code="X", message="m", details={"deep": [1, {"x": None}]}),
    ]
    told = await store.append_events([NewEvent.of(made, body) for body in bodies])
    read = await store.events_after(made, 0, 100)
    assert read == told
    assert [event.body for event in read] == bodies


async def test_events_are_read_by_pages(store: Store) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, *(status(str(i)) for i in range(7)))
    assert [event.seq for event in await store.events_after(made, 0, 3)] == [1, 2, 3]
    assert [event.seq for event in await store.events_after(made, 5, 3)] == [6, 7]
    assert await store.events_after(made, 7, 3) == []
    assert await store.events_after(MISSING, 0, 3) == []


async def test_a_transcript_that_is_gone_fails_its_own_entries_only(store: Store) -> None:
    made = (await store.create_transcript()).id
    told = await store.append_events([NewEvent.of(key, status()) for key in (made, MISSING, made)])
    assert [event and event.seq for event in told] == [1, None, 2]


async def test_trying_again_stores_nothing_twice(store: Store) -> None:
    made = (await store.create_transcript()).id
    first, second, third = (NewEvent.of(made, final(f"seg_{i}", "one two")) for i in range(3))
    told = await store.append_events([first, second])
    again = await store.append_events([first, second, third], again=True)
    assert again[:2] == told
    assert [event.seq for event in await store.events_after(made, 0, 100)] == [1, 2, 3]
    kept = await store.get_transcript(made)
    assert (kept.last_seq, kept.segments, kept.words) == (3, 3, 6)


async def test_the_newest_summary_is_the_transcripts(store: Store) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, Summarised(summary="first"), Summarised(summary="second", topics=("t",)))
    assert (await store.get_transcript(made)).summary == {
        "summary": "second",
        "topics": ["t"],
        "action_items": [],
        "key_points": [],
    }


@pytest.mark.parametrize("nodes", [2, 3])
async def test_several_nodes_share_the_numbers_without_holes(database_url: str, nodes: int) -> None:
    stores = [await Store.open(database_url) for _ in range(nodes)]
    made = [(await stores[0].create_transcript()).id for _ in range(3)]

    async def write(store: Store, node: int) -> None:
        for i in range(10):
            # Each node names the transcripts in another order: they must not wait for each other in a ring.
            turned = made[node % 3 :] + made[: node % 3]
            await put(store, turned[0], status())
            await store.append_events([NewEvent.of(key, final(f"seg_{node}_{i}")) for key in turned])

    await asyncio.gather(*(write(store, node) for node, store in enumerate(stores)))
    total = 0
    for key in made:
        seqs = [event.seq for event in await stores[0].events_after(key, 0, 1000)]
        assert seqs == list(range(1, len(seqs) + 1))
        total += len(seqs)
        assert (await stores[0].get_transcript(key)).segments == nodes * 10
    assert total == nodes * 40
    for store in stores:
        await store.close()
