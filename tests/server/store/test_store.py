"""Records: transcripts and tracks, and how the database is opened."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from protocol.errors import IllegalMove, NotFound, StoreUnavailable
from protocol.states import TRANSCRIPT_MOVES, TranscriptState
from server.store.listing import Wanted
from server.store.store import Store
from server.store.tables import metadata
from tests.server.spoken import final, put

MISSING = "00000000-0000-4000-8000-000000000000"


async def test_a_transcript_is_kept_as_it_was_made(store: Store, database_url: str) -> None:
    made = await store.create_transcript(name="Réunion ☕", language="fr", owner="me")
    assert (made.state, made.last_seq, made.segments, made.words) == (TranscriptState.IDLE, 0, 0, 0)
    again = await Store.open(database_url)
    assert await again.get_transcript(made.id) == made
    await again.close()


async def test_pages_are_newest_first_and_searched_by_name(store: Store) -> None:
    made = [await store.create_transcript(name=name) for name in ("Alpha", "Beta 100%", "alphabet")]
    items, total = await store.list_transcripts(page=1, size=2)
    assert ([item.id for item in items], total) == ([made[2].id, made[1].id], 3)
    items, total = await store.list_transcripts(page=2, size=2)
    assert ([item.id for item in items], total) == ([made[0].id], 3)
    found, total = await store.list_transcripts(Wanted(search="ALPHA"))
    assert ([item.name for item in found], total) == (["alphabet", "Alpha"], 2)
    found, _ = await store.list_transcripts(Wanted(search="%"))
    assert [item.name for item in found] == ["Beta 100%"]
    assert await store.list_transcripts(page=3, size=2) == ([], 3)


async def test_a_transcript_is_changed_where_asked(store: Store) -> None:
    made = await store.create_transcript(name="before", owner="me")
    changed = await store.update_transcript(made.id, name="after", summary={"summary": "short"})
    assert (changed.name, changed.language, changed.owner) == ("after", "en", "me")
    assert changed.summary == {"summary": "short"}
    assert changed.updated_at > made.updated_at
    assert (await store.update_transcript(made.id, language="de")).summary == {"summary": "short"}
    assert (await store.update_transcript(made.id, summary=None)).summary is None


async def test_names_no_database_can_hold_are_cleaned(store: Store) -> None:
    made = await store.create_transcript(name="a\x00b\ud800c")
    assert made.name == "ab?c"


@pytest.mark.parametrize(
    ("here", "there"),
    [pair for pair in itertools.product(TranscriptState, TranscriptState) if TranscriptState.FAILED in pair],
)
async def test_states_move_by_the_table(sqlite_url: str, here: TranscriptState, there: TranscriptState) -> None:
    store = await Store.open(sqlite_url)
    made = await store.create_transcript()
    for step in _way_to(here):
        await store.set_state(made.id, step)
    if there in TRANSCRIPT_MOVES[here]:
        assert (await store.set_state(made.id, there)).state is there
    else:
        with pytest.raises(IllegalMove):
            await store.set_state(made.id, there)
        assert (await store.get_transcript(made.id)).state is here
    await store.close()


def _way_to(state: TranscriptState) -> list[TranscriptState]:
    ways: dict[TranscriptState, list[TranscriptState]] = {TranscriptState.IDLE: []}
    while state not in ways:
        for here, way in list(ways.items()):
            for there in TRANSCRIPT_MOVES[here]:
                ways.setdefault(there, [*way, there])
    return ways[state]


async def test_of_two_moves_at_once_one_is_illegal(store: Store) -> None:
    made = await store.create_transcript()
    moves = [store.set_state(made.id, TranscriptState.RECORDING) for _ in range(2)]
    results = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["IllegalMove", "Transcript"]


async def test_tracks_are_kept_and_changed(store: Store) -> None:
    made = await store.create_transcript()
    second = await store.create_track(made.id, source="stream", started_at=20.0, name="mic", speaker="Ann")
    first = await store.create_track(made.id, source="file", started_at=10.0, path="x/y", track_id="trk_mine")
    assert await store.tracks_of(made.id) == [first, second]
    assert (first.id, first.path, first.state, second.path) == ("trk_mine", "x/y", "open", f"{made.id}/{second.id}")
    changed = await store.update_track(second.id, length_samples=32000, transcribed_samples=16000, state="finished")
    assert (changed.length_samples, changed.transcribed_samples, changed.state) == (32000, 16000, "finished")
    assert changed.speaker == "Ann"
    assert await store.get_track(second.id) == changed
    assert await store.update_track(second.id) == changed


async def test_the_duration_counts_shared_time_once(store: Store) -> None:
    made = await store.create_transcript()
    for started_at, length_s in ((100.0, 10), (105.0, 10), (5000.0, 1)):
        track = await store.create_track(made.id, source="webrtc", started_at=started_at)
        await store.update_track(track.id, length_samples=length_s * 16000)
    assert (await store.get_transcript(made.id)).duration_samples == 16 * 16000


async def test_deleting_takes_everything_and_names_the_tracks(store: Store) -> None:
    made, other = await store.create_transcript(), await store.create_transcript()
    track = await store.create_track(made.id, source="file", started_at=1.0)
    await put(store, made.id, final())
    await put(store, other.id, final())
    assert await store.destroy_transcript(made.id) == [track]
    assert await store.events_after(made.id, 0, 10) == []
    assert await store.segments_of(made.id) == []
    with pytest.raises(NotFound):
        await store.get_track(track.id)
    assert len(await store.segments_of(other.id)) == 1


async def test_unknown_ids_are_not_found(store: Store) -> None:
    for call in (
        store.get_transcript(MISSING),
        store.update_transcript(MISSING, name="x"),
        store.set_state(MISSING, TranscriptState.RECORDING),
        store.destroy_transcript(MISSING),
        store.create_track(MISSING, source="file", started_at=0.0),
        store.get_track("trk_none"),
        store.update_track("trk_none", length_samples=1),
        store.update_track("trk_none"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_the_migrations_make_the_tables_that_the_code_uses(store: Store, database_url: str) -> None:
    engine = create_async_engine(database_url)

    def differences(conn: sa.Connection) -> list[object]:
        # The index of words is not the same on both: it stands in the migration alone.
        def is_ours(name: str | None, _kind: str, _parents: object) -> bool:
            return name is None or not (name.startswith("passages_index") or name.endswith("lexemes"))

        context = MigrationContext.configure(conn, opts={"compare_type": True, "include_name": is_ours})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as conn:
        assert await conn.run_sync(differences) == []
    await engine.dispose()


async def test_nodes_that_start_together_migrate_once(empty_database_url: str) -> None:
    stores = await asyncio.gather(*(Store.open(empty_database_url) for _ in range(3)))
    made = await stores[0].create_transcript()
    for store in stores:
        assert await store.get_transcript(made.id) == made
        await store.close()


async def test_a_database_of_a_newer_version_is_refused(empty_database_url: str) -> None:
    await (await Store.open(empty_database_url)).close()
    engine = create_async_engine(empty_database_url)
    async with engine.begin() as conn:
        await conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await engine.dispose()
    with pytest.raises(StoreUnavailable, match="newer"):
        await Store.open(empty_database_url)


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.check()
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.check()


async def test_a_check_leaves_nothing(store: Store) -> None:
    await store.check()
    assert await store.list_transcripts() == ([], 0)


async def test_a_database_that_answers_but_takes_nothing_fails_its_check(sqlite_url: str) -> None:
    store = await Store.open(sqlite_url)
    async with store._database.writes.connect() as conn:
        await conn.exec_driver_sql("PRAGMA query_only = ON")
    assert await store.list_transcripts() == ([], 0)
    with pytest.raises(StoreUnavailable):
        await store.check()
    await store.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql+pymysql://x/y", "sqlite+aiosqlite://", "sqlite:////proc/no/such.db"]
)
async def test_urls_that_cannot_work_are_refused(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        await Store.open(url)


async def test_a_track_is_removed_and_its_transcript_stays(store: Store) -> None:
    made = await store.create_transcript()
    kept, gone = [await store.create_track(made.id, source="webrtc", started_at=at) for at in (1.0, 2.0)]
    for _ in range(2):
        await store.delete_track(gone.id)
    assert await store.tracks_of(made.id) == [kept]
