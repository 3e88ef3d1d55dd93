"""Changes are numbered so that a reader who comes back with the last number misses none."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.ext.asyncio import create_async_engine

from protocol.errors import Conflict, NotFound, PreconditionFailed
from protocol.events import Summarised
from protocol.states import TranscriptState
from server.store.listing import Wanted
from server.store.migrate import MIGRATIONS
from server.store.records import Transcript
from server.store.standing import Viewer
from server.store.store import Store
from tests.server.spoken import final, put


async def changed_after(store: Store, number: int, *, size: int = 100) -> list[Transcript]:
    found, _ = await store.list_transcripts(
        Wanted(changed_after=number, deleted="destroyed"), size=size, order="change_seq"
    )
    return found


async def test_each_change_has_a_number_and_events_have_none(store: Store) -> None:
    made = await store.create_transcript(name="a")
    other = await store.create_transcript(name="b")
    assert made.change_seq < other.change_seq
    numbers = [other.change_seq]
    for change in (
        store.update_transcript(made.id, title="A"),
        store.set_state(made.id, TranscriptState.RECORDING),
        store.delete_transcript(made.id),
        store.restore_transcript(made.id),
    ):
        numbers.append((await change).change_seq)
    assert numbers == sorted(set(numbers))
    await put(store, made.id, final())
    assert (await store.get_transcript(made.id)).change_seq == numbers[-1]
    await put(store, made.id, Summarised(summary="short"))
    assert (await store.get_transcript(made.id)).change_seq > numbers[-1]
    assert [each.id for each in await changed_after(store, numbers[0])] == [made.id]
    assert [each.id for each in await changed_after(store, 0)] == [other.id, made.id]


async def test_what_is_destroyed_is_told_to_those_that_keep_copies(store: Store) -> None:
    made = await store.create_transcript(name="secret", owner="me")
    seen = made.change_seq
    await store.destroy_transcript(made.id)
    [told] = await changed_after(store, seen)
    assert (told.id, told.owner, told.name, told.change_seq > seen) == (made.id, "me", "", True)
    assert told.destroyed_at is not None
    for wanted in (Wanted(), Wanted(deleted="with")):
        assert await store.list_transcripts(wanted) == ([], 0)
    with pytest.raises(NotFound):
        await store.get_transcript(made.id, including_deleted=True)
    with pytest.raises(NotFound):
        await store.restore_transcript(made.id)


async def test_a_change_of_another_version_is_refused(store: Store) -> None:
    made = await store.create_transcript(name="a")
    changed = await store.update_transcript(made.id, name="b", expected_change_seq=made.change_seq)
    with pytest.raises(PreconditionFailed):
        await store.update_transcript(made.id, name="c", expected_change_seq=made.change_seq)
    assert await store.get_transcript(made.id) == changed


async def test_of_two_changes_of_one_version_one_is_refused(store: Store) -> None:
    made = await store.create_transcript(name="a")
    changes = [
        store.update_transcript(made.id, name=name, expected_change_seq=made.change_seq) for name in ("b", "c", "d")
    ]
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == [
        "PreconditionFailed",
        "PreconditionFailed",
        "Transcript",
    ]


async def test_what_is_locked_is_not_removed(store: Store) -> None:
    made = await store.create_transcript()
    await store.update_transcript(made.id, locked=True)
    for call in (store.delete_transcript, store.destroy_transcript, store.remove_audio):
        with pytest.raises(Conflict, match="unlock it"):
            await call(made.id)
    assert (await store.remove_audio(made.id, even_locked=True)).audio_deleted
    await store.update_transcript(made.id, locked=False)
    await store.delete_transcript(made.id)
    assert await store.destroy_transcript(made.id) == []


async def test_the_bin_is_entered_and_left_once(store: Store) -> None:
    made = await store.create_transcript()
    with pytest.raises(Conflict, match="not deleted"):
        await store.restore_transcript(made.id)
    with pytest.raises(Conflict, match="soft-deleted first"):
        await store.destroy_transcript(made.id, only_deleted=True)
    await store.delete_transcript(made.id)
    for call in (store.delete_transcript, store.get_transcript, store.remove_audio):
        with pytest.raises(NotFound):
            await call(made.id)
    with pytest.raises(NotFound):
        await store.create_track(made.id, source="stream", started_at=0.0)
    with pytest.raises(NotFound):
        await store.update_transcript(made.id, name="x")
    assert (await store.get_transcript(made.id, including_deleted=True)).deleted_at is not None
    assert (await store.restore_transcript(made.id)).deleted_at is None
    await store.delete_transcript(made.id)
    assert await store.destroy_transcript(made.id, only_deleted=True) == []


@pytest.mark.parametrize("seed", range(2))
async def test_a_reader_that_comes_back_misses_no_change(store: Store, database_url: str, seed: int) -> None:
    """Two nodes change what they like while a reader goes from number to number: at the end its copy is the truth,
    and no number ever came after a greater one was seen."""
    rng = random.Random(seed)
    nodes = [store, await Store.open(database_url)]
    known = [(await store.create_transcript(name="0")).id for _ in range(3)]
    copies: dict[str, Transcript] = {}
    numbers: list[int] = []
    is_over = asyncio.Event()

    async def change(name: str) -> None:
        node, target = rng.choice(nodes), rng.choice(known)
        try:
            match rng.randrange(6):
                case 0:
                    known.append((await node.create_transcript(name=name)).id)
                case 1:
                    await node.delete_transcript(target)
                case 2:
                    await node.restore_transcript(target)
                case 3:
                    await put(node, target, Summarised(summary=name), final(name))
                case 4 if len(known) > 2:
                    await node.destroy_transcript(target)
                case _:
                    await node.update_transcript(target, name=name)
        except (NotFound, Conflict):
            pass  # it was in another state: nothing changed

    async def follow() -> None:
        while True:
            last_round = is_over.is_set()
            found = await changed_after(store, numbers[-1] if numbers else 0, size=rng.randint(1, 4))
            numbers.extend(each.change_seq for each in found)
            copies.update({each.id: each for each in found})
            if last_round and not found:
                return

    reader = asyncio.create_task(follow())
    for begin in range(0, 60, 6):
        await asyncio.gather(*(change(str(number)) for number in range(begin, begin + 6)))
    is_over.set()
    await reader
    assert numbers == sorted(set(numbers))
    truth, total = await store.list_transcripts(Wanted(deleted="destroyed"), size=100)
    assert total == len(known) == len(copies)
    for each in truth:
        copy = copies[each.id]
        seen = (copy.name, copy.summary, copy.deleted_at, copy.destroyed_at, copy.change_seq)
        assert seen == (each.name, each.summary, each.deleted_at, each.destroyed_at, each.change_seq)
    await nodes[1].close()


async def test_a_change_that_is_not_committed_yet_keeps_later_ones_back(store: Store, database_url: str) -> None:
    """Without that a reader would see the later number first, and never come back for the earlier one."""
    if not database_url.startswith("postgresql"):
        return  # one writer: there is no such moment
    slow, quick = await store.create_transcript(), await store.create_transcript()
    engine = create_async_engine(database_url)
    async with engine.connect() as conn:
        await conn.execute(sa.text("SELECT id FROM transcripts WHERE id = :id FOR UPDATE"), {"id": slow.id})
        taken = sa.text("UPDATE counters SET value = value + 1 WHERE name = 'changes' RETURNING value")
        number = (await conn.execute(taken)).scalar_one()
        later = asyncio.create_task(store.update_transcript(quick.id, name="later"))
        assert not (await asyncio.wait({later}, timeout=0.2))[0]
        await conn.execute(
            sa.text("UPDATE transcripts SET change_seq = :number WHERE id = :id"), {"id": slow.id, "number": number}
        )
        await conn.commit()
    assert (await later).change_seq > number
    await engine.dispose()
    assert [each.id for each in await changed_after(store, quick.change_seq)] == [slow.id, quick.id]


def upgrade_to(connection: sa.Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_what_an_older_version_made_is_numbered_at_the_upgrade(empty_database_url: str) -> None:
    engine = create_async_engine(empty_database_url)

    def older(connection: sa.Connection) -> None:
        upgrade_to(connection, "0001")
        for number, at in (("b", 2.0), ("a", 1.0)):
            connection.execute(
                sa.text(
                    "INSERT INTO transcripts (id, name, state, language, created_at, updated_at, last_seq, segments,"
                    " words) VALUES (:id, '', 'ended', 'en', :at, :at, 0, 0, 0)"
                ),
                {"id": number, "at": at},
            )
        connection.execute(
            sa.text(
                "INSERT INTO tracks (id, transcript_id, name, started_at, length_samples, transcribed_samples, state,"
                " source, path) VALUES ('t', 'a', '', 0, 0, 0, 'finished', 'file', 'a/t')"
            )
        )

    async with engine.begin() as conn:
        await conn.run_sync(older)
    await engine.dispose()
    store = await Store.open(empty_database_url)
    assert [(each.id, each.change_seq, each.source_kind) for each in await changed_after(store, 0)] == [
        ("a", 1, "file"),
        ("b", 2, "live"),
    ]
    assert (await store.create_transcript()).change_seq == 3
    await store.close()


async def test_segments_that_were_taken_back_before_are_counted_no_more(empty_database_url: str) -> None:
    engine = create_async_engine(empty_database_url)

    def older(connection: sa.Connection) -> None:
        upgrade_to(connection, "0021")
        for id_, counted in (("joined", 3), ("erased", 1), ("whole", 2)):
            connection.execute(
                sa.text(
                    "INSERT INTO transcripts (id, name, state, language, created_at, updated_at, last_seq, segments,"
                    " words, change_seq, source_kind) VALUES (:id, '', 'ended', 'en', 1, 1, 3, :segments, 4, 1, 'file')"
                ),
                {"id": id_, "segments": counted},
            )
        for id_, segment, seq, newest, words in (
            ("joined", "a", 1, True, 4),
            ("joined", "b", 2, False, 2),
            ("joined", "b", 3, True, 0),
            ("erased", "a", 1, True, 0),
            ("whole", "a", 1, True, 4),
        ):
            connection.execute(
                sa.text(
                    "INSERT INTO segments (transcript_id, segment_id, seq, newest, starts_at, track_started_at, words,"
                    " body) VALUES (:id, :segment, :seq, :newest, 0, 0, :words, '{}')"
                ),
                {"id": id_, "segment": segment, "seq": seq, "newest": newest, "words": words},
            )

    async with engine.begin() as conn:
        await conn.run_sync(older)
    await engine.dispose()
    store = await Store.open(empty_database_url)
    counted = {id_: (await store.get_transcript(id_)).segments for id_ in ("joined", "erased", "whole")}
    assert counted == {"joined": 1, "erased": 0, "whole": 2}  # what has none is left alone
    await store.close()


async def test_of_what_others_shared_and_deleted_nothing_is_told_but_that(store: Store) -> None:
    mine = await store.create_transcript(name="mine", owner="anna")
    shared = await store.create_transcript(name="shared", title="Budget", owner="bert", share_mode="semi-private")
    await store.create_transcript(name="private", owner="bert")
    for transcript in (mine, shared):
        await store.delete_transcript(transcript.id)
    anna = Viewer("anna")
    in_bin, _ = await store.list_transcripts(Wanted(deleted="with", viewer=anna))
    assert [(each.id, each.name) for each in in_bin] == [(mine.id, "mine")]
    changes, _ = await store.list_transcripts(
        Wanted(changed_after=0, deleted="destroyed", viewer=anna), order="change_seq"
    )
    assert [(each.id, each.name, each.title) for each in changes] == [(mine.id, "mine", ""), (shared.id, "", "")]
    [_, told] = changes
    assert told.deleted_at is not None


async def test_no_filter_and_no_order_tells_what_others_deleted(store: Store) -> None:
    shared = await store.create_transcript(title="Layoffs", owner="bert", share_mode="semi-private")
    later = await store.create_transcript(title="Budget", owner="anna")
    await store.delete_transcript(shared.id)
    filters = (
        Wanted(search="layoffs"),
        Wanted(search="picnic"),
        Wanted(states=(TranscriptState.FAILED,)),
        Wanted(source_kinds=("room",)),
        Wanted(room_id="nowhere"),
        Wanted(created_to=1.0),
    )
    for each in filters:
        asked = replace(each, changed_after=0, deleted="destroyed", viewer=Viewer("anna"))
        # Whoever copies only some is told of each that is gone, so that the answer is the same for all filters.
        assert [found.id for found in (await store.list_transcripts(asked))[0]] == [shared.id], each
    wanted = Wanted(deleted="destroyed", viewer=Viewer("anna"))
    # By when they were deleted, which is told.
    assert [each.id for each in (await store.list_transcripts(wanted))[0]] == [shared.id, later.id]
    await store.delete_transcript(later.id)
    mine = replace(wanted, search="budget")
    assert {each.id for each in (await store.list_transcripts(mine))[0]} == {shared.id, later.id}
    await store.destroy_transcript(later.id)
    assert {each.id for each in (await store.list_transcripts(mine))[0]} == {shared.id, later.id}
