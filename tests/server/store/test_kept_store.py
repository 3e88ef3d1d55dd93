"""Where sound lies, as the database says it."""

from __future__ import annotations

import time

import pytest

from protocol.errors import HeldElsewhere, NotFound
from server.store import kept_store, node_store
from server.store.records import Track
from server.store.store import Store


async def ended(store: Store, transcript_id: str, **more: str) -> Track:
    return await store.create_track(transcript_id, source="stream", started_at=1.0, state="finished", **more)  # type: ignore[arg-type]


async def test_each_turn_is_greater_than_any_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = await store.create_transcript()
    track = await ended(store, transcript.id)
    assert (track.kept_in, track.is_remote) == (None, False)
    turns = [await store.kept.take(track.id, folder) for folder in ("a", "a", "b")]
    kept = await store.get_track(track.id)
    assert (kept.kept_in, kept.kept_turn) == ("b", turns[-1])
    await store.delete_track(track.id)
    with pytest.raises(NotFound):
        await store.kept.take(track.id, "a")
    again = await ended(store, transcript.id, track_id=track.id)
    now = node_store.database_now
    monkeypatch.setattr(kept_store, "database_now", lambda conn: now(conn) + 10.0)
    turns.append(await store.kept.take(again.id, "a"))
    assert turns == sorted(set(turns))


async def test_the_first_turn_is_by_the_clock_that_all_nodes_share(database_url: str) -> None:
    slow = await Store.open(database_url, clock=lambda: 1000.0)
    try:
        track = await ended(slow, (await slow.create_transcript()).id)
        assert abs(await slow.kept.take(track.id, "a") - time.time()) < 3600
    finally:
        await slow.close()


async def test_a_node_that_does_not_hold_the_transcript_takes_nothing_back(store: Store) -> None:
    transcript = await store.create_transcript()
    track = await ended(store, transcript.id)
    for node_id in ("a", "b"):
        await store.nodes.join(node_id, url="", keys_digest="k")
    await store.nodes.hold(transcript.id, "b")
    await store.kept.take(track.id, "of b", held_by="b")
    with pytest.raises(HeldElsewhere):
        await store.kept.take(track.id, "of a", held_by="a")
    assert (await store.get_track(track.id)).kept_in == "of b"


async def test_what_is_left_is_found_by_its_folder_until_it_has_arrived(store: Store) -> None:
    transcript = await store.create_transcript()
    mine, other, nobodys = [await ended(store, transcript.id) for _ in range(3)]
    turn = await store.kept.take(mine.id, "a")
    await store.kept.take(other.id, "b")
    live = await store.create_track(transcript.id, source="stream", started_at=1.0)
    await store.kept.take(live.id, "a")
    assert [each.id for each in await store.kept.left("a", "", limit=9)] == [mine.id]
    found = await store.kept.left("a", "", limit=9, nobodys=True)
    assert [each.id for each in found] == sorted([mine.id, nobodys.id])
    assert [each.id for each in await store.kept.left("a", found[0].id, limit=9, nobodys=True)] == [found[1].id]
    assert await store.kept.folders([mine.id, other.id, nobodys.id, "unknown"]) == {
        mine.id: "a",
        other.id: "b",
        nobodys.id: None,
    }
    assert await store.kept.arrived(mine.id, turn - 1)  # of another turn: nothing is said of this one
    assert [each.id for each in await store.kept.left("a", "", limit=9)] == [mine.id]
    assert await store.kept.arrived(mine.id, turn)
    assert await store.kept.left("a", "", limit=9) == []
    assert (await store.get_track(mine.id)).is_remote
    await store.kept.take(mine.id, "a")  # more is to come
    assert not (await store.get_track(mine.id)).is_remote


async def test_what_is_gone_is_noted_with_what_takes_it_away(store: Store) -> None:
    silent, destroyed = await store.create_transcript(), await store.create_transcript()
    tracks = [await ended(store, each.id) for each in (silent, destroyed)]
    turns = [await store.kept.take(each.id, "a") for each in tracks]
    await store.remove_audio(silent.id)
    await store.remove_audio(silent.id)
    await store.destroy_transcript(destroyed.id)
    noted = await store.kept.gone("", limit=9)
    assert [path for path, _ in noted] == sorted([silent.id, destroyed.id])
    assert await store.kept.gone(noted[0][0], limit=9) == noted[1:]
    for track, turn in zip(tracks, turns, strict=True):
        assert not await store.kept.arrived(track.id, turn)
    assert await store.kept.left("a", "", limit=9) == []
    assert await store.kept.folders([each.id for each in tracks]) == {}
    assert await store.kept.is_again(tracks[0].path)
    assert not await store.kept.is_again(tracks[1].path)
    for path, _ in noted:
        await store.kept.forget_gone(path)
    assert await store.kept.gone("", limit=9) == []
