"""What is looked at of words that more passages hold than can be looked at."""

from __future__ import annotations

import pytest

from server.store import search_hits
from server.store.listing import EVERYTHING, Wanted
from server.store.search_words import parse_query
from server.store.standing import Viewer
from server.store.store import Store
from tests.server.spoken import final, put

ME = Wanted(viewer=Viewer("me"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_hits, "HITS_MAX", 3)
    monkeypatch.setattr(search_hits, "READ_MAX_TRANSCRIPTS", 2)


async def said(store: Store, *texts: str, owner: str | None = None) -> str:
    made = await store.create_transcript(owner=owner)
    await put(store, made.id, *(final(f"seg_{at}", text, start_samples=at * 32_000) for at, text in enumerate(texts)))
    return made.id


async def found(store: Store, query: str, wanted: Wanted = EVERYTHING) -> tuple[list[str], int]:
    hits, total = await store.search(parse_query(query), wanted)
    return [hit.transcript.id for hit in hits], total


@pytest.mark.usefixtures("few")
async def test_a_rare_word_brings_all_that_has_a_common_one_beside_it(store: Store) -> None:
    old = await said(store, "the zeppelin", "the rest", owner="me")
    newer = [await said(store, "the", "the", owner="them") for _ in range(4)]
    for query in ("the zeppelin", "zeppelin the", '"the zeppelin"', "the zepp"):
        assert await found(store, query) == ([old], 1), query
    assert await found(store, '"zeppelin the"') == ([], 0)
    assert await found(store, "the nowhere") == ([], 0)
    assert await found(store, "the") == ([newer[3], newer[2]], 2)  # the newest that are looked at have it thrice


@pytest.mark.usefixtures("few")
async def test_what_others_said_hides_nothing_of_ones_own(store: Store) -> None:
    mine = [await said(store, "the", owner="me") for _ in range(2)]
    for _ in range(4):
        await said(store, "the", owner="them")
    assert await found(store, "the", ME) == (mine[::-1], 2)
    mine.append(await said(store, "nothing", owner="me"))  # more than are read one by one
    assert await found(store, "the", ME) == (mine[1::-1], 2)


async def test_no_more_is_read_than_may_be(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_hits, "HITS_MAX", 1)
    monkeypatch.setattr(search_hits, "READ_MAX_SEGMENTS", 2)
    first = await said(store, "the", "the")
    assert await found(store, "the") == ([first], 1)
    second = await said(store, "the")
    assert await found(store, "the") == ([second], 1)  # three segments: the newest is looked at, in the index
