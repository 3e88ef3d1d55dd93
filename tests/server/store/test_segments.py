"""Segments: all versions kept, the newest shown, all counted once."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from protocol.events import SpeakerTurn, Transcribed
from server.store.store import Store
from server.store.tables import segments
from tests.server.spoken import final, put


async def test_segments_are_ordered_by_time_not_by_arrival(store: Store) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, *(final(f"seg_{i}", f"word{i}", start_samples=i * 16000) for i in (2, 0, 3, 1)))
    shown = await store.segments_of(made)
    assert [(s.segment.segment_id, s.seq) for s in shown] == [("seg_0", 2), ("seg_1", 4), ("seg_2", 1), ("seg_3", 3)]
    assert [s.segment.segment_id for s in await store.segments_of(made, offset=1, limit=2)] == ["seg_1", "seg_2"]
    assert shown[1].track_started_at == 1000.0


async def test_a_new_revision_replaces_and_the_old_one_is_kept(store: Store, database_url: str) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, final(text="one two three"), final("seg_2", "other"))
    await put(store, made, final(text="one", revision=2), final(text="one two", revision=3))
    shown = await store.segments_of(made)
    assert [s.segment.text for s in shown] == ["one two", "other"]
    kept = await store.get_transcript(made)
    assert (kept.segments, kept.words) == (2, 3)
    engine = create_async_engine(database_url)
    async with engine.connect() as conn:
        count = await conn.execute(sa.select(sa.func.count()).where(segments.c.segment_id == "seg_1"))
        assert count.scalar_one() == 3
    await engine.dispose()


async def test_what_was_taken_back_is_listed_and_counted_no_more(store: Store) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, final(), final("seg_2", "gone soon", start_samples=16000))
    await put(store, made, final("seg_2", "", revision=2, start_samples=16000), final("seg_3", ""))
    assert [s.segment.text for s in await store.segments_of(made)] == ["hello there"]
    kept = await store.get_transcript(made)
    assert (kept.segments, kept.words) == (1, 2)
    bodies = [event.body for event in await store.events_after(made, 2, 10)]
    assert [body.segment.text for body in bodies if isinstance(body, Transcribed)] == ["", ""]
    await put(store, made, final("seg_2", "back", revision=3, start_samples=16000))
    assert (await store.get_transcript(made)).segments == len(await store.segments_of(made)) == 2


async def test_an_old_revision_that_comes_late_is_not_shown(store: Store) -> None:
    made = (await store.create_transcript()).id
    await put(store, made, final(text="new", revision=2))
    await put(store, made, final(text="old old old", revision=1))
    assert [s.segment.text for s in await store.segments_of(made)] == ["new"]
    assert (await store.get_transcript(made)).words == 1


async def test_relabelling_changes_the_speaker_and_nothing_else(store: Store) -> None:
    made = (await store.create_transcript()).id
    turn = SpeakerTurn(
        speaker="Ann",
        speaker_id="1",
        track="trk_1",
        start_samples=0,
        end_samples=1,
        track_started_at=1000.0,
        segment_ids=("seg_1", "seg_1", "seg_unknown"),
    )
    await put(store, made, final(), final("seg_2", start_samples=16000))
    await put(store, made, turn)
    shown = await store.segments_of(made)
    assert [(s.segment.speaker, s.segment.text, s.seq) for s in shown] == [
        ("Ann", "hello there", 3),
        (None, "hello there", 2),
    ]
    kept = await store.get_transcript(made)
    assert (kept.segments, kept.words) == (2, 4)
    # In one batch with the final that it relabels.
    await put(store, made, final("seg_3", start_samples=32000), turn.model_copy(update={"segment_ids": ("seg_3",)}))
    assert [s.segment.speaker for s in await store.segments_of(made)] == ["Ann", None, "Ann"]


async def test_the_same_segment_id_in_two_transcripts_is_two_segments(store: Store) -> None:
    a, b = (await store.create_transcript()).id, (await store.create_transcript()).id
    await put(store, a, final(text="first"))
    await put(store, b, final(text="second"))
    assert [s.segment.text for s in await store.segments_of(a)] == ["first"]
    assert [s.segment.text for s in await store.segments_of(b)] == ["second"]
