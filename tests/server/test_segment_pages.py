"""Segments of long transcripts, in pieces."""

from __future__ import annotations

import pytest

from protocol.errors import NotFound
from server.segment_pages import segment_pages
from server.store.store import Store
from tests.server.spoken import final, put

SECOND = 16_000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.segment_pages.PIECE_SEGMENTS", 4)


async def said(store: Store, transcript_id: str, *seconds: int) -> None:
    await put(store, transcript_id, *(final(f"seg_{at}", f"word{at}", start_samples=at * SECOND) for at in seconds))


async def test_a_segment_that_comes_between_two_reads_is_not_given_twice(store: Store) -> None:
    made = (await store.create_transcript()).id
    await said(store, made, *range(10, 15))
    found: list[list[str]] = []
    async for page in segment_pages(store, made):
        if not found:
            await said(store, made, 1)
        found.append([stored.segment.segment_id for stored in page])
    assert found == [["seg_10", "seg_11", "seg_12", "seg_13"], ["seg_14"]]


async def test_one_that_is_taken_back_between_two_reads_hides_no_other(store: Store) -> None:
    made = (await store.create_transcript()).id
    await said(store, made, *range(6))
    found: list[str] = []
    async for page in segment_pages(store, made):
        if not found:
            await put(store, made, final("seg_1", "", start_samples=SECOND, revision=2))
        found += [stored.segment.segment_id for stored in page]
    assert found == [f"seg_{at}" for at in range(6)]


async def test_those_after_one_move_by_nothing_that_is_taken_back(store: Store) -> None:
    made = (await store.create_transcript()).id
    await said(store, made, *range(9))
    await put(store, made, *(final(f"seg_{at}", "", start_samples=at * SECOND, revision=2) for at in (1, 2)))
    for after in (2, 3):  # also after one that was itself taken back
        pages = [page async for page in segment_pages(store, made, offset=after == 2, limit=5, after=f"seg_{after}")]
        assert [stored.segment.segment_id for page in pages for stored in page] == [f"seg_{at}" for at in range(4, 9)]
    with pytest.raises(NotFound, match="no segment 'seg_77'"):
        await anext(segment_pages(store, made, after="seg_77"))


async def test_a_part_of_them(store: Store) -> None:
    made = (await store.create_transcript()).id
    await said(store, made, *range(9))
    for offset, limit, expected in ((0, None, 9), (0, 8, 8), (2, 5, 5), (7, 5, 2), (9, None, 0)):
        pages = [page async for page in segment_pages(store, made, offset=offset, limit=limit)]
        assert all(0 < len(page) <= 4 for page in pages)
        found = [stored.segment.text for page in pages for stored in page]
        assert found == [f"word{at}" for at in range(offset, offset + expected)]
