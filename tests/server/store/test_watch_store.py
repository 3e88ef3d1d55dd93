from __future__ import annotations

from server.store.store import Store
from tests.server.spoken import final, put, status


async def test_how_far_journals_have_come(store: Store) -> None:
    made = [(await store.create_transcript()).id for _ in range(4)]
    await put(store, made[0], status(), status())
    await store.delete_transcript(made[2])
    await store.destroy_transcript(made[3])
    assert await store.watch.last_seqs([*made, "unknown"]) == {made[0]: 2, made[1]: 0}
    assert await store.watch.last_seqs([]) == {}


async def test_where_a_journal_says_that_it_stands(store: Store) -> None:
    made, other = [(await store.create_transcript()).id for _ in range(2)]
    await put(store, made, status("first"), status("last"), final())
    assert await store.watch.last_status(made) == status("last")
    assert await store.watch.last_status(other) is None
