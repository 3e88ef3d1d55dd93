"""Finding transcripts by their words: the same ones in the same order on both databases."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from protocol.errors import Overloaded
from protocol.events import SpeakerTurn, Summarised, Transcribed
from server.store import search_hits
from server.store import store as store_module
from server.store.database import transaction, within
from server.store.listing import EVERYTHING, Wanted
from server.store.search import SNIPPETS_MAX, Hit
from server.store.search_words import indexed, parse_query
from server.store.standing import Viewer
from server.store.store import Store
from server.store.tables import passages
from tests.server.spoken import final, put

# Name, title, summary, what was said.
LIBRARY = {
    "budget": ("Monday", "Budget review", "We agreed on the budget.", ["the budget is too small", "we ask for more"]),
    "café": ("Café meeting", "", "", ["un café crème", "the crème de la crème", "budget"]),
    "thermal": ("", "", "", ["the thermal budget of the probe", "thermal limits", "how are you"]),
    "日本": ("", "", "", ["今日は晴天です", "東京の天気"]),
    "москва": ("", "Совещание", "", ["привет из Москвы", "как дела"]),
    "long": ("", "", "", [f"filler number {i}" for i in range(5)]),
    "empty": ("nothing said", "", "", []),
}
# A query, and what it finds, the best first. Times of making: later ones first where nothing else decides.
FOUND = [
    ("budget", ["budget", "thermal", "café"]),
    ("the budget", ["budget", "thermal", "café"]),
    ("thermal budget", ["thermal"]),
    ('"thermal budget"', ["thermal"]),
    ('"budget thermal"', []),
    ("BUDG", ["budget", "thermal", "café"]),
    ("small budg", ["budget"]),
    ("budg small", []),
    ('"budg"', []),
    ("cafe creme", ["café"]),
    ("Café", ["café"]),
    ("晴天", ["日本"]),
    ("天気 今日", ["日本"]),
    ("天晴", []),
    ("привет моск", ["москва"]),
    ("совещание", ["москва"]),
    ("nothing", ["empty"]),
    ("how you", ["thermal"]),
    ("number", ["long"]),
    ("budget nowhere", []),
    ("!!!", []),
    ('"', []),
]
HOSTILE = [
    *("*", "a*", "NEAR(a b)", "a AND", "OR", "NOT a", "words:budget", "-budget", "^budget", "a:*b", "{a b}:c"),
    *("'", "''", '"unclosed', '"a" "b', "a''b", "\\", "a & b | !c <-> d", ":*", "(", ")", "a<2>b", "\x00", "a\x00b"),
    *("😀", "%", "_", "a" * 500, "é" * 500, "a " * 500, '"' * 500, "w", "x", "w*", "\u200d", "\u0301", "1e5", "0x10"),
    *("$1", ":q", "?", "--", ";", "/*", "../..", "a.b@c.de", "https://x.yz/a?b=c"),
]


@pytest.fixture
async def library(store: Store) -> dict[str, str]:
    """Ids by name."""
    made: dict[str, str] = {}
    for key, (name, title, summary, said) in LIBRARY.items():
        transcript = await store.create_transcript(name=name, title=title)
        made[key] = transcript.id
        events = [final(f"seg_{key}_{i}", text, start_samples=i * 32000) for i, text in enumerate(said)]
        await put(store, transcript.id, *events, *([Summarised(summary=summary)] if summary else []))
    return made


async def find(store: Store, query: str, wanted: Wanted = EVERYTHING, **page: int) -> list[Hit]:
    hits, _ = await store.search(parse_query(query) if query.strip() else None, wanted, **page)
    return hits


async def names(store: Store, library: dict[str, str], query: str, wanted: Wanted = EVERYTHING) -> list[str]:
    by_id = {value: key for key, value in library.items()}
    return [by_id[hit.transcript.id] for hit in await find(store, query, wanted)]


async def test_both_databases_find_the_same_in_the_same_order(store: Store, library: dict[str, str]) -> None:
    for query, expected in FOUND:
        assert await names(store, library, query) == expected, query
    assert await names(store, library, "") == list(reversed(LIBRARY))


async def test_what_is_read_without_the_index_is_found_the_same(
    store: Store, library: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {query: await store.search(parse_query(query)) for query, _ in FOUND}
    monkeypatch.setattr(search_hits, "HITS_MAX", 0)  # as if very many said each of the words
    for query, expected in FOUND:
        assert await names(store, library, query) == expected, query
        assert await store.search(parse_query(query)) == everything[query], query
    for query in HOSTILE:
        await store.search(parse_query(query))


async def test_no_query_is_an_error(store: Store, library: dict[str, str]) -> None:
    for query in HOSTILE:
        hits, total = await store.search(parse_query(query))
        assert total >= len(hits), query


async def test_pages_totals_and_ranks(store: Store, library: dict[str, str]) -> None:
    terms = parse_query("budget")
    everything, total = await store.search(terms)
    assert total == 3
    assert [hit.rank for hit in everything] == [0.6154, 0.1667, 0.1667]
    assert [hit.matches for hit in everything] == [3, 1, 1]
    second, total = await store.search(terms, limit=1, offset=1)
    assert ([hit.transcript.id for hit in second], total) == ([library["thermal"]], 3)
    assert await store.search(terms, offset=5) == ([], 3)
    assert await store.search(None, limit=1, offset=100) == ([], len(LIBRARY))


async def test_the_best_passages_are_shown_with_their_segments(store: Store, library: dict[str, str]) -> None:
    [hit] = await find(store, "budget small")
    assert [passage.kind for passage in hit.passages] == ["title", "segment", "summary"]
    said = hit.passages[1]
    assert said.segment is not None
    assert (said.text, said.segment.segment_id) == ("the budget is too small", "seg_budget_0")
    [many] = await find(store, "filler")
    assert [passage.text for passage in many.passages] == [f"filler number {i}" for i in range(SNIPPETS_MAX)]
    assert many.matches == 5


async def test_filters(store: Store) -> None:
    mine = await store.create_transcript(name="word", owner="me", source_kind="file")
    theirs = await store.create_transcript(name="word", owner="them", share_mode="semi-private")
    hidden = await store.create_transcript(name="word", owner="them")
    deleted = await store.create_transcript(name="word", owner="me")
    theirs_deleted = await store.create_transcript(name="word", owner="them", share_mode="semi-private")
    for gone in (deleted, theirs_deleted):
        await store.delete_transcript(gone.id)

    async def found(**wanted: Any) -> set[str]:
        return {hit.transcript.id for hit in await find(store, "word", Wanted(**wanted))}

    me = Viewer("me")
    assert await found() == {mine.id, theirs.id, hidden.id}
    assert await found(viewer=me) == {mine.id, theirs.id}
    assert await found(viewer=me, deleted="with") == {mine.id, theirs.id, deleted.id}
    assert await found(source_kinds=("file",)) == {mine.id}
    assert await found(room_id="none") == set()
    assert await found(created_from=theirs.created_at, created_to=hidden.created_at) == {theirs.id, hidden.id}
    await store.destroy_transcript(mine.id)
    assert await found(deleted="with") == {theirs.id, hidden.id, deleted.id, theirs_deleted.id}


async def test_the_newest_text_is_found_and_the_old_one_not(store: Store) -> None:
    made = (await store.create_transcript(name="before")).id
    await put(store, made, final(text="first version"), final("seg_2", "other words"))
    await put(store, made, final(text="second version", revision=2))
    await put(store, made, final(text="late and old", revision=1))
    await put(store, made, Summarised(summary="short", topics=("weather",)))
    await store.update_transcript(made, name="after", title="a title")
    for query, expected in {
        **dict.fromkeys(("second", "other", "after", "title", "short", "weather"), 1),
        **dict.fromkeys(("first", "late", "before"), 0),
    }.items():
        assert len(await find(store, query)) == expected, query
    await store.update_transcript(made, summary=None, title="")
    assert [await find(store, query) for query in ("weather", "title")] == [[], []]


async def test_a_relabelled_segment_costs_the_index_nothing(store: Store, database_url: str) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, final(text="good morning"))

    async def rows() -> list[tuple[int, str]]:
        engine = create_async_engine(database_url)
        async with engine.connect() as conn:
            found = [tuple(row) for row in await conn.execute(sa.select(passages.c.id, passages.c.text))]
        await engine.dispose()
        return found

    before = await rows()
    turn = SpeakerTurn(
        speaker="Ann", speaker_id="1", track="trk_1", start_samples=0, end_samples=1, track_started_at=1000.0
    )
    await put(store, made, turn.model_copy(update={"segment_ids": ("seg_1",)}))
    assert await rows() == before == [(before[0][0], "good morning")]
    [hit] = await find(store, "morning")
    segment = hit.passages[0].segment
    assert segment is not None
    assert segment.speaker == "Ann"


async def test_a_batch_with_a_revision_of_its_own_is_indexed_once(store: Store) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, final(text="draft"), final(text="fair copy", revision=2))
    assert [len(await find(store, query)) for query in ("draft", "fair")] == [0, 1]
    nothing = final("seg_2").segment.model_copy(update={"text": "", "words": ()})
    await put(store, made, Transcribed(segment=nothing, track_started_at=1.0))


async def test_what_was_there_before_is_found_after_an_upgrade(empty_database_url: str) -> None:
    store = await Store.open(empty_database_url)
    made = (await store.create_transcript(name="Old times")).id
    await put(
        store,
        made,
        final(text="long ago"),
        final("seg_2", "x"),
        final("seg_3", "Café 今日は"),
        Summarised(summary="memories"),
    )
    await put(store, made, final("seg_2", "newer words", revision=2))
    await store.close()
    engine = create_async_engine(empty_database_url)
    async with engine.begin() as conn:
        if conn.dialect.name == "sqlite":
            for name in ("inserted", "updated", "deleted"):
                await conn.exec_driver_sql(f"DROP TRIGGER passages_{name}")
            await conn.exec_driver_sql("DROP TABLE passages_index")
        else:
            await conn.exec_driver_sql("ALTER TABLE passages DROP COLUMN lexemes")
        await conn.exec_driver_sql("DELETE FROM passages")
        await conn.exec_driver_sql("ALTER TABLE passages DROP COLUMN words")
        await conn.exec_driver_sql("ALTER TABLE tracks DROP COLUMN model")
        for table in ("tracks", "uploads"):
            for later in ("diarize", "speakers_expected", "max_speakers"):
                await conn.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {later}")
        await conn.exec_driver_sql("DROP INDEX ix_tracks_left")
        for later in ("printed_samples", "grouped_samples", "kept_in", "kept_turn", "is_remote", "asked"):
            await conn.exec_driver_sql(f"ALTER TABLE tracks DROP COLUMN {later}")
        for index in ("unsummed", "held_by", "listed"):
            await conn.exec_driver_sql(f"DROP INDEX ix_transcripts_{index}")
        for later in ("summed_words", "was_summed", "made_title", "state_at", "held_by"):
            await conn.exec_driver_sql(f"ALTER TABLE transcripts DROP COLUMN {later}")
        for later in (
            *("bots", "jobs", "meeting_participants", "meeting_parts", "provider_parts", "realtime_endpoints"),
            *("report_subscriptions", "report_digests", "reports", "summary_jobs"),
            *("webhook_deliveries", "webhook_events", "webhooks"),
            *("nodes", "duties", "gone_sound"),
            *("recognised_voices", "enrolled_voices", "track_voices", "voice_prints", "speaker_merges"),
            *("chunks", "conversations", "project_tags", "projects"),
        ):
            await conn.exec_driver_sql(f"DROP TABLE {later}")
        await conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    await engine.dispose()
    again = await Store.open(empty_database_url)
    for query in ("old", "ago", "memories", "newer", "cafe", "日は"):
        assert [hit.transcript.id for hit in await find(again, query)] == [made], query
    assert await find(again, '"x"') == []
    await again.close()


async def test_a_search_that_takes_too_long_is_ended(store: Store) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "postgresql": "SELECT pg_sleep(60)",
    }
    began_s = time.monotonic()
    with pytest.raises(Overloaded):
        async with transaction(store._database.reads) as conn, within(conn, 0.05):
            await conn.exec_driver_sql(endless[conn.dialect.name])
    assert time.monotonic() - began_s < 30
    assert await store.search(parse_query("anything")) == ([], 0)
    assert store_module.SEARCH_MAX_S < 5


def test_what_is_indexed_is_bounded() -> None:
    assert len(indexed("a " * 50_000).split()) == 10_000
